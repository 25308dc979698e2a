"""What the doctor says of privacy: rules in force, names, treatments, and a test on samples of every kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from ezlogs.doctor import Finding, examine_privacy, privacy, report
from ezlogs.doctor.samples import Sample, samples
from ezlogs.expressions import expression
from ezlogs.launch import rules as launched
from ezlogs.privacy import DEFAULT_RULES, Pattern, Rule, Scrubber
from ezlogs.runtime import scrubber_of
from ezlogs.settings import Loaded, load

Install = Callable[..., list[EntryPoint]]

BADGE = Pattern("badge", ("BDG-",), expression(r"BDG-[0-9]{6}"))


class Broken:
    """A rule that raises."""

    name, clues = "broken", ()

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Raise."""
        raise KeyError(text)


BROKEN = Broken()
NOTHING: tuple[Rule, ...] = ()


def loaded(**environ: str) -> Loaded:
    """The settings of an environment, by settings."""
    return load({f"EZLOGS_{name.upper()}": value for name, value in environ.items()})


def told(findings: Iterable[Finding]) -> list[str]:
    """Verdict and text of each."""
    return [f"{finding.verdict} {finding}" for finding in findings]


def with_settings(**environ: str) -> tuple[Loaded, Scrubber]:
    """Settings, and what scrubs as they say."""
    settings = loaded(**environ)
    return settings, scrubber_of(settings.settings)


def test_every_built_in_rule_is_told_once() -> None:
    """By kind, and none is left out."""
    found = list(privacy.rules(Scrubber(), []))
    names = [name for finding in found[:3] for name in finding.text.split(", ")]
    assert sorted(names) == sorted({rule.name for rule in DEFAULT_RULES})
    assert "github_key" in found[2].text
    assert found[3].about == "beside a name"
    assert "key" in found[3].text.split(", ")


def test_rules_of_other_distributions_are_told_with_whose_they_are(install: Install) -> None:
    """The name of the distribution, its version and what it names them."""
    points = install("acme-privacy", {"badge": f"{__name__}:BADGE", "none": f"{__name__}:NOTHING"}, launched.GROUP)
    others = privacy.installed(points)
    found = told(privacy.rules(Scrubber(further=lambda: [BADGE]), others))
    assert "fine acme-privacy 1.0 ('badge'): badge" in found
    assert "note acme-privacy 1.0 ('none'): no rules" in found
    assert not any("badge" in line for line in found if line.startswith("fine beside a name"))


def test_rules_that_cannot_be_loaded_are_problems(install: Install) -> None:
    """What only they find leaves in clear; each by itself, and the others count all the same."""
    values = {"gone": "acme_that_is_gone:RULE", "text": f"{__name__}:__name__", "badge": f"{__name__}:BADGE"}
    found = told(privacy.rules(Scrubber(), privacy.installed(install("acme", values, launched.GROUP))))
    assert any(line.startswith("problem acme 1.0 ('gone'): not in use: ModuleNotFoundError") for line in found)
    assert any(line.startswith("problem acme 1.0 ('text'): not in use: TypeError") for line in found)
    assert "fine acme 1.0 ('badge'): badge" in found


def test_a_rule_that_raises_is_a_problem() -> None:
    """It redacts every text that it looks at."""
    point = EntryPoint("broken", f"{__name__}:BROKEN", launched.GROUP)
    found = told(privacy.rules(Scrubber(), privacy.installed([point])))
    assert any(line.startswith("problem 'broken': broken raises KeyError; every text") for line in found)


def test_names_are_told_with_their_source_and_those_that_change_nothing() -> None:
    """A name that is denied anyway, one that cannot be allowed, one that nobody denies."""
    found = told(privacy.names(loaded(deny="salary, token", allow="cart_token, password, colour, salary")))
    assert "fine deny: salary, token (EZLOGS_DENY in the environment)" in found
    assert "note deny: denied without being listed: token" in found
    assert any(
        line.startswith("warning allow: cart_token, password, salary: always denied, or listed in deny")
        for line in found
    )
    assert "note allow: not denied anyway: colour, salary" in found
    assert told(privacy.names(loaded())) == ["note deny, allow: not set: the built-in lists count"]
    assert told(privacy.names(loaded(allow="cart_token"))) == [
        "fine allow: cart_token (EZLOGS_ALLOW in the environment)"
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("email=mask", "fine email: mask"),
        ("key=drop", "fine key: drop"),
        ("metadata.billing.*=drop", "fine metadata.billing.*: drop"),
        ("payment.*/card=drop", "fine payment.*/card: drop"),
        ("escaped=drop", "fine escaped: drop"),
        ("card=hash", "fine card: hash, which masks without a hash_key"),
        ("github_key=keep", "fine github_key: keep, but it gives access and is redacted"),
        ("key=mask", "fine key: mask, but what gives access is redacted"),
        ("emial=mask", "warning emial: never used: no rule is called 'emial'; did you mean 'email'?"),
        ("xyzzyxyzzy=mask", "warning xyzzyxyzzy: never used: no rule is called 'xyzzyxyzzy'"),
        ("too_long=keep", "warning too_long: never used: what could not be looked at is redacted, whatever is said"),
        ("pay*/card=drop", "warning pay*/card: never used: 'pay*' is no type of events; write 'order.action/card'"),
    ],
)
def test_each_line_of_redaction_is_told_and_whether_it_is_used(line: str, expected: str) -> None:
    """What it does less than it says, and what it may have been meant for."""
    assert expected in told(privacy.redaction(*with_settings(redaction=line)))


@pytest.mark.parametrize(
    "line", ["*=mask, email=drop", "*=mask, a.b/email=drop", "a.b/*=mask, a.b/email=drop", "email=mask, a.b/email=drop"]
)
def test_a_line_that_comes_too_late_is_never_used(line: str) -> None:
    """The first that fits counts."""
    found = told(privacy.redaction(*with_settings(redaction=line)))
    late = [found_line for found_line in found if "stands before it; put the special line first" in found_line]
    assert [found_line.partition(": ")[0].rpartition("/")[2].removeprefix("warning ") for found_line in late] == [
        "email"
    ]


@pytest.mark.parametrize("line", ["email=drop, *=mask", "a.b/*=mask, email=drop", "a.b/email=drop, c.d/email=mask"])
def test_a_line_that_another_leaves_something_to_is_used(line: str) -> None:
    """The special before the general, and lines of different types of events."""
    assert not any("never used" in found for found in told(privacy.redaction(*with_settings(redaction=line))))


def test_what_holds_for_everything_else_is_told_too() -> None:
    """The default, or what the line for everything says."""
    assert "fine everything else: redact, ip mask" in told(privacy.redaction(*with_settings()))
    assert "fine everything else: as '*' says" in told(privacy.redaction(*with_settings(redaction="mask")))


def test_whether_hash_has_a_key_is_told_and_never_the_key() -> None:
    """A key that is soon guessed is none."""
    key = "x" * privacy.SHORTEST_KEY
    assert "note hash_key: not set: hash would mask" in told(privacy.redaction(*with_settings()))
    found = told(privacy.redaction(*with_settings(hash_key=key, redaction="hash")))
    assert "fine hash_key: set (EZLOGS_HASH_KEY in the environment)" in found
    assert "fine *: hash" in found
    found = told(privacy.redaction(*with_settings(hash_key=key[1:])))
    assert any(line.startswith("warning hash_key: short: ") for line in found)
    assert key[1:] not in str(found)


def test_a_function_is_told_as_one() -> None:
    """Code that runs the doctor may give one."""
    given = load({}, {"redaction": {"email": str.upper}})
    assert "fine email: a function" in told(privacy.redaction(given, scrubber_of(given.settings)))


def test_at_default_settings_every_kind_is_redacted() -> None:
    """One finding, with the number of kinds and all of their names."""
    (finding,) = privacy.self_test(loaded(), ())
    number = len(samples())
    assert number > 50
    assert finding.verdict == "fine"
    assert finding.text.startswith(f"{number} of {number} kinds are redacted: payment card, IBAN, e-mail address")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"redaction": "email=keep"}, "e-mail address: gets through; redaction lets it (EZLOGS_REDACTION in the env"),
        ({"redaction": "ip=keep"}, "IP address: gets through; redaction lets it"),
        ({"redaction": "app.*=keep"}, "payment card: gets through; redaction lets it"),
        ({"allow": "customer_phone"}, "phone number by name: gets through; allow lets it (EZLOGS_ALLOW in the env"),
        ({"redaction": "payment.*/card=keep"}, "payment.*/card: gets through there: payment card; mask or hash it"),
        ({"redaction": "metadata.a.*=keep"}, "metadata.a.*: gets through there: payment card, IBAN, e-mail address"),
    ],
)
def test_what_gets_through_is_a_problem_with_its_cause(environ: dict[str, str], expected: str) -> None:
    """The setting without which it would not, and where that was given."""
    findings = list(privacy.self_test(loaded(**environ), ()))
    problems = [str(finding) for finding in findings if finding.verdict == "problem"]
    assert any(problem.startswith(expected) for problem in problems)
    lost = sum("gets through;" in problem for problem in problems)
    assert findings[0].text.startswith(f"{len(samples()) - lost} of {len(samples())} kinds")
    assert findings[0].verdict == ("note" if lost else "fine")


@pytest.mark.parametrize("line", ["mask", "email=mask", "drop", "payment.*/card=drop", "a.b/github_key=keep"])
def test_what_is_masked_or_dropped_does_not_get_through(line: str) -> None:
    """Nor does what is kept although it gives access."""
    assert all(finding.verdict == "fine" for finding in privacy.self_test(loaded(redaction=line), ()))


def test_hashes_do_not_get_through_as_what_they_are_of() -> None:
    """With a key."""
    findings = privacy.self_test(loaded(redaction="hash", hash_key="k" * 32), ())
    assert all(finding.verdict == "fine" for finding in findings)


def test_a_kind_that_no_setting_lets_through_is_a_fault_of_ezlogs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a problem all the same, and asks to be reported."""
    unknown = Sample("shoe size", "app.note", "it was 42-wide", "42-wide")
    monkeypatch.setattr(privacy, "samples", lambda: (unknown,))
    findings = told(privacy.self_test(loaded(allow="colour"), ()))
    assert findings == [
        "note 0 of 1 kinds are redacted",
        "problem shoe size: gets through; no setting says so: please report it",
    ]


def test_the_rules_of_other_distributions_take_part_in_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may find what nothing else does."""
    badge = Sample("badge", "app.note", "opened by BDG-123456", "BDG-123456")
    monkeypatch.setattr(privacy, "samples", lambda: (badge,))
    assert told(privacy.self_test(loaded(), (BADGE,))) == ["fine 1 of 1 kinds are redacted: badge"]


def test_samples_are_what_they_say_and_are_never_shown() -> None:
    """Each has its secret in it; its form for people is its kind; kinds are told apart."""
    some = samples()
    assert all(sample.secret in sample.value for sample in some)
    assert len({sample.kind for sample in some}) == len(some)
    assert not any(sample.secret in repr(sample) for sample in some)


def test_nothing_of_a_sample_or_a_secret_setting_is_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where everything gets through."""
    environ = {"EZLOGS_REDACTION": "keep", "EZLOGS_ALLOW": "phone", "EZLOGS_HASH_KEY": "s3cret-s3cret-s3cret"}
    document = str(examine_privacy(environ).document())
    assert "s3cret" not in document
    assert not any(sample.secret in document for sample in samples())
    assert any(problem.verdict == "problem" for problem in examine_privacy(environ).findings["self-test"])


def test_the_report_tells_what_others_see_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then what is captured, and what privacy does with it."""
    found = examine_privacy({})
    assert list(found.findings) == ["exporters", "captured", "settings", "rules", "names", "redaction", "self-test"]
    assert found.problems == 0


def test_rules_that_are_installed_are_those_of_the_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report asks for the group that ezlogs reads, and a rule that is missing makes it fail."""
    points: dict[str, Any] = {launched.GROUP: [EntryPoint("gone", "acme_that_is_gone:RULE", launched.GROUP)]}
    monkeypatch.setattr(report, "entry_points", lambda group: points.get(group, []))
    found = examine_privacy({})
    assert found.problems == 1
    assert "problem" in {finding.verdict for finding in found.findings["rules"]}


def test_switched_off_it_says_so() -> None:
    """Nothing is scrubbed by what does not run."""
    found = examine_privacy({"EZLOGS_ENABLED": "no"})
    assert found.findings["settings"][0].about == "enabled"
    assert "scrubs nothing" in found.findings["settings"][0].text


def test_users_own_patterns_are_told_with_what_runs_them() -> None:
    """And those that cannot be used are a problem, which redacts more rather than less."""
    scrubber = scrubber_of(loaded(patterns="badge=BDG-[0-9]{6}\nbroken=(").settings)
    found = told(privacy.rules(scrubber, []))
    assert any(re.fullmatch("fine pattern: badge, by (google-re2|re)", line) for line in found)
    assert any(line.startswith("problem pattern: broken cannot be used: every text with a digit") for line in found)
    assert not any("badge" in line for line in found if line.startswith("fine beside a name"))
    assert "fine badge: mask" in told(privacy.redaction(loaded(redaction="badge=mask"), scrubber))
