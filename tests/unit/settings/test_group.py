"""Groups: typed options that remember what was given, and a table that is made of them."""

from __future__ import annotations

import inspect
import pickle
import sys
from types import ModuleType
from typing import Annotated

import pytest

import ezlogs
from ezlogs.settings import GROUPS, TABLE, Delivery, Group, Sampling, Setting, Settings
from ezlogs.settings.kinds import Boolean


def test_every_setting_belongs_to_one_group() -> None:
    """The table is what the groups declare, in their order, and no group is called like a setting."""
    assert [row.name for group in GROUPS.values() for row in group.rows.values()] == list(TABLE)
    assert all(row.group == name for name, group in GROUPS.items() for row in group.rows.values())
    assert not set(GROUPS) & set(TABLE)
    assert not set(dir(Group)) & set(TABLE)


def test_every_group_is_an_argument_of_configure() -> None:
    """An editor offers each group by name, and nothing else."""
    arguments = inspect.signature(ezlogs.configure, eval_str=True).parameters.values()
    offered = {one.name: one.annotation for one in arguments if one.kind is one.KEYWORD_ONLY}
    assert offered == {name: group | None for name, group in GROUPS.items()}


def test_every_group_is_public() -> None:
    """Each is imported from `ezlogs.settings`, and says what it is about with an example."""
    for group in GROUPS.values():
        assert getattr(ezlogs.settings, group.__name__) is group
        assert group.__name__ in ezlogs.settings.__all__
        assert ">>>" in (group.__doc__ or "")


def test_a_group_remembers_what_was_given() -> None:
    """Fields not given have their defaults, and are left to weaker sources; a default that was given is not."""
    delivery = Delivery(timeout=10.0)
    assert (delivery.timeout, delivery.max_batch_size) == (10.0, 512)
    assert delivery.given() == {"timeout": 10.0}


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"timout": 5}, "Delivery has no setting 'timout'; did you mean 'timeout'?"),
        (
            {"sample_rate": 1},
            "Delivery has no setting 'sample_rate'; it has protocol, insecure, endpoint, headers",
        ),
    ],
)
def test_a_misspelled_option_is_refused(wrong: dict[str, object], hint: str) -> None:
    """With the nearest name of the group, or all its names."""
    with pytest.raises(TypeError) as caught:
        Delivery(**wrong)
    assert str(caught.value).startswith(hint)


def test_a_group_is_a_value() -> None:
    """Equal groups are equal everywhere, survive pickling, and cannot be changed."""
    sampling = Sampling(sample_rate=0.5)
    assert sampling == Sampling(sample_rate=0.5) != Sampling()
    assert sampling != Delivery()
    assert len({sampling, Sampling(sample_rate=0.5), Sampling()}) == 2
    assert pickle.loads(pickle.dumps(sampling)) == sampling
    with pytest.raises(AttributeError, match="immutable; make a new one instead of setting 'sample_rate'"):
        sampling.sample_rate = 1.0  # type: ignore[misc]  # the point of the test
    with pytest.raises(AttributeError, match="immutable"):
        del sampling.sample_rate


def test_a_group_shows_no_secret() -> None:
    """Whatever was given: a group is printed before its values are checked."""
    shown = repr(Delivery(headers={"x-key": "hunter2"}, endpoint="http://c?token=hunter2", timeout=5))
    assert shown == "Delivery(headers=****, endpoint='http://c?****', timeout=5)"


def test_what_a_setting_does_is_the_text_below_its_field() -> None:
    """Editors show it, and so do the command and the reference: it is written once."""
    assert TABLE["timeout"].doc == "How long one request may take."
    assert Settings.rows["timeout"] is TABLE["timeout"] is Delivery.rows["timeout"]


def test_without_sources_the_texts_are_missing_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen application has no source files."""
    nowhere = ModuleType("nowhere")
    monkeypatch.setitem(sys.modules, "nowhere", nowhere)

    class Frozen(Group):
        """A group of a module without a source."""

        on: Annotated[bool, Setting(Boolean())] = True

    monkeypatch.setattr(Frozen, "__module__", "nowhere")
    assert Frozen.rows["on"].doc == ""
    assert Frozen().on


def test_a_declaration_by_itself_belongs_to_nothing() -> None:
    """Only a field of a group has a name, a group and a text."""
    lone = Setting(Boolean())
    assert (lone.name, lone.group, lone.doc) == ("", "", "")
