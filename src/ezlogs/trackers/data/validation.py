"""Validation: what was given and not accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ezlogs.emit import record
from ezlogs.trackers.data.policy import ModelPolicy

VALIDATION = "data.validation"
ALL = "__all__"
"""What stands for a field where something is wrong with the whole."""


def invalid(
    name: str,
    errors: Mapping[str, Sequence[str]],
    *,
    source: str,
    id: str | None = None,
    policy: ModelPolicy | None = None,
) -> None:
    """Tell that what was given did not pass validation: the fields and the codes, never the values.

    Of a model that is left out nothing is told, nor of fields that are.

    Args:
        name: The model, or the form where there is none.
        errors: For each field the codes of what was wrong.
        source: What validated: ``form``, ``serializer`` ...
        id: The primary key of the row that was to be changed.
        policy: That of the model, if there is one.

    Example:
        >>> from ezlogs.testing import capture
        >>> from ezlogs.trackers.data import ModelPolicy
        >>> with capture() as captured:
        ...     errors = {"mail": ["invalid"], "draft": ["required"]}
        ...     invalid("order", errors, source="form", policy=ModelPolicy(hidden={"draft": "exclude"}))
        >>> captured.events[0].metadata["fields"]
        ('mail',)
    """
    if policy is not None:
        errors = {name: codes for name, codes in errors.items() if name == ALL or not policy.excludes(name)}
        if not errors or not policy.told:
            return
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
