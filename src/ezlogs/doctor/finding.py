"""A finding: one thing that the doctor looked at, how it is, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["fine", "note", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    >>> str(Finding("problem", "endpoint", "no answer", "start a collector"))
    'endpoint: no answer; start a collector'
    """

    verdict: Verdict
    """``fine``, a ``note`` that asks for nothing, a ``warning``, or a ``problem`` that is to be mended."""

    about: str
    """What was looked at. Empty where the text says it."""

    text: str
    """How it is."""

    advice: str = ""
    """What to do."""

    def __str__(self) -> str:
        said = f"{self.about}: {self.text}" if self.about else self.text
        return f"{said}; {self.advice}" if self.advice else said
