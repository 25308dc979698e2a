"""The sentence of a job: all of its runs in one."""

from __future__ import annotations

from ezlogs.event import UniversalEvent
from ezlogs.story.cast import Cast
from ezlogs.story.language import Language
from ezlogs.story.passages import Passage
from ezlogs.story.wording import last_segment, moment

NOTABLE_WAIT = 1.0
"""Seconds in the queue from which a reader wants to know of them."""

_TALLIES = {"success": "job.ran_times", "unknown": "job.interrupted_times"}
_ENDED_BY_OTHERS = {
    "revoked": "job.revoked",
    "expired": "job.expired",
    "terminated": "job.terminated",
    "reject": "job.reject",
}
"""How a job's last run ended, by its action, where somebody else than its own code has ended it."""


def sentence(passage: Passage, cast: Cast) -> list[str]:
    """Return ``Job send_receipt failed twice (SMTPServerDisconnected), then ran in 1.2 s``, and facts for brackets."""
    own = [node for node in passage.nodes if node.event.event_type in ("job.enqueue", "job.execution")]
    language = cast.language
    name = language.say("job", job=cast.job(own[0].event))
    nodes = [node for node in own if node.event.event_type == "job.execution"]
    nodes.sort(key=lambda node: (node.event.correlation.attempt or 0, node.at))
    runs = [node.event for node in nodes]
    if not runs:
        return [_not_run(name, own[0].event, language)]
    told = _ran(name, runs, language)
    joined = max(cast.joined(node.event) for node in own)
    facts = [language.say("job.joins", jobs=language.counting(joined, "job.joined"))] if joined else []
    if runs[-1].outcome == "unknown":
        facts.append(language.say("job.last_seen", at=moment(passage.last_seen, cast.zone)))
    wait = runs[0].metadata.get("queue_wait")
    if isinstance(wait, (int, float)) and wait >= NOTABLE_WAIT:
        rest = told.removeprefix(name).strip()
        message = "job.waited" if len(runs) == 1 else "job.waited_first"
        told = language.say(message, job=name, time=language.duration(wait), rest=rest)
    return [told, *facts]


def _ran(name: str, runs: list[UniversalEvent], language: Language) -> str:
    *earlier, last = runs
    by_others = _ENDED_BY_OTHERS.get(last_segment(last.action))
    if by_others is not None and last.outcome == "failure":
        return _then(name, earlier, language.say(by_others, why=_errors([last], language)), language)
    match last.outcome:
        case "retried":
            return language.say("job.again", job=name, earlier=_tally(runs, language))
        case "dead":
            attempts = language.counting(max(last.correlation.attempt or 0, len(runs)), "attempt")
            return language.say("job.dead", job=name, attempts=attempts, why=_errors(runs, language))
        case "failure" | "rolled_back":
            end = _tally(runs, language) if earlier else language.say("job.failed", why=_errors(runs, language))
            return language.say("job.ended", job=name, end=end)
        case "unknown":
            end = language.say("job.unfinished")
        case _:
            took = last.duration
            end = language.say("job.ran") if took is None else language.say("job.ran_in", time=language.duration(took))
    return _then(name, earlier, end, language)


def _then(name: str, earlier: list[UniversalEvent], end: str, language: Language) -> str:
    if not earlier:
        return language.say("job.ended", job=name, end=end)
    return language.say("job.then", job=name, earlier=_tally(earlier, language), end=end)


def _not_run(name: str, enqueued: UniversalEvent, language: Language) -> str:
    if enqueued.outcome == "failure":
        return language.say("job.unqueued", job=name, why=_errors([enqueued], language))
    return language.say("job.waiting", job=name)


def _tally(runs: list[UniversalEvent], language: Language) -> str:
    """Return how runs ended and how often: ``failed twice (TimeoutError)``."""
    ends: dict[str, list[UniversalEvent]] = {}
    for run in runs:
        ends.setdefault(_TALLIES.get(run.outcome, "job.failed_times"), []).append(run)
    return language.listed(
        [
            language.say(message, times=language.times(len(ended)), why=_errors(ended, language))
            for message, ended in ends.items()
        ]
    )


def _errors(runs: list[UniversalEvent], language: Language) -> str:
    return language.in_brackets([last_segment(run.error.type) for run in runs if run.error])
