"""Values that are sensitive whatever they are called: recognised by their form, checked where they can be."""

from __future__ import annotations

from typing import Final

from ezlogs.privacy.addresses import IP
from ezlogs.privacy.checksums import find_cards, find_ibans
from ezlogs.privacy.contact import CONTACT
from ezlogs.privacy.credentials import CREDENTIALS
from ezlogs.privacy.national_ids import NATIONAL_IDS
from ezlogs.privacy.rule import Finder, Rule
from ezlogs.privacy.vendor_keys import VENDOR_KEYS

CARD: Final = Finder("card", (b"0" * 14,), find_cards)
IBAN: Final = Finder("iban", (b"00000", b"aa00aaaa0", b"aa00aa0", b"aa00a0"), find_ibans)

DEFAULT_RULES: Final[tuple[Rule, ...]] = (
    CARD,
    IBAN,
    *NATIONAL_IDS,
    *CONTACT,
    *CREDENTIALS,
    IP,
    *VENDOR_KEYS,
)
"""Every value rule. Names and addresses in free text are not among them."""
