"""What did not pass validation - a model, a form, a set of forms, a serializer - is told once, by field and code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded, listening
from ezlogs.trackers.data import VALIDATION, invalid
from ezlogs_instrumentors.django.data.policies import policy_for
from ezlogs_instrumentors.django.users import loaded_key
from ezlogs_instrumentors.hooks import Hooks

_MAX_FAULTS = 100
"""How many errors of one form or serializer are told."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_in_outer: ContextVar[bool] = ContextVar("ezlogs_django_validating", default=False)
"""Whether a form or a serializer is validating, which takes a model's errors for its own."""


def attach_to_models(hooks: Hooks, module: ModuleType) -> None:
    """See models that are validated by the application itself."""
    see = guarded(_see_model)

    def make(original: Callable[..., None]) -> Callable[..., None]:
        @wraps(original)
        def full_clean(instance: Any, /, *args: Any, **kwargs: Any) -> None:
            try:
                original(instance, *args, **kwargs)
            except module.ValidationError as error:
                if hooks.active and not _in_outer.get():
                    see(instance, error)
                raise

        return full_clean

    hooks.replace(module.Model, "full_clean", make)


def attach_to_forms(hooks: Hooks, module: ModuleType) -> None:
    """See each form after it was validated."""
    hooks.replace(module.BaseForm, "full_clean", partial(_validating, hooks, _see_form))


def attach_to_formsets(hooks: Hooks, module: ModuleType) -> None:
    """See what is wrong with a set of forms beside what is wrong with each."""
    hooks.after(module.BaseFormSet, "full_clean", see_formset)


def attach_to_serializers(hooks: Hooks, module: ModuleType) -> None:
    """See each serializer that the application asked whether it is valid, with those inside it."""
    for serializer in (module.BaseSerializer, module.ListSerializer):
        if "is_valid" in vars(serializer):
            hooks.replace(serializer, "is_valid", partial(_validating, hooks, _see_serializer))


def _validating(hooks: Hooks, see: Callable[[Any], None], original: Callable[..., Any]) -> Callable[..., Any]:
    see = guarded(see)

    @wraps(original)
    def validate(subject: Any, /, *args: Any, **kwargs: Any) -> Any:
        token = _in_outer.set(True)
        try:
            return original(subject, *args, **kwargs)
        finally:
            _in_outer.reset(token)
            if hooks.active:
                see(subject)

    return validate


def _see_model(instance: Any, error: Any) -> None:
    if listening(VALIDATION):
        errors = {field: _codes(found) for field, found in error.error_dict.items()}
        _tell(instance, instance, None, errors, "model")


def _see_form(form: Any) -> None:
    """Tell a form's errors the first time that it has some; what a set of forms counts them by is told with the set."""
    if not form._errors or type(form).__module__ == "django.forms.formsets" or _was_told(form):
        return
    errors = {field: _codes(found) for field, found in form._errors.as_data().items()}
    _tell(form, vars(form).get("instance"), None, errors, "form")


def see_formset(formset: Any, _: None) -> None:
    """Tell what is wrong with the set itself; each form tells its own errors."""
    found = formset._non_form_errors
    if found and not _was_told(formset):
        _tell(formset, None, getattr(formset, "model", None), {"__all__": _codes(found.as_data())}, "formset")


def _see_serializer(serializer: Any) -> None:
    """Tell a serializer's errors; of nested ones the fields are paths."""
    found = vars(serializer).get("_errors")
    if not found or _was_told(serializer):
        return
    errors: dict[str, list[str]] = {}
    for (path, code), _ in zip(_faults(found), range(_MAX_FAULTS), strict=False):
        errors.setdefault(path or "__all__", []).append(code)
    inner = getattr(serializer, "child", serializer)
    model = getattr(getattr(inner, "Meta", None), "model", None)
    _tell(inner, vars(serializer).get("instance"), model, errors, "serializer")


def _was_told(subject: Any) -> bool:
    if "_ezlogs_told" in vars(subject) or not listening(VALIDATION):
        return True
    subject._ezlogs_told = True
    return False


def _tell(subject: Any, instance: Any, model: Any, errors: Mapping[str, Sequence[str]], source: str) -> None:
    if hasattr(type(instance), "_meta"):
        policy = policy_for(type(instance))
        invalid(instance._meta.model_name, errors, source=source, id=loaded_key(instance), policy=policy)
    elif model is not None and hasattr(model, "_meta"):
        invalid(model._meta.model_name, errors, source=source, policy=policy_for(model))
    else:
        invalid(_WORD_START.sub("_", type(subject).__name__).lower(), errors, source=source)


def _codes(errors: Sequence[Any]) -> list[str]:
    return [error.code or "invalid" for error in errors][:_MAX_FAULTS]


def _faults(found: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(found, Mapping):
        for name, inner in found.items():
            part = "__all__" if name == "non_field_errors" else str(name)
            yield from _faults(inner, f"{path}.{part}" if path else part)
    elif isinstance(found, (list, tuple)):
        for position, inner in enumerate(found):
            is_of_item = isinstance(inner, (Mapping, list, tuple))
            yield from _faults(inner, f"{path}.{position}".lstrip(".") if is_of_item else path)
    else:
        yield path, str(getattr(found, "code", None) or "invalid")
