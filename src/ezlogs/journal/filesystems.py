"""File systems: how a file may be written without harm to the process that writes it.

A page of a mapped file that cannot be filled or stored ends the process by SIGBUS. That cannot happen where a file
once preallocated keeps its blocks. File systems that write elsewhere each time (btrfs, ZFS, F2FS) may find no room for
a page that was there before, and those in the network may find no server.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import Final

from ezlogs.expressions import expression


class Writing(Enum):
    """How a journal's files are written."""

    MAPPED = "mapped"
    """Into memory that is the file: as safe from the end of the process, without a system call."""
    WRITTEN = "written"
    """By a system call for each record."""
    LATER = "later"
    """By the worker only: a call may wait for the network, and the application must not."""


_MAPPED: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs", "overlay"})
_NETWORK: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"orangefs", "smb3", "smbfs", "vboxsf", "virtiofs"}
)
_ESCAPED: Final = expression(r"\\([0-7]{3})")


def writing(path: str, mounts: str = "/proc/self/mounts") -> Writing:
    """Return how files in a directory are best written.

    Args:
        path: The directory, which exists.
        mounts: The table of what is mounted where; without one nothing is known, and nothing is mapped.
    """
    return writing_of(filesystem(os.path.realpath(path), mounts))


def writing_of(kind: str) -> Writing:
    """Return how files on a file system are best written.

    >>> writing_of("ext4").value, writing_of("nfs4").value, writing_of("btrfs").value
    ('mapped', 'later', 'written')
    """
    if kind in _MAPPED:
        return Writing.MAPPED
    if kind in _NETWORK or kind.startswith("fuse"):
        return Writing.LATER
    return Writing.WRITTEN


def filesystem(path: str, mounts: str) -> str:
    """Return the kind of the file system that a path is on, nothing where that is not known.

    Args:
        path: Without links.
        mounts: The table of what is mounted where.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as table:
            rows = [line.split() for line in table]
    except OSError:
        return ""
    longest, found = -1, ""
    for row in rows:
        if len(row) < 3:
            continue
        point = _ESCAPED.sub(lambda escape: chr(int(escape[1], 8)), row[1])
        if len(point) >= longest and (path == point or path.startswith(point.rstrip("/") + "/")):
            longest, found = len(point), row[2]
    return found
