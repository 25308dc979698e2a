"""Recovery: what dead processes left behind, for the one living process that adopts it to deliver."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from ezlogs.journal.directory import Directory
from ezlogs.journal.files import Segments
from ezlogs.journal.liveness import Home, adopt_home, homes
from ezlogs.journal.story import Found, found_in


class Abandoned:
    """What one dead process left. It belongs to this process until it is closed, or until this one dies too.

    Example::

        abandoned = adopt(directory)
        if abandoned is not None:
            for found in abandoned.found():
                ...  # deliver it
                abandoned.ack(found.receipts)
            abandoned.close()
    """

    def __init__(self, home: Home, segments: Segments) -> None:
        self._home = home
        self._segments = segments

    @property
    def name(self) -> str:
        """The name of the process's home: its id and a random end."""
        return self._home.name

    @property
    def counts(self) -> dict[str, int]:
        """What could not be delivered, by reason; see `Segments.counts`."""
        return dict(self._segments.counts)

    def found(self) -> Iterator[Found]:
        """Yield what is to be delivered, as it is read. To be called once, and to be left at any point.

        Raises:
            OSError: The directory was changed by others meanwhile.
            UnusableDirectoryError: It is not safe any more.
        """
        self._segments.discard_unreadable()
        yield from found_in(self._segments)

    def ack(self, receipts: Iterable[int]) -> None:
        """Acknowledge what was delivered. It is written down at once: who adopts it next need not repeat it.

        Raises:
            OSError: The directory was changed by others meanwhile.
            UnusableDirectoryError: It is not safe any more.
        """
        self._segments.finish(receipts)

    def close(self) -> bool:
        """Let go of it; return whether nothing was left, and so nothing remains on disk."""
        return self._home.remove()


def adopt(directory: Directory, max_age: float = 7 * 86_400.0, home: str | None = None) -> Abandoned | None:
    """Adopt what one dead process left, if any did; exactly one living process gets it.

    Homes in which there is nothing are removed. Segments of a later version of ezlogs are left to that.

    Args:
        directory: From `journal_directory`.
        max_age: Seconds after which a record is given up, and counted.
        home: The name of one process's home; that of any when left out.

    Raises:
        UnusableDirectoryError: The directory is not safe.
    """
    oldest = time.time_ns() - int(max_age * 1e9)
    for place in homes(directory):
        adopted = adopt_home(place) if home is None or place.names[-1] == home else None
        if adopted is None:
            continue
        segments = Segments(place, oldest=oldest, writable=True)
        segments.discard_unreadable()
        if segments.headers():
            return Abandoned(adopted, segments)
        adopted.remove()
    return None
