"""Hooks into a library, all of which can be taken back, and the instrumentor that is made of nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial, wraps
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing
from wrapt import FunctionWrapper, register_post_import_hook

from ezlogs.emit import guarded
from ezlogs.runtime import Runtime, current_runtime, on_install
from ezlogs.settings import Settings


class Hooks:
    """What one instrumenting put into a library."""

    def __init__(self) -> None:
        self.active = True
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put ``make(original)`` in the place of an attribute that a class or module has itself.

        After `undo` this does nothing: an import hook that still waits for its module cannot be taken back.
        """
        if not self.active:
            return
        original = vars(owner)[name]
        replacement = make(_method(original) if isinstance(owner, type) else original)
        setattr(owner, name, replacement)
        self._replaced.append((owner, name, original, replacement))

    def after(self, owner: Any, name: str, see: Callable[..., None], *, even_if_raised: bool = False) -> None:
        """See each call of a method once it has returned.

        Args:
            owner: The class.
            name: The method.
            see: Called with the instance, the result and the arguments; its errors never reach the application.
            even_if_raised: Also see calls that raised, with None for the result.
        """
        see = guarded(see)

        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(original)
            def call(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
                try:
                    result = original(instance, *args, **kwargs)
                except BaseException:
                    if even_if_raised and self.active:
                        see(instance, None, *args, **kwargs)
                    raise
                if self.active:
                    see(instance, result, *args, **kwargs)
                return result

            return call

        self.replace(owner, name, make)

    def connect(self, signal: Any, receiver: Callable[..., None]) -> None:
        """Connect a receiver to a signal; its errors never reach the application. After `undo` this does nothing."""
        if not self.active:
            return
        receiver = guarded(receiver)
        signal.connect(receiver, weak=False)
        self._undo.append(lambda: signal.disconnect(receiver))

    def when(self, wanted: Callable[[Settings], bool], attach: Callable[[Hooks], object]) -> None:
        """Attach what only some settings want as soon as there are such: where nobody wants it, it costs nothing.

        Args:
            wanted: Whether these settings do.
            attach: Called once.
        """
        attach = guarded(attach)

        def look(runtime: Runtime | None) -> None:
            if runtime is not None and self.active and wanted(runtime.settings) and end():
                attach(self)

        end = on_install(look)
        self._undo.append(end)
        look(current_runtime())

    def on_undo(self, call: Callable[[], object]) -> None:
        """Have something else taken back by `undo`; what is called last is taken back last."""
        self._undo.append(call)

    def undo(self) -> None:
        """Put back every original. Where somebody hooked on top of ours, ours stays below and does nothing."""
        self.active = False
        for owner, name, original, replacement in reversed(self._replaced):
            if vars(owner).get(name) is replacement:
                setattr(owner, name, original)
        for undo in self._undo:
            undo()


Attach = Callable[[Hooks, ModuleType], None]
"""Puts hooks into a module that has just been imported."""


class HookingInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """An instrumentor that hooks into modules as they are imported, so that it imports none of them itself."""

    package: ClassVar[str | None] = None
    """The package without which there is nothing to instrument; None where the standard library has it."""

    versions: ClassVar[tuple[str, ...]] = ()
    """The versions that this works with, as requirements."""

    parts: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What puts hooks into which module: functions of the instrumentor's own package, as ``file.function`` or
    ``folder.file.function``, with spaces between. A file is imported once such a module is, so that a process pays only
    for what it uses."""

    _hooks: Hooks

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions that this works with, as requirements."""
        return self.versions

    def is_installed(self) -> bool:
        """Return whether there is anything to instrument, in whatever version."""
        return self.package is None or find_spec(self.package) is not None

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module: what `parts` says."""
        package = sys.modules[type(self).__module__].__package__ or ""
        return {module: partial(_attach_parts, package, names) for module, names in self.parts.items()}

    def _instrument(self, **kwargs: Any) -> None:
        if not self.is_installed():
            raise ModuleNotFoundError(f"No module named {self.package!r}", name=self.package)
        self._hooks = Hooks()
        for module, attach in self.attachments().items():
            register_post_import_hook(partial(guarded(attach), self._hooks), module)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._hooks.undo()


def _attach_parts(package: str, names: str, hooks: Hooks, module: ModuleType) -> None:
    for name in names.split():
        file, _, function = name.rpartition(".")
        getattr(import_module(f".{file}", package), function)(hooks, module)


def _method(original: Any) -> Any:
    """Return a method that can be called with its instance first, also where another instrumentation wrapped it."""
    if not isinstance(original, FunctionWrapper):
        return original

    @wraps(original)
    def call(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original.__get__(instance, type(instance))(*args, **kwargs)

    return call
