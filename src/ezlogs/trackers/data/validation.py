"""Validation: what was given and not accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ezlogs.emit import record

VALIDATION = "data.validation"


def invalid(
    name: str,
    errors: Mapping[str, Sequence[str]],
    *,
    source: str,
    id: str | None = None,
) -> None:
    """Tell that what was given did not pass validation: the fields and the codes, never the values.

    Args:
        name: The model, or the form where there is none.
        errors: For each field the codes of what was wrong.
        source: What validated: ``form``, ``serializer`` ...
        id: The primary key of the row that was to be changed.
    """
    faults = [(field, code) for field, codes in errors.items() for code in codes]
    record(
        VALIDATION,
        f"{name}.invalid",
        subject=(name, id),
        metadata={  # side by side rather than by field: under the key `card_number` privacy lets nothing pass
            "fields": [field for field, _ in faults],
            "codes": [code for _, code in faults],
            "source": source,
        },
        outcome="failure",
        severity="warn",
    )
