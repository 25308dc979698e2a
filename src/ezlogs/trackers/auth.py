"""Sign-ins, whatever the framework: who came, who went, and who was turned away."""

from __future__ import annotations

from ezlogs.emit import record
from ezlogs.event import ANONYMOUS


def session(action: str, user: object = None) -> None:
    """Tell that a session began or ended, or that somebody could not log in.

    Names and passwords that were typed in are not told, not even masked: for a wrong name nobody is known.

    Args:
        action: ``login``, ``logout`` or ``login_failed``.
        user: The user, as an actor may be given; None where nobody is known.
    """
    failed = action == "login_failed"
    record(
        "auth.session",
        action,
        actor=ANONYMOUS if user is None else user,
        subject=user,
        outcome="failure" if failed else "success",
        severity="warn" if failed else None,
    )
