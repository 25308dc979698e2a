"""The labelled corpus: every secret in it goes, and what only looks like one stays."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.corpus import ORDINARY, WRITTEN, Sample, benign, secrets, texts_in, written

from ezlogs.privacy import Scrubber

SECRETS = list(secrets())
BENIGN = list(benign())
KINDS = sorted({sample.kind for sample in SECRETS})


def missed(samples: list[Sample]) -> list[Sample]:
    """Return those whose secret survives, all of it or a good part."""
    scrubber = Scrubber()
    return [sample for sample in samples if sample.leak_in(scrubber.attributes(sample.value, []))]


def told(samples: list[Sample]) -> str:
    """One line for each."""
    return "\n".join(f"{sample.kind} in {sample.placement}: {sample.value}" for sample in samples)


@pytest.mark.parametrize("kind", KINDS)
def test_every_secret_goes(kind: str) -> None:
    """Wherever it is; each that is missed is listed."""
    misses = missed([sample for sample in SECRETS if sample.kind == kind])
    assert not misses, told(misses)


@pytest.mark.parametrize("place", WRITTEN)
def test_what_was_written_by_hand_goes(place: str) -> None:
    """As it stands in logs, requests, statements and errors; each that is missed is listed."""
    scrubber = Scrubber()
    samples = [sample for sample in written() if sample.placement == place]
    misses = [
        sample for sample in samples if sample.secret in "\n".join(texts_in(scrubber.attributes(sample.value, [])))
    ]
    assert samples
    assert not misses, told(misses)


def test_what_looks_like_a_secret_stays() -> None:
    """Fewer than one in two hundred is touched, and nothing is recorded for the others."""
    scrubber, touched = Scrubber(), []
    for sample in BENIGN:
        found: list[str] = []
        if scrubber.attributes(sample.value, found) is not sample.value or found:
            touched.append(sample)
    assert len(touched) < len(BENIGN) * 0.005, told(touched)


def test_ordinary_text_stays_as_it_is() -> None:
    """All that was written by hand: it comes close to telling something, and does not."""
    touched = []
    for text in ORDINARY:
        found: list[str] = []
        if Scrubber().text(text, "", found) != text or found:
            touched.append((text, found))
    assert not touched


def test_the_corpus_is_large_and_what_it_says() -> None:
    """A thousand of each at least, many of every kind; each secret is there before it is scrubbed."""
    assert len(SECRETS) >= 1000
    assert len(BENIGN) >= 1000
    assert min(Counter(sample.kind for sample in SECRETS).values()) >= 6
    assert all(sample.secret in "\n".join(texts_in(sample.value)) for sample in SECRETS)
    assert list(secrets()) == SECRETS, "not the same from the same seed"
    assert list(benign()) == BENIGN, "not the same from the same seed"


def test_the_corpus_sees_what_leaks() -> None:
    """What nobody scrubbed is a leak, each of them; half of a password is one too."""
    assert all(sample.leak_in(sample.value) for sample in SECRETS)
    password = Sample("password", "note", {}, "correct horse")
    assert password.leak_in({"note": "[redacted] horse ect hor"}) == "ect hor"
    assert password.leak_in({"note": "[redacted] horse"}) == ""
