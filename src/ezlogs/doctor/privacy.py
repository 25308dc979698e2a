"""What privacy does here: the rules in force, names, treatments, and whether samples of all kinds are redacted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint
from typing import Any, Final, NamedTuple

from ezlogs.doctor.finding import Finding
from ezlogs.doctor.samples import Sample, samples
from ezlogs.launch.rules import rules_of
from ezlogs.patterns import is_event_pattern
from ezlogs.privacy import DEFAULT_RULES, KeyMatcher, Rule
from ezlogs.privacy.national_ids import NATIONAL_IDS
from ezlogs.privacy.policy import DEFAULT_CHOICES, UNSEEN, is_secret
from ezlogs.privacy.scrubber import Scrubber
from ezlogs.privacy.users import Unusable, UserPattern
from ezlogs.runtime import scrubber_of
from ezlogs.settings import Loaded, Settings
from ezlogs.settings.problem import nearest

SHORTEST_KEY: Final = 16
"""Characters of a key of hashes that are not soon guessed."""

_IN_DISGUISE: Final = ("escaped", "base64")
_ORDINARY: Final = "order 42 was shipped to the shop in time"


class Installed(NamedTuple):
    """The rules that one entry point brings along, or why it brings none."""

    name: str
    rules: tuple[Rule, ...] = ()
    problem: str = ""


def installed(points: Iterable[EntryPoint]) -> list[Installed]:
    """Load the rules of other distributions, each entry point by itself."""
    return [_loaded(point) for point in points]


def rules(scrubber: Scrubber, others: Iterable[Installed]) -> Iterator[Finding]:
    """Tell of every rule in force: those that are built in by kind, then those of each distribution.

    Args:
        scrubber: Scrubs as a program that is started here does.
        others: What other distributions bring along.
    """
    others = list(others)
    national = set(_names(NATIONAL_IDS))
    built_in = list(_names(DEFAULT_RULES))
    keys = [name for name in built_in if is_secret(name) and name.rpartition("_")[2] in ("key", "token", "secret")]
    further = {name for one in others for name in _names(one.rules)}
    own = [rule for rule in scrubber.search().rules if isinstance(rule, (UserPattern, Unusable))]
    others_than_by_name = {*built_in, *further, *_IN_DISGUISE, *_names(own)}
    by_name = [name for name in _names(scrubber.search().rules) if name not in others_than_by_name]
    kinds = {
        "by form": [name for name in built_in if name not in national and name not in keys],
        "national ids": [name for name in built_in if name in national],
        "keys of vendors": keys,
        "beside a name": by_name,
        "in disguise": ["JSON in text", "percent signs", "escapes", "base64"],
    }
    for kind, names in kinds.items():
        yield Finding("fine", kind, ", ".join(names))
    for rule in own:
        if isinstance(rule, UserPattern):
            yield Finding("fine", "pattern", f"{rule.name}, by {rule.engine}")
        else:
            text = f"{rule.name} cannot be used: every text with a digit or of several words is redacted"
            yield Finding("problem", "pattern", text, "see settings above")
    for one in others:
        yield from _of_others(one)


def names(loaded: Loaded) -> Iterator[Finding]:
    """Tell which names are denied and allowed beside the built-in lists, and which of these change nothing."""
    settings, built_in = loaded.settings, KeyMatcher()
    own = KeyMatcher(settings.deny, settings.allow)
    for setting in ("deny", "allow"):
        if given := getattr(settings, setting):
            yield Finding("fine", setting, f"{', '.join(given)} ({loaded.sources[setting]})")
    known = [name for name in settings.deny if built_in.denies(name)]
    if known:
        yield Finding("note", "deny", f"denied without being listed: {', '.join(known)}")
    held = [name for name in settings.allow if own.denies(name)]
    if held:
        reason = "always denied, or listed in deny too, and redacted all the same"
        yield Finding("warning", "allow", f"{', '.join(held)}: {reason}", "take them off the list")
    idle = [name for name in settings.allow if not built_in.denies(name)]
    if idle:
        yield Finding("note", "allow", f"not denied anyway: {', '.join(idle)}")
    if not settings.deny and not settings.allow:
        yield Finding("note", "deny, allow", "not set: the built-in lists count")


def redaction(loaded: Loaded, scrubber: Scrubber) -> Iterator[Finding]:
    """Tell what each line of ``redaction`` is about, and which is about nothing; and whether ``hash`` has a key."""
    settings = loaded.settings
    known = {*_names(scrubber.search().rules), *_IN_DISGUISE}
    seen: list[tuple[str, str]] = []
    for where, how in settings.redaction.items():
        types, _, target = where.rpartition("/")
        told = how if isinstance(how, str) else "a function"
        over = next((before for before in seen if before in ((types, "*"), ("", "*"), ("", target))), None)
        seen.append((types, target))
        if types and not is_event_pattern(types):
            yield Finding("warning", where, f"never used: '{types}' is no type of events", "write 'order.action/card'")
        elif over is not None:
            first = "/".join(filter(None, over))
            yield Finding("warning", where, f"never used: '{first}' stands before it", "put the special line first")
        elif target in UNSEEN:
            yield Finding("warning", where, "never used: what could not be looked at is redacted, whatever is said")
        elif target != "*" and "." not in target and "*" not in target and target not in known:
            near = nearest(target, known)
            yield Finding(
                "warning", where, f"never used: no rule is called '{target}'", f"did you mean '{near}'?" if near else ""
            )
        else:
            yield Finding("fine", where, told + _but(target, told, settings))
    default = ", ".join(f"{choice.where} {choice.how}" for choice in DEFAULT_CHOICES)
    yield Finding("fine", "everything else", f"redact, {default}" if "*" not in settings.redaction else "as '*' says")
    key = settings.hash_key
    if key and len(key) < SHORTEST_KEY:
        short = f"short: whoever has hashes can try all keys of {len(key)} characters"
        yield Finding("warning", "hash_key", short, f"use {SHORTEST_KEY} or more, by chance")
    elif key:
        yield Finding("fine", "hash_key", f"set ({loaded.sources['hash_key']})")
    else:
        yield Finding("note", "hash_key", "not set: hash would mask")


def self_test(loaded: Loaded, further: tuple[Rule, ...]) -> Iterator[Finding]:
    """Scrub a sample of each kind as a program that is started here does, and tell which get through, and why.

    Args:
        loaded: The settings.
        further: The rules of other distributions.
    """
    settings, all_samples = loaded.settings, samples()
    passing = _passing(_scrubber(settings, further), all_samples)
    number = f"{len(all_samples) - len(passing)} of {len(all_samples)} kinds are redacted"
    kinds = ", ".join(sample.kind for sample in all_samples if sample not in passing)
    yield Finding("fine" if not passing else "note", "", f"{number}: {kinds}" if kinds else number)
    for sample in passing:
        yield Finding("problem", sample.kind, "gets through", _cause(sample, loaded, further))
    for where, how in settings.redaction.items():
        types, _, target = where.rpartition("/")
        by_path = "." in target or ("*" in target and target != "*")
        if how == "keep" and (types or by_path):
            event_type = types.replace("*", "any") or None
            path = target.replace("*", "any") if by_path else "metadata.any"
            here = _passing(_scrubber(settings, further), all_samples, event_type, path)
            kept = ", ".join(sample.kind for sample in here if sample not in passing)
            if kept:
                yield Finding("problem", where, f"gets through there: {kept}", "mask or hash it instead of keeping it")


def _loaded(point: EntryPoint) -> Installed:
    name = f"{point.dist.name} {point.dist.version} ('{point.name}')" if point.dist else f"'{point.name}'"
    try:
        return Installed(name, tuple(rules_of(point)))
    except Exception as problem:  # of a distribution that is none of ours
        return Installed(name, problem=type(problem).__qualname__)


def _of_others(one: Installed) -> Iterator[Finding]:
    if one.problem:
        text = f"not in use: {one.problem}"
        yield Finding("problem", one.name, text, "what only its rules find leaves in clear")
        return
    yield Finding("fine" if one.rules else "note", one.name, ", ".join(_names(one.rules)) or "no rules")
    for rule in one.rules:
        try:
            list(rule.find(_ORDINARY))
        except Exception as problem:
            text = f"{rule.name} raises {type(problem).__qualname__}"
            yield Finding("problem", one.name, text, "every text that it looks at is redacted as a whole")


def _names(some: Iterable[Rule]) -> Iterator[str]:
    return iter(dict.fromkeys(rule.name for rule in some))


def _but(target: str, how: str, settings: Settings) -> str:
    """Say where a treatment does less than it says."""
    if how == "hash" and not settings.hash_key:
        return ", which masks without a hash_key"
    if how in ("mask", "keep") and is_secret(target):
        return ", but it gives access and is redacted"
    if how in ("mask", "keep") and target == "key":
        return ", but what gives access is redacted"
    return ""


def _scrubber(settings: Settings, further: tuple[Rule, ...]) -> Scrubber:
    return scrubber_of(settings, lambda: further)


def _passing(scrubber: Scrubber, some: Iterable[Sample], event_type: str | None = None, path: str = "") -> list[Sample]:
    """Return the samples of which the secret is left: among attributes, or in an event of some type at some path."""
    if event_type is not None:
        scrubber = scrubber.within(event_type)

    def left(sample: Sample) -> str:
        if not path:
            return "".join(map(str, scrubber.attributes(sample.attributes, []).values()))
        return str(scrubber.value(sample.name, sample.value, path, []))

    return [sample for sample in some if sample.secret in left(sample)]


def _cause(sample: Sample, loaded: Loaded, further: tuple[Rule, ...]) -> str:
    """Say which setting lets a sample through: the one without which it would not."""
    given: dict[str, Any] = loaded.settings.given()
    for setting in ("allow", "redaction"):
        without = Settings(**{name: value for name, value in given.items() if name != setting})
        if not _passing(_scrubber(without, further), [sample]):
            return f"{setting} lets it ({loaded.sources[setting]})"
    return "no setting says so: please report it"
