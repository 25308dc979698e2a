"""Django's forms: input that did not pass validation, by field and code."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

from ezlogs.emit import listening
from ezlogs.trackers.data import VALIDATION, invalid
from ezlogs_instrumentors.django.users import loaded_key
from ezlogs_instrumentors.hooks import Hooks

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See each form after it was validated."""
    hooks.after(module.BaseForm, "full_clean", see_validation)


def see_validation(form: Any, _: None) -> None:
    """Tell a form's errors the first time that it has some."""
    if not form._errors or "_ezlogs_told" in vars(form) or not listening(VALIDATION):
        return
    form._ezlogs_told = True
    errors = {field: [error.code or "invalid" for error in found] for field, found in form._errors.as_data().items()}
    instance = vars(form).get("instance")
    if hasattr(type(instance), "_meta"):
        invalid(instance._meta.model_name, errors, source="form", id=loaded_key(instance))
    else:
        invalid(_WORD_START.sub("_", type(form).__name__).lower(), errors, source="form")
