"""File systems: what may be mapped, what is written, and what the application's threads must not wait for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezlogs.journal.filesystems import Writing, writing


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ext4", Writing.MAPPED),
        ("xfs", Writing.MAPPED),
        ("tmpfs", Writing.MAPPED),
        ("overlay", Writing.MAPPED),
        ("btrfs", Writing.WRITTEN),
        ("zfs", Writing.WRITTEN),
        ("something-new", Writing.WRITTEN),
        ("nfs4", Writing.LATER),
        ("fuse.sshfs", Writing.LATER),
        ("9p", Writing.LATER),
    ],
)
def test_each_file_system_is_written_as_is_safe(tmp_path: Path, kind: str, expected: Writing) -> None:
    """Only those are mapped that keep the room they promised."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\nshort line\n")
    assert writing(str(tmp_path), str(mounts)) is expected


def test_the_innermost_and_the_last_mount_counts(tmp_path: Path) -> None:
    """One may be mounted over another; names are escaped."""
    (tmp_path / "with space").mkdir()
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"a {tmp_path}/with\\040space nfs rw 0 0\nb {tmp_path}/with\\040space ext4 rw 0 0\n"
        f"c {tmp_path} btrfs rw 0 0\nd {tmp_path}/with nfs rw 0 0\n"
    )
    assert writing(str(tmp_path / "with space"), str(mounts)) is Writing.MAPPED


def test_where_nothing_is_known_nothing_is_mapped(tmp_path: Path) -> None:
    """Platforms without such a table."""
    assert writing(str(tmp_path), str(tmp_path / "missing")) is Writing.WRITTEN
    (tmp_path / "empty").write_text("")
    assert writing(str(tmp_path), str(tmp_path / "empty")) is Writing.WRITTEN
