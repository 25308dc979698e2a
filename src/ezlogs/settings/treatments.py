"""The settings of what is done with findings of privacy: treatments by rule, path and type of event, and a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ezlogs.privacy.policy import WORDS, Treatment
from ezlogs.settings.fixed import Fixed
from ezlogs.settings.kinds import MASK, Kind, Text
from ezlogs.settings.problem import nearest


class Treatments(Fixed[Treatment]):
    """What is done with findings, by where they are: immutable and in order, the first line that fits counts.

    >>> Treatments({"email": "mask"})
    Treatments({'email': 'mask'})
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:  # the order of the lines counts
        return isinstance(other, Treatments) and list(self.items()) == list(other.items())

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def shown(self) -> dict[str, object]:
        """Return the lines fit for JSON: functions by their names."""
        return {where: _spelled(how) for where, how in self.items()}


class TreatmentList(Kind, frozen=True):
    """``where=what`` pairs separated by commas, or one word for all findings; a mapping in code, with functions too.

    >>> TreatmentList().parse("email=mask, payment.*/card=drop")
    Treatments({'email': 'mask', 'payment.*/card': 'drop'})
    >>> TreatmentList().parse("hash")
    Treatments({'*': 'hash'})
    """

    @property
    def allowed(self) -> str:
        return f"{', '.join(WORDS[:-1])} or {WORDS[-1]}, or pairs such as 'email=mask' separated by commas"

    def parse(self, given: object) -> object:
        pairs = given.items() if isinstance(given, Mapping) else self._pairs(given)
        lines: dict[str, Treatment] = {}
        for where, how in pairs:
            if not isinstance(where, str) or not where.strip():
                raise self.refusal()
            lines[where.strip()] = self._treatment(how)
        return Treatments(lines)

    def shown(self, value: object) -> object:
        assert isinstance(value, Treatments)
        return value.shown()

    def _pairs(self, given: object) -> Iterator[tuple[str, object]]:
        if callable(given):
            yield "*", given
            return
        if not isinstance(given, str):
            raise self.refusal()
        for pair in filter(None, map(str.strip, given.split(","))):
            where, equals, how = pair.rpartition("=")
            yield (where, how) if equals else ("*", how)

    def _treatment(self, how: object) -> Treatment:
        if callable(how):
            return how
        word = how.strip().lower() if isinstance(how, str) else how
        for known in WORDS:
            if word == known:
                return known
        suggestion = nearest(word, WORDS) if isinstance(word, str) else None
        reasons = [f"{self.quoted(how)} is no treatment"] + ([f"did you mean '{suggestion}'?"] if suggestion else [])
        raise self.refusal(*reasons)


class Secret(Text, frozen=True):
    """A text that is never shown.

    >>> Secret("a long random text").shown("s3cret")
    '****'
    """

    def shown(self, value: object) -> object:
        return value and MASK

    def quoted(self, given: object) -> str:
        return MASK


NO_TREATMENTS: Final = Treatments()


def _spelled(how: Treatment) -> str:
    return getattr(how, "__qualname__", type(how).__qualname__) if callable(how) else how
