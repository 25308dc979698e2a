"""Layers: settings flat and by group, in code and in files, and what is said about names that are none."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ezlogs.settings import GROUPS, TABLE, Delivery, Sampling, load
from ezlogs.settings.configfile import ConfigFile, Files

NUMBER = "not a number; use 0.001 to 600 seconds"
GROUP = "a group, with settings of its own; use Delivery(...) in code, a table in a file"
TWICE = "given twice, 5 and 6; timeout says so too; keep one of them"
PAIRS = "use name=value pairs separated by commas, percent-encoded"


def from_files(**texts: str) -> Files:
    """Files of some texts: `own` is an ezlogs.toml, `project` a pyproject.toml."""
    kinds = {"project": ("pyproject.toml", ("tool", "ezlogs")), "own": ("ezlogs.toml", ())}
    return Files(tuple(ConfigFile(kinds[kind][0], text, "/srv/app", kinds[kind][1]) for kind, text in texts.items()))


def problems(overrides: Mapping[str, object]) -> list[str]:
    """What is wrong with the arguments of configure()."""
    return [str(problem) for problem in load({}, overrides).problems]


def file_problems(text: str, kind: str = "own") -> list[str]:
    """What is wrong with a file."""
    return [str(problem) for problem in load({}, files=from_files(**{kind: text})).problems]


def test_each_place_is_stronger_than_the_one_before() -> None:
    """Defaults, pyproject.toml, ezlogs.toml, OTEL_*, EZLOGS_*, configure(); each value remembers its place."""
    project = "[project]\nname = 'shop'\n\n[tool.ezlogs]\ntimeout = 1"
    own = "[delivery]\n\ntimeout = 2"

    def timeout(environ: Mapping[str, str], overrides: Mapping[str, object] | None = None, **texts: str) -> tuple:
        loaded = load(environ, overrides or {}, files=from_files(**texts))
        assert not loaded.problems
        return loaded.settings.timeout, loaded.sources["timeout"]

    otel = {"OTEL_EXPORTER_OTLP_TIMEOUT": "3"}
    ours = {**otel, "EZLOGS_TIMEOUT": "4"}
    assert timeout({}) == (10.0, "default")
    assert timeout({}, project=project) == (1.0, "pyproject.toml:5")
    assert timeout({}, project=project, own=own) == (2.0, "ezlogs.toml:3")
    assert timeout(otel, project=project, own=own) == (3.0, "OTEL_EXPORTER_OTLP_TIMEOUT in the environment")
    assert timeout(ours, project=project, own=own) == (4.0, "EZLOGS_TIMEOUT in the environment")
    assert timeout(ours, {"timeout": 5}, project=project, own=own) == (5.0, "configure()")


def test_a_bad_value_in_a_file_gives_way_to_the_next_layer() -> None:
    """As everywhere, it costs only itself."""
    loaded = load({}, files=from_files(project="[tool.ezlogs.delivery]\ntimeout = 1", own="timeout = 'soon'"))
    assert loaded.settings.timeout == 1.0
    assert [str(problem) for problem in loaded.problems] == [f"ezlogs.toml:1: timeout 'soon': {NUMBER}"]


def test_groups_and_names_can_be_mixed() -> None:
    """In code a group is an object or a mapping, beside settings by name."""
    loaded = load({}, {"delivery": Delivery(timeout=5), "sampling": {"sample_rate": 0.5}, "debug": True, "core": None})
    assert not loaded.problems
    assert (loaded.settings.timeout, loaded.settings.sample_rate, loaded.settings.debug) == (5.0, 0.5, True)
    assert loaded.asked == {"timeout": 5, "sample_rate": 0.5, "debug": True}


def test_a_later_call_counts_more_than_an_earlier_one() -> None:
    """However each named the setting; and None hands it back to the environment."""
    first = load({}, {"delivery": Delivery(timeout=5, max_batch_size=7)})
    second = load({}, {"timeout": 6}, earlier=first.asked)
    assert (second.settings.timeout, second.settings.max_batch_size) == (6.0, 7)
    third = load({}, {"delivery": Delivery(timeout=None)}, earlier=second.asked)  # type: ignore[arg-type]  # as above
    assert (third.settings.timeout, third.settings.max_batch_size) == (10.0, 7)


def test_the_same_value_twice_is_no_contradiction() -> None:
    """Two spellings of one value agree."""
    assert not load({}, {"timeout": 5, "delivery": Delivery(timeout=5.0)}).problems


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            {"timeout": 5, "delivery": Delivery(timeout=6)},
            f"configure(): delivery.timeout: {TWICE}",
        ),
        (
            {"headers": "a=1", "delivery": {"headers": "a=2"}},
            "configure(): delivery.headers: given twice, **** and ****; headers says so too; keep one of them",
        ),
        (
            {"delivery": {"timout": 5}},
            "configure(): delivery.timout: unknown setting; did you mean delivery.timeout?",
        ),
        (
            {"delivery": {"sample_rate": 1}},
            "configure(): delivery.sample_rate: it belongs to another group; use sampling.sample_rate",
        ),
        (
            {"delivery": {"sampl_rate": 1}},
            "configure(): delivery.sampl_rate: unknown setting; did you mean sample_rate?",
        ),
        ({"delivry": Delivery()}, "configure(): delivry: unknown setting; did you mean delivery?"),
        (
            {"delivery": 5},
            f"configure(): delivery: {GROUP}",
        ),
        (
            {"delivery": Sampling()},
            f"configure(): delivery: {GROUP}",
        ),
        (
            {"delivery": Delivery(timeout="soon")},
            f"configure(): delivery.timeout 'soon': {NUMBER}",
        ),
    ],
)
def test_a_problem_in_code_names_the_argument(overrides: dict[str, object], problem: str) -> None:
    """With its group where it was given so."""
    assert problems(overrides) == [problem]


def test_two_values_that_cannot_be_used_are_both_told() -> None:
    """A contradiction between nonsense is nonsense first."""
    told = problems({"timeout": "soon", "delivery": {"timeout": "later"}})
    assert told[0].startswith("configure(): delivery.timeout: given twice, 'soon' and 'later'")
    assert told[1].startswith("configure(): timeout 'soon': not a number")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("timout = 5", "ezlogs.toml:1: timout: unknown setting; did you mean timeout?"),
        (
            "# mine\n[delivery]\ntimout = 5",
            "ezlogs.toml:3: [delivery] timout: unknown setting; did you mean [delivery] timeout?",
        ),
        ("[delivry]\ntimeout = 5", "ezlogs.toml:1: delivry: unknown setting; did you mean [delivery]?"),
        ("[zqx]\ntimeout = 5", "ezlogs.toml:1: zqx: unknown setting"),
        (
            "[privacy]\ntimeout = 5",
            "ezlogs.toml:2: [privacy] timeout: it belongs to another group; use [delivery] timeout",
        ),
        ("timeout = 5\n[delivery]\ntimeout = 6", f"ezlogs.toml:3: [delivery] timeout: {TWICE}"),
        ("delivery = 5", f"ezlogs.toml:1: [delivery]: {GROUP}"),
        ("delivery.timeout = [5]", f"ezlogs.toml:1: [delivery] timeout [5]: {NUMBER}"),
        ("delivery = {timeout = 'soon'}", f"ezlogs.toml:1: [delivery] timeout 'soon': {NUMBER}"),
        ("[delivery]\n'timeout' = true", f"ezlogs.toml:2: [delivery] timeout True: {NUMBER}"),
        ("[delivery]\nheaders = 'hunter2'", f"ezlogs.toml:2: [delivery] headers ****: {PAIRS}"),
        ("service_name = ''", "ezlogs.toml:1: service_name '': use a name"),
        ("timeout 5", "ezlogs.toml:1: not TOML, and left out as a whole: expected '=' after a key in a key/value pair"),
        (
            "debug = true\n[delivery\n",
            "ezlogs.toml:2: not TOML, and left out as a whole: expected ']' at the end of a table declaration",
        ),
        ("a = " + "[" * 5000, "ezlogs.toml: not TOML, and left out as a whole: "),
    ],
)
def test_a_problem_in_a_file_names_the_line(text: str, problem: str) -> None:
    """And the table, the value, and what to write instead."""
    (told,) = file_problems(text)
    assert told.startswith(problem)
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[tool.ezlogs]\ntimout = 5",
            "pyproject.toml:2: [tool.ezlogs] timout: unknown setting; did you mean [tool.ezlogs] timeout?",
        ),
        (
            "[tool.ezlogs.delivery]\ntimeout = 'soon'",
            f"pyproject.toml:2: [tool.ezlogs.delivery] timeout 'soon': {NUMBER}",
        ),
        ("[tool]\nezlogs = 5", "pyproject.toml:2: [tool.ezlogs]: not a table"),
    ],
)
def test_a_problem_in_a_project_file_names_the_whole_table(text: str, problem: str) -> None:
    """So that it can be searched for."""
    assert file_problems(text, "project") == [problem]


@pytest.mark.parametrize("text", ["", "[tool]\nblack = {}", "tool = 5", "[tool.ezlogs]"])
def test_a_project_file_without_settings_gives_none(text: str) -> None:
    """Whatever else is in it."""
    loaded = load({}, files=from_files(project=text))
    assert not loaded.problems
    assert not any(map(loaded.explicit, loaded.sources))


def test_a_line_that_cannot_be_told_is_not_guessed() -> None:
    """Text within a value may look like a key: then the file alone is named."""
    text = 'service_name = """\ntimeout = 1\n"""\ntimeout = "soon"'
    assert file_problems(text) == [f"ezlogs.toml: timeout 'soon': {NUMBER}"]


def test_paths_in_a_file_begin_at_its_folder() -> None:
    """Wherever the program is started, and absolute paths stay; what is no path is refused as ever."""
    loaded = load({}, files=from_files(own="[delivery]\ncertificate = 'certs/ca.pem'\nclient_key = '/etc/key.pem'"))
    assert (loaded.settings.certificate, loaded.settings.client_key) == ("/srv/app/certs/ca.pem", "/etc/key.pem")
    assert file_problems("certificate = 5") == ["ezlogs.toml:1: certificate 5: use a PEM file"]


def test_all_that_toml_can_say_is_read() -> None:
    """Tables of texts, lists, dotted keys and booleans have their meaning."""
    text = """
delivery.headers = {x-key = "hunter2"}
correlation.propagate_to = ["*.partner.example"]
[core]
enabled = false
[privacy]
deny = "iban, tax_id"
"""
    loaded = load({}, files=from_files(own=text))
    assert not loaded.problems
    assert loaded.settings.headers["x-key"] == "hunter2"
    assert loaded.settings.propagate_to == ("*.partner.example",)
    assert not loaded.settings.enabled
    assert loaded.settings.deny == ("iban", "tax_id")
    assert loaded.files == ("ezlogs.toml",)


def test_a_variable_with_another_purpose_may_say_nothing() -> None:
    """OTEL_TRACES_EXPORTER sets the pipeline by the word none, and is no wrong value otherwise."""
    loaded = load({"OTEL_TRACES_EXPORTER": "none"})
    assert loaded.settings.pipeline == "attached"
    assert loaded.sources["pipeline"] == "OTEL_TRACES_EXPORTER in the environment"
    other = load({"OTEL_TRACES_EXPORTER": "otlp"}, files=from_files(own="pipeline = 'owned'"))
    assert (other.settings.pipeline, other.problems) == ("owned", ())


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5)
NAMES = st.sampled_from([*TABLE, *GROUPS, "timout", ""])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""


@UNHURRIED
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_no_value_of_any_shape_stops_loading(values: dict[str, object]) -> None:
    """Whatever is given by whatever name, the settings are complete, and every problem can be told."""
    loaded = load({}, values)
    assert set(loaded.settings.shown()) == set(TABLE)
    assert all(str(problem) for problem in (*loaded.problems, *loaded.warnings))


@UNHURRIED
@given(st.text(alphabet=st.sampled_from("abt=[]{}.'\"#\n\\ 1") | st.characters(), max_size=60))
def test_no_text_in_a_file_stops_loading(text: str) -> None:
    """A file that is no TOML, or is TOML of any kind, is at most a problem."""
    for kind in ("own", "project"):
        loaded = load({}, files=from_files(**{kind: text}))
        assert set(loaded.settings.shown()) == set(TABLE)
