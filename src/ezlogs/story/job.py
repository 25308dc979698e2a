"""The sentence of a job: all of its runs in one."""

from __future__ import annotations

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.passages import Passage
from ezlogs.story.wording import counted, duration, in_brackets, last_segment, listed, times

_VERBS = {"success": "ran", "unknown": "was interrupted"}
_ENDED_BY_OTHERS = {
    "revoked": "was revoked before it ran",
    "expired": "expired before it ran",
    "terminated": "was terminated",
    "reject": "was rejected",
}
"""How a job's last run ended, by its action, where somebody else than its own code has ended it."""


def sentence(passage: Passage, cast: Cast) -> str:
    """Return ``Job send_receipt failed twice (SMTPServerDisconnected), then ran in 1.2 s``."""
    own = [node for node in passage.nodes if node.event.event_type in ("job.enqueue", "job.execution")]
    name = f"Job {cast.job(own[0].event)}{_joining(own[0].event)}"
    nodes = [node for node in own if node.event.event_type == "job.execution"]
    nodes.sort(key=lambda node: (node.event.correlation.attempt or 0, node.at))
    runs = [node.event for node in nodes]
    if not runs:
        return _not_run(name, own[0].event)
    *earlier, last = runs
    by_others = _ENDED_BY_OTHERS.get(last_segment(last.action))
    if by_others is not None and last.outcome == "failure":
        end = f"{by_others}{_errors([last])}"
        return f"{name} {_tally(earlier)}, then {end}" if earlier else f"{name} {end}"
    match last.outcome:
        case "retried":
            return f"{name} {_tally(runs)} and waits for its next attempt"
        case "dead":
            attempts = max(last.correlation.attempt or 0, len(runs))
            return f"{name} gave up after {counted(attempts, 'attempt')}{_errors(runs)}"
        case "failure" | "rolled_back":
            return f"{name} failed{_errors(runs)}" if not earlier else f"{name} {_tally(runs)}"
        case "unknown":
            end = "did not finish"
        case _:
            end = "ran" if last.duration is None else f"ran in {duration(last.duration)}"
    return f"{name} {_tally(earlier)}, then {end}" if earlier else f"{name} {end}"


def _joining(event: UniversalEvent) -> str:
    """Return for how many others a job had to wait."""
    joined = event.metadata.get("joined")
    return f", which joins {counted(len(joined), 'job')}," if isinstance(joined, (list, tuple)) and joined else ""


def _not_run(name: str, enqueued: UniversalEvent) -> str:
    if enqueued.outcome == "failure":
        return f"{name} could not be queued{_errors([enqueued])}"
    return f"{name} is still waiting"


def _tally(runs: list[UniversalEvent]) -> str:
    """Return how runs ended and how often: ``failed twice (TimeoutError)``."""
    ends: dict[str, list[UniversalEvent]] = {}
    for run in runs:
        ends.setdefault(_VERBS.get(run.outcome, "failed"), []).append(run)
    return listed([f"{verb} {times(len(ended))}{_errors(ended)}" for verb, ended in ends.items()])


def _errors(runs: list[UniversalEvent]) -> str:
    return in_brackets([last_segment(run.error.type) for run in runs if run.error])
