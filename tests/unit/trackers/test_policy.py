"""Policies: what is told of a model, as its class and the settings say."""

from __future__ import annotations

import gc
import logging

import pytest
from msgspec import UNSET

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers.data import (
    ACCESS,
    Captured,
    Described,
    Field,
    ModelPolicy,
    accessed,
    emit,
    invalid,
    observe,
    observe_bulk,
    on_audit,
    policy_of,
    policy_of_class,
    to_capture,
    told,
    watching_access,
)


class Mapped:
    """A model with all its fields, as SQLAlchemy leaves its mark on one."""

    __mapper__ = None
    total = note = None


def sides(changes):
    """Return the changes by field."""
    return {change.field: (change.before, change.after) for change in changes}


def fresh(name="Order", bases=(), **attributes):
    """Return a class that nobody said anything of."""
    return type(name, bases, attributes)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"changes": "ful"}, ValueError, "changes='ful': use safe, full, names or none; did you mean 'full'?"),
        ({"changes": 1}, TypeError, "changes=1: use safe, full, names or none"),
        ({"capture": "all"}, ValueError, "capture='all': use count, pks or rows"),
        ({"limit": 0}, ValueError, "limit=0: use a whole number, 1 to 250"),
        ({"limit": 251}, ValueError, "limit=251: use a whole number, 1 to 250"),
        ({"limit": True}, TypeError, "limit=True: use a whole number, 1 to 250"),
        ({"limit": "9"}, TypeError, "limit='9': use a whole number, 1 to 250"),
        ({"access": "yes"}, TypeError, "access='yes': use True or False"),
        ({"mask": "email"}, TypeError, "mask='email': use names of fields, such as mask=['email']"),
        ({"include": 3}, TypeError, "include=3: use names of fields, such as include=['email']"),
        ({"exclude": [3]}, TypeError, "exclude: 3 is no name of a field: use texts, such as 'email'"),
        ({"exclude": [""]}, TypeError, "exclude: '' is no name of a field: use texts, such as 'email'"),
        ({"mask": ["a"], "hash": ["a"]}, ValueError, "'a' is in mask and in hash: leave out one"),
        ({"include": ["a"], "exclude": ["a"]}, ValueError, "'a' is in include and in exclude: leave out one"),
    ],
)
def test_what_makes_no_sense_is_an_error_where_it_is_written(given, error, says):
    """It names what is allowed, and the class stays as it was."""
    model = fresh()
    with pytest.raises(error) as raised:
        ezlogs.audit(**given)(model)
    assert str(raised.value) == says
    assert policy_of(model, "order").changes == "safe"


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ezlogs.audit("Order"), TypeError, "audit() takes a model's class, or stands before one"),
        (lambda: ezlogs.audit(True, False), TypeError, "audit(): say True or False once"),
        (lambda: ezlogs.audit()(3), TypeError, "@ezlogs.audit(...) stands before a model's class, not 3"),
        (lambda: ezlogs.audit(fresh(), 1), TypeError, "told=1: use True or False"),
        (lambda: ezlogs.audit(False, mask=["a"]), ValueError, "a model that is left out needs nothing else"),
        (lambda: ezlogs.audit(Mapped, mask=["totl"]), ValueError, "Mapped has no field 'totl'; did you mean 'total'?"),
        (lambda: ezlogs.audit(Mapped, include=["zzz"]), ValueError, "Mapped has no field 'zzz'"),
    ],
)
def test_what_it_cannot_be_said_of_is_an_error(call, error, says):
    """A thing that is no class, two words for one, or a field that is not there."""
    with pytest.raises(error) as raised:
        call()
    assert says in str(raised.value)


def test_a_field_that_turns_out_not_to_be_there_is_said_once(caplog):
    """Where a class is mapped only after it was decorated; what a base says need not be in each subclass."""
    model = ezlogs.audit(fresh("Later"), mask=["emial"])
    child = fresh("Child", (model,), __mapper__=None)
    model.__mapper__, model.email = None, None
    with capture(), caplog.at_level(logging.WARNING):
        for _ in range(2):
            policy_of(model, "later")
            policy_of(child, "child")
            ezlogs.audit(fresh())
    assert [record.getMessage() for record in caplog.records] == [
        "ezlogs: ezlogs.audit: Later has no field 'emial'; did you mean 'email'?"
    ]
    assert policy_of(model, "later").hidden == {"emial": "mask"}


def test_models_of_django_are_known_by_their_meta():
    """An abstract one may lack what its subclasses have."""
    abstract = fresh(_meta=type("Options", (), {"abstract": True}))
    assert ezlogs.audit(abstract, exclude=["later"]) is abstract
    with pytest.raises(ValueError, match="no field 'later'"):
        ezlogs.audit(fresh(_meta=type("Options", (), {"abstract": False})), exclude=["later"])


def test_subclasses_inherit_and_add():
    """The nearest word counts; fields add up, and one that is named again is treated anew."""
    base = ezlogs.audit(fresh(), exclude=["a"], mask=["b"], changes="full", capture="pks", limit=7, access=True)
    child = ezlogs.audit(fresh("Child", (base,)), hash=["b"], exclude=["c"], changes="names", access=False)
    grandchild = fresh("Grandchild", (child,))
    policy = policy_of(grandchild, "grandchild")
    assert policy.hidden == {"a": "exclude", "b": "hash", "c": "exclude"}
    assert (policy.changes, policy.capture, policy.limit, policy.access) == ("names", "pks", 7, False)
    narrow = ezlogs.audit(fresh("Narrow", (ezlogs.audit(fresh(), include=["a"]),)), include=["b"])
    assert policy_of(narrow, "narrow").include == {"a", "b"}
    assert policy_of(fresh("Inherits", (narrow,)), "inherits").include == {"a", "b"}


def test_models_are_left_out_and_let_in():
    """By the class over the settings, and by what is left out over what is let in."""
    plain, decorated = fresh(), ezlogs.audit(fresh(), mask=["a"])
    wanted, unwanted = ezlogs.audit(fresh()), ezlogs.audit(False)(fresh())
    named = ezlogs.audit(fresh(), True, mask=["a"])
    child, let_in = fresh("Child", (unwanted,)), ezlogs.audit(True)(fresh("In", (unwanted,)))
    with capture(data_exclude=["Shop.*", "audit_*"], data_include=["shop.order", "crm.*", "audit_log"]):
        assert [policy_of(model, "shop.order").told for model in (plain, decorated, wanted, named)] == [
            *(False, False, True, True)
        ]
        assert [policy_of(model, "crm.note").told for model in (fresh(), unwanted, child, let_in)] == [
            *(True, False, False, True)
        ]
        assert not policy_of(None, "log", "audit_log").told
        assert not policy_of(None, "log", "logs.audit_log").told
        assert not policy_of(None, "other", "other").told
        assert policy_of(None, "note", "crm.notes").told


def test_what_frameworks_keep_for_themselves_is_left_out():
    """Sessions, migrations, content types, the admin's log, and what is ezlogs' own."""
    with capture():
        for label, table in (
            ("sessions.session", "django_session"),
            ("contenttypes.contenttype", "django_content_type"),
            ("admin.logentry", "django_admin_log"),
            ("migrations.migration", "django_migrations"),
            ("alembic_version", "alembic_version"),
            ("alembic_version", "public.alembic_version"),
            ("ezlogs_spool", "ezlogs_spool"),
        ):
            assert not policy_of(None, label, table).told, label
        assert policy_of(None, "auth.user", "auth_user").told


def test_changes_by_model_and_the_most_specific_counts():
    """A whole name before globs, a longer glob before a shorter one, the class before all."""
    by_model = {"*": "none", "shop.*": "names", "shop.order": "full", "shop.or*": "safe"}
    with capture(data_changes=by_model, changes="full"):
        assert policy_of(None, "shop.order").changes == "full"
        assert policy_of(None, "shop.orange").changes == "safe"
        assert policy_of(None, "Shop.Tag").changes == "names"
        assert policy_of(None, "x", "y").changes == "none"
        assert policy_of(ezlogs.audit(fresh(), changes="safe"), "shop.order").changes == "safe"
    with capture(changes="names"):
        assert policy_of(None, "shop.order").changes == "names"
    assert policy_of(None, "shop.order").changes == "safe"


def test_a_policy_is_found_out_once_and_forgotten_with_its_class():
    """Until the settings change or something else is said of a class; an identity may come again."""
    with capture():
        model = fresh()
        first = policy_of(model, "order")
        assert policy_of(model, "order") is first
        assert policy_of(None, "order", "orders") is policy_of(None, "order", "orders")
        ezlogs.audit(model, changes="full")
        assert policy_of(model, "order").changes == "full"
        number = id(model)
        del model
        gc.collect()
        from ezlogs.trackers.data import policy

        assert number not in policy.latest[0].policies


def test_who_wants_to_know_hears_of_each_class():
    """Those before and those after, until it ends."""
    before, heard = ezlogs.audit(fresh()), []
    end = on_audit(heard.append)
    after = ezlogs.audit(fresh())
    end()
    ezlogs.audit(fresh())
    assert before in heard
    assert heard[-1] is after


def test_fields_are_told_as_they_are_treated():
    """Excluded ones not even by name; secrets by name or by type never, whatever is asked for."""
    policy = ModelPolicy(changes="full", hidden={"email": "mask", "number": "mask", "draft": "exclude", "pin": "mask"})
    fields = [
        Field("email", "ada@example.com", None),
        Field("number", UNSET, 123456789),
        Field("draft", "a", "b"),
        Field("note", "a", "b"),
        Field("password", "a", "b"),
        Field("sealed", "a", "b", secret=True),
        Field("mail_at", "x", "y"),
    ]
    assert sides(told(fields, policy)) == {
        "email": ("…@example.com", None),
        "number": (UNSET, "…789"),
        "note": ("a", "b"),
        "password": (UNSET, UNSET),
        "sealed": (UNSET, UNSET),
        "mail_at": ("x", "y"),
    }
    assert told(fields, ModelPolicy(changes="none")) == ()
    names = told(fields, ModelPolicy(changes="names", include=frozenset({"note", "email"})))
    assert sides(names) == {"email": (UNSET, UNSET), "note": (UNSET, UNSET)}


def test_paths_inside_a_document_are_treated_as_its_field():
    """Unless they are named themselves; what is named must be inside of a field that is there."""
    fields = [Field(name, 1, 2) for name in ("extra", "extra.size", "extra.mail", "note.size", "total")]
    hidden = ModelPolicy(hidden={"extra": "exclude", "extra.size": "mask", "note": "exclude"})
    assert list(sides(told(fields, hidden))) == ["extra.size", "total"]
    included = ModelPolicy(include=frozenset({"extra.mail", "note"}))
    assert list(sides(told(fields, included))) == ["extra.mail", "note.size"]
    assert hidden.leaves_out([Field("note.size")])
    ezlogs.audit(Mapped, mask=["note.mail"])
    with pytest.raises(ValueError, match="no field 'extra'"):
        ezlogs.audit(Mapped, mask=["extra.mail"])


@pytest.mark.parametrize("text", ["a@b", "hunter@2 and more", "two@at@example.com", "4111 1111 1111 1234"])
def test_only_an_address_shows_its_domain(text):
    """Of everything else an end is shown, a third at most."""
    ((_, shown),) = sides(told([Field("x", UNSET, text)], ModelPolicy(hidden={"x": "mask"}))).values()
    assert len(shown.strip("…[]")) <= len(text) // 3 + 4 or shown == "[redacted]"
    assert "@" not in shown or len(shown) <= 5


MASKED = ModelPolicy(hidden={"mail": "mask"})


def test_equal_values_have_equal_hashes(caplog):
    """With a key; without one they are masked, and that is said once."""
    policy = ModelPolicy(hidden={"owner": "hash"})
    with capture(hash_key="a long random text") as captured:
        for value in ("Ada Lovelace", "Ada Lovelace", "Bob", {"a": [1]}):
            emit(observe("order", "update", fields=[Field("owner", UNSET, value)], policy=policy))
    first, second, third, fourth = [event.changes[0].after for event in captured.events]
    assert first == second != third
    assert first.startswith("[hash:")
    assert fourth.startswith("[hash:")
    captured.assert_absent("Lovelace")
    assert captured.exported[0]["ezlogs.change.owner.to"] == first
    with capture(changes="full") as captured:
        emit(observe("user", "update", fields=[Field("mail", UNSET, "a.b@example.com")], policy=MASKED))
    assert captured.exported[0]["ezlogs.change.mail.to"] == "…@example.com"
    with capture(), caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert told([Field("x", UNSET, "Ada Lovelace")], ModelPolicy(hidden={"x": "hash"}))[0].after == "…lace"
    assert len(caplog.records) == 1
    assert told([Field("x", UNSET, "Ada Lovelace")], ModelPolicy(hidden={"x": "hash"}))[0].after == "…lace"


def test_the_names_that_a_policy_remembers_are_bounded():
    """There is no end to paths inside documents."""
    policy = ModelPolicy()
    for number in range(3000):
        assert policy.telling(f"extra.{number}") == "safe"
    assert len(policy._tellings) <= 1024


ZERO = (Field("total", UNSET, 0),)
READ = [Captured(str(number), [Field("total", number, 0)]) for number in range(1, 7)]


def bulk(policy, rows, captured=READ, verb="bulk_update", fields=ZERO):
    """Return what is told of a write of many rows."""
    found = observe_bulk("order", verb, rows=rows, policy=policy, captured=captured, fields=fields, metadata={"t": 1})
    return [(row.verb, row.id, row.rows, row.metadata, sides(row.changes)) for row in found]


def test_rows_written_together_are_counted_unless_more_is_asked_for():
    """Nothing is read, and nothing of what was read is told."""
    assert to_capture(ModelPolicy()) == 0
    expected = [("bulk_update", None, 9, {"rows": 9, "t": 1}, {"total": (UNSET, 0)})]
    assert bulk(ModelPolicy(), 9) == bulk(ModelPolicy(), 9, None) == expected
    assert bulk(ModelPolicy(), None) == [("bulk_update", None, 0, {"t": 1}, {"total": (UNSET, 0)})]


def test_keys_are_told_up_to_the_limit():
    """And whether there are more."""
    policy = ModelPolicy(capture="pks", limit=5)
    assert to_capture(policy) == 6
    ((_, _, rows, metadata, _),) = bulk(policy, 9)
    assert (rows, metadata["pks"], metadata["truncated"]) == (9, ["1", "2", "3", "4", "5"], True)
    ((_, _, _, metadata, _),) = bulk(policy, 3, READ[:3])
    assert (metadata["pks"], metadata["truncated"]) == (["1", "2", "3"], False)


def test_rows_are_told_one_by_one_up_to_the_limit():
    """The others are counted; a row that the write left as it was is none."""
    policy = ModelPolicy(capture="rows", limit=2)
    assert bulk(policy, 9, READ[:3]) == [
        ("update", "1", 1, {"t": 1, "bulk": 9}, {"total": (1, 0)}),
        ("update", "2", 1, {"t": 1, "bulk": 9}, {"total": (2, 0)}),
        ("bulk_update", None, 7, {"rows": 7, "t": 1}, {"total": (UNSET, 0)}),
    ]
    unchanged = [Captured("1"), Captured("2", [Field("total", 2, 0)])]
    assert [row[:2] for row in bulk(policy, 2, unchanged)] == [("update", "2")]
    assert [row[:2] for row in bulk(policy, 2, unchanged, "bulk_delete", ())] == [("destroy", "1"), ("destroy", "2")]
    assert [row[:2] for row in bulk(policy, 1, READ[:1], "bulk_create", ())] == [("create", "1")]


@pytest.mark.parametrize(
    ("rows", "captured"),
    [(None, READ), (2, READ[:3]), (9, READ[:2]), (2, [Captured("1"), Captured(None)])],
)
def test_what_was_read_and_does_not_fit_what_was_written_is_not_told(rows, captured):
    """Keys are right or they are not told."""
    for how in ("pks", "rows"):
        told_of_it = bulk(ModelPolicy(capture=how, limit=5), rows, captured)
        assert [(row[0], row[1]) for row in told_of_it] == [("bulk_update", None)]
        assert "pks" not in told_of_it[0][3]


def test_a_write_of_excluded_fields_alone_is_not_told():
    """Such as the time when somebody was last seen."""
    policy = ModelPolicy(hidden={"total": "exclude", "email": "mask"})
    assert bulk(policy, 3) == []
    assert len(bulk(policy, 3, fields=())) == 1
    assert len(bulk(policy, 3, fields=(Field("email"),))) == 1
    assert bulk(ModelPolicy(include=frozenset({"x"})), 3) == []


def test_reading_a_row_is_told_once_in_each_scope_and_of_each_actor(captured):
    """Who read what, and nothing of what is in it."""
    assert watching_access()
    for visit in (1, 2):
        with ezlogs.flow("visit", visit):
            for user in (7, 7, 8):
                with ezlogs.actor("user", user):
                    accessed("patient", "42", metadata={"table": "patients"})
                    accessed("patient", "43")
    events = captured.of(ACCESS)
    assert [(event.actor.id, event.subject.id) for event in events] == [("7", "42"), ("7", "43"), *EIGHT] * 2
    assert events[0].action == "patient.view"
    assert events[0].metadata == {"table": "patients"}
    assert events[0].changes == ()


EIGHT = [("8", "42"), ("8", "43")]


def test_outside_of_any_scope_each_reading_is_told(captured):
    """Nobody knows there what belongs together."""
    accessed("patient", "42")
    accessed("patient", "42")
    assert len(captured.of(ACCESS)) == 2


def test_what_is_remembered_of_readings_is_bounded(captured):
    """Of the last ten thousand."""
    from ezlogs.trackers.data import access

    with ezlogs.flow("visit", "long"):
        for number in range(10_050):
            accessed("patient", str(number))
    assert len(access._told) == 10_000


def test_one_list_says_which_names_are_secrets():
    """What the settings allow is told, what they deny is not, and some are always denied; with a policy and without."""
    fields = [Field("cart_token", 1, 2), Field("salary", 1, 2), Field("password", 1, 2)]
    model = fresh()
    with capture(allow=["cart_token", "password"], deny=["salary"]):
        found = [sides(told(fields, policy)) for policy in (policy_of(model, "cart"), "safe")]
        rows = [observe("cart", "update", fields=fields).changes]
    unknown = (UNSET, UNSET)
    assert found == [{"cart_token": (1, 2), "salary": unknown, "password": unknown}] * 2
    assert sides(rows[0]) == found[0]
    assert sides(told(fields, policy_of(model, "cart")))["cart_token"] == unknown


def test_an_adapter_can_describe_a_class_once():
    """By several names, with whose word counts, what fields are called, and whether it is told if nobody says so."""
    asked = []

    def describe(model):
        asked.append(model)
        return Described(("shop.rush", "shop.order"), "shop_order", base, lambda name: name.removesuffix("_id"), False)

    base = ezlogs.audit(fresh(), mask=["customer_id", "extra.mail_id"], include=["customer", "extra"])
    model = fresh("Rush")
    with capture(data_changes={"shop.order": "full"}):
        policy = policy_of_class(model, describe)
        assert policy_of_class(model, describe) is policy
        assert asked == [model]
        assert (policy.told, policy.changes) == (False, "full")
        assert [policy.telling(name) for name in ("customer", "customer_id", "extra.mail")] == [
            "masked",
            "nothing",
            "masked",
        ]
        ezlogs.audit(base, True)
        assert policy_of_class(model, describe).told
    with capture(data_include=["shop.*"], data_exclude=["*_order"]):
        ezlogs.audit(base, mask=["customer"])
        assert not policy_of_class(model, describe).told


def test_fields_that_are_left_out_are_not_told_of_what_is_not_valid():
    """What is wrong with the whole is; nothing of a model that is left out."""
    errors = {"__all__": ["unique"], "draft": ["required"], "lines.0.name": ["invalid"]}
    hidden = {"draft": "exclude", "lines": "exclude"}
    with capture() as captured:
        invalid("order", errors, source="form", policy=ModelPolicy(hidden=hidden))
        invalid("order", {"draft": ["required"]}, source="form", policy=ModelPolicy(hidden=hidden))
        invalid("order", errors, source="form", policy=ModelPolicy(told=False))
    assert [event.metadata["fields"] for event in captured.events] == [("__all__",)]


def test_who_read_a_row_is_an_audit_event():
    """It is asked for model by model, and one that is missing says that nobody did."""
    from ezlogs.priority import Priorities
    from ezlogs.settings import load

    with capture() as captured:
        accessed("patient", "42")
    assert Priorities(load({}, {}).settings.audit_events).of(captured.events[0]).name == "AUDIT"


def test_a_captured_row_has_marks_of_its_own():
    """The others' do not count for it; one of an update that changed nothing is none."""
    rows = ModelPolicy(capture="rows", limit=3)
    read = [
        Captured("1", [Field("left_at", None, 1)], "destroy", {"soft_delete": "left_at"}),
        Captured("2", [Field("left_at", 2, 1)], "update"),
        Captured("3", [], "update"),
    ]
    found = list(
        observe_bulk(
            "order",
            "bulk_delete",
            rows=3,
            policy=rows,
            captured=read,
            metadata={"table": "orders"},
            marked={"soft_delete": "x"},
        )
    )
    assert [(row.verb, row.id, row.metadata) for row in found] == [
        ("destroy", "1", {"table": "orders", "soft_delete": "left_at", "bulk": 3}),
        ("update", "2", {"table": "orders", "bulk": 3}),
    ]
    counted = list(
        observe_bulk("order", "bulk_delete", rows=9, policy=ModelPolicy(), metadata={}, marked={"soft_delete": "x"})
    )
    assert counted[0].metadata == {"rows": 9, "soft_delete": "x"}
