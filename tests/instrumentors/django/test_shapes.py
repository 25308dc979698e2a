"""What is looked up once for all rows of a model is right for each of them, in whatever language."""

from __future__ import annotations

from django.db import models, transaction
from django.test.utils import isolate_apps
from django.utils.translation import gettext_lazy, override

from ezlogs.event import Change
from ezlogs_instrumentors.django.data.loaded import plain_values
from ezlogs_instrumentors.django.data.shapes import key_of, shape_of
from ezlogs_instrumentors.django.data.told import displays, where

from .conftest import changes
from .shop.models import Club, Membership, Order, Person, Tag


@isolate_apps()
def test_names_that_depend_on_the_language_are_looked_up_each_time() -> None:
    """Those of a model as those of choices; others are known."""

    class Visit(models.Model):
        state = models.CharField(max_length=9, choices=[("m", gettext_lazy("March")), ("a", gettext_lazy("April"))])
        size = models.IntegerField(choices=[(1, "Small"), (2, "Large")])

        class Meta:
            app_label = "shop"
            verbose_name = gettext_lazy("Monday")
            verbose_name_plural = "visits"

    told = [Change("state", "m", "a"), Change("size", 1, 2)]
    for language, names, day in (("en", ("March", "April"), "Monday"), ("de", ("März", "April"), "Montag")):
        with override(language):
            assert where(Visit, "default")["verbose_name"] == day
            assert displays(Visit, told) == {"choices": (("state", names), ("size", ("Small", "Large")))}


@isolate_apps()
def test_a_model_that_is_given_another_field_has_another_shape() -> None:
    """As by an application that adds to somebody else's model."""

    class Visit(models.Model):
        class Meta:
            app_label = "shop"

    assert shape_of(Visit).attnames == ("id",)
    models.IntegerField().contribute_to_class(Visit, "size")
    assert shape_of(Visit).attnames == ("id", "size")
    assert key_of({}, shape_of(Visit)) is None


@isolate_apps()
def test_only_what_is_plain_and_short_is_kept_until_the_commit() -> None:
    """A long text, or a document that may be changed, would be kept alive or be another one by then."""

    class Visit(models.Model):
        note = models.TextField(default="")
        photo = models.BinaryField(default=b"")

        class Meta:
            app_label = "shop"

    shape = shape_of(Visit)
    assert plain_values(Visit(note="short"), shape) == [None, "short", b""]
    assert plain_values(Visit(note="x" * 300), shape) is None
    assert plain_values(Visit(photo=b"x" * 300), shape) is None
    assert plain_values(Visit(note=models.F("photo")), shape) is None
    assert plain_values(Order(), shape_of(Order)) is None


def test_a_row_is_told_as_it_was_saved_and_not_as_it_became(told):
    """The instance may be changed, saved again, or be gone before its transaction ends."""

    def shop():
        with transaction.atomic():
            person = Person.objects.create(name="Ada")
            person.name = "Bob"
            person.save()
            person.save()  # without a change
            person.name = "nobody"
            tag = Tag.objects.create(name="a")
            tag.name = "x" * 300
            tag.save()

    events = told(shop, changes="full")
    assert [event.action for event in events] == [
        "person.create",
        "person.update",
        "tag.create",
        "tag.update",
    ]
    assert [changes(event)["name"][1] for event in events] == ["Ada", "Bob", "a", "x" * 300]


def test_a_value_that_is_only_written_in_another_way_is_no_change(told):
    """Within a transaction and without one."""

    def shop():
        person, club = Person.objects.create(name="Ada"), Club.objects.create()
        link = Membership.objects.create(person=person, club=club)
        link.person_id = str(person.pk)
        link.save()
        with transaction.atomic():
            link = Membership.objects.get()
            link.person_id = str(person.pk)
            link.save()

    assert [event.action for event in told(shop)] == ["person.create", "club.create", "membership.create"]


@isolate_apps()
def test_a_key_of_several_fields_is_told_with_commas() -> None:
    """As far as it is loaded."""

    class Visit(models.Model):
        class Meta:
            app_label = "shop"

    shape = shape_of(Visit)._replace(keys=("place", "number"))
    assert key_of({"place": "north", "number": 7}, shape) == "north,7"
    assert key_of({"place": "north"}, shape) is None
