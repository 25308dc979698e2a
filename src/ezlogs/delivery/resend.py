"""Resending: what dead processes left, and what was refused, sent at once by who asks for it, without a worker."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count, groupby, islice
from typing import TYPE_CHECKING, Final

from opentelemetry import context

from ezlogs.delivery.batch import Batch, SpanEncoder
from ezlogs.delivery.logs import LogEncoder
from ezlogs.delivery.restored import item_of, signal_of
from ezlogs.delivery.sealed import EncodedResource
from ezlogs.delivery.split import split
from ezlogs.delivery.transport import Transport, transport
from ezlogs.journal import Abandoned, Directory, Found, adopt
from ezlogs.journal.dead import DeadLetters
from ezlogs.otel_compat import leave, suppressing
from ezlogs.otlp import TOO_LARGE, Delivered, Outcome, Rejected, Retry
from ezlogs.privacy import Scrubber
from ezlogs.settings import OtlpSignal, Settings

if TYPE_CHECKING:
    from ezlogs.delivery.worker import Encoder

_FOR_EVER: Final = 100 * 365 * 86_400.0
_TRIES: Final = 3
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0


class Resending:
    """Sends what is on disk, for each signal to one address. What is not delivered stays where it is.

    A collector that takes nothing now is asked three times, and then nothing more is sent; what it refuses for good
    holds up nothing else.

    Args:
        settings: How to send.
        endpoints: The address of each signal.
    """

    def __init__(self, settings: Settings, endpoints: dict[OtlpSignal, str]) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._transports: dict[OtlpSignal, Transport] = {}
        scrubber = Scrubber()  # only to encode with: what is on disk was scrubbed before it was written
        self._encoders: dict[OtlpSignal, Encoder] = {"traces": SpanEncoder(scrubber), "logs": LogEncoder(scrubber)}
        self._away = False
        self.delivered = 0
        """Events that the collector took."""
        self.refused = 0
        """Events that it refused, and that are on disk still."""
        self.left = 0
        """Events that it could not take now, or that this version cannot send; on disk still."""
        self.partly = 0
        """Spans and log records of those taken that the collector says it has thrown away."""
        self.reason: str | None = None
        """What the collector said when it did not take something."""

    def left_by(self, directory: Directory, home: str) -> bool:
        """Send what a dead process left; return False, and send nothing, where a living one has it.

        Args:
            directory: From `journal_directory` or `journal_directories`.
            home: The name of the process's home.

        Raises:
            OSError: The directory was changed by others meanwhile.
            UnusableDirectoryError: It is not safe.
        """
        abandoned = adopt(directory, _FOR_EVER, home)
        if abandoned is None:
            return False
        token = context.attach(suppressing())
        try:
            self._send_all(abandoned)
        finally:
            leave(token)
            abandoned.close()
        return True

    def dead(self, letters: DeadLetters) -> None:
        """Send what was refused once more, byte for byte as it was; what is taken now is removed.

        Raises:
            UnusableDirectoryError: The directory is not safe.
        """
        token = context.attach(suppressing())
        try:
            for letter in letters.letters():
                signal = next((signal for signal in self._endpoints if signal == letter.signal), None)
                outcome = None if signal is None or self._away else self._answer(signal, letter.body)
                if isinstance(outcome, Delivered):
                    letters.remove(letter.name)
                if outcome is None:
                    self.left += letter.events
                else:
                    self._count(outcome, letter.events)
        finally:
            leave(token)

    def batch(self, batch: Batch) -> bool:
        """Send a batch of spans that is not on disk; return whether all of it was taken."""
        token = context.attach(suppressing())
        try:
            return self._send("traces", batch)
        finally:
            leave(token)

    @property
    def away(self) -> bool:
        """Whether the collector takes nothing now: nothing more is sent."""
        return self._away

    def close(self) -> None:
        """Close the connections."""
        for made in self._transports.values():
            made.close()

    def _send_all(self, abandoned: Abandoned) -> None:
        for resource, signal, found in self._groups(abandoned.found()):
            if signal is None or self._away:
                self.left += sum(1 + len(one.events) for one in found)
                continue
            belongs = EncodedResource.read(resource)
            batch = self._encoders[signal].batch([item_of(one, belongs) for one in found], belongs)
            if self._send(signal, batch):
                abandoned.ack([receipt for one in found for receipt in one.receipts])

    def _groups(self, found: Iterable[Found]) -> Iterator[tuple[bytes, OtlpSignal | None, list[Found]]]:
        """Yield what can go in one request: of one resource and one signal, which is None where it cannot be sent."""
        for (resource, signal), alike in groupby(found, lambda one: (one.resource, signal_of(one))):
            while some := list(islice(alike, self._settings.max_batch_size)):
                yield resource, signal, some

    def _send(self, signal: OtlpSignal, batch: Batch) -> bool:
        """Send a batch, in parts where it is too large; return whether all of it was taken."""
        parts, taken = deque([batch]), True
        while parts:
            part = parts.popleft()
            outcome = self._answer(signal, part.body)
            if isinstance(outcome, Rejected) and outcome.status == TOO_LARGE and (halves := split(part)):
                parts.extendleft(reversed(halves))
                continue
            taken = self._count(outcome, part.events) and taken
            if self._away:
                self.left += sum(part.events for part in parts)
                return False
        return taken

    def _count(self, outcome: Outcome, events: int) -> bool:
        """Count what became of a request; return whether it was taken."""
        if isinstance(outcome, Delivered):
            self.delivered += events
            self.partly += outcome.rejected
            self.reason = outcome.message or self.reason
            return True
        self.reason = outcome.reason
        if isinstance(outcome, Retry):
            self._away = True
            self.left += events
        else:
            self.refused += events
        return False

    def _answer(self, signal: OtlpSignal, body: bytes) -> Outcome:
        if signal not in self._transports:
            self._transports[signal] = transport(self._settings, self._endpoints[signal], signal)
        for attempt in count(1):
            outcome = self._transports[signal].send(body)
            pause = _pause(outcome, attempt) if isinstance(outcome, Retry) else None
            if pause is None:
                break
            time.sleep(pause)
        return outcome


def _pause(outcome: Retry, attempt: int) -> float | None:
    """Return the seconds until the next attempt, or None where there is none: nobody waits for long at a terminal."""
    pause = _FIRST_PAUSE * 2**attempt if outcome.after is None else outcome.after
    return pause if attempt < _TRIES and pause <= _LONGEST_PAUSE else None
