"""A labelled corpus: secrets in the places where they turn up, and ordinary values that look like them.

Made from a seed, the same everywhere; nothing in it belongs to anybody. Checksums are computed and keys put
together from pieces, so that no scanner takes this repository for a leak.
"""

from __future__ import annotations

from tests.corpus.benign import benign
from tests.corpus.ordinary import ORDINARY
from tests.corpus.sample import Sample, texts_in
from tests.corpus.secret import secrets
from tests.corpus.written import WRITTEN, written

__all__ = ["ORDINARY", "WRITTEN", "Sample", "benign", "secrets", "texts_in", "written"]
