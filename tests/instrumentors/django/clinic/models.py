"""The clinic's models: each says something else of what is told of it."""

from __future__ import annotations

import django
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

import ezlogs


class EncryptedTextField(models.TextField):
    """As packages call theirs."""


class EncryptedJSONField(models.JSONField):
    """The same for documents."""


@ezlogs.audit(exclude=["seen"])
class Watched(models.Model):
    """What is often looked at."""

    seen = models.IntegerField(default=0)

    class Meta:
        abstract = True


@ezlogs.audit(changes="names")
class Discreet:
    """A mixin for models whose values are nobody's business."""


class Ward(models.Model):
    """Where patients lie; nothing is said of it."""

    name = models.CharField(max_length=20, default="")
    beds = models.IntegerField(default=0)
    nurses = models.ManyToManyField("Nurse", through="Shift")


@ezlogs.audit(mask=["mail"], hash=["insurance"], changes="full", capture="rows", limit=3, access=True)
class Patient(Watched):
    """Somebody ill, of whom rows are told one by one, and reading them."""

    mail = models.CharField(max_length=50, null=True)
    insurance = models.CharField(max_length=50, null=True)
    weight = models.IntegerField(default=1)
    diary = EncryptedTextField(null=True)
    extra = EncryptedJSONField(default=dict)
    history = models.JSONField(default=dict)
    left_at = models.IntegerField(null=True)
    ward = models.ForeignKey(Ward, null=True, on_delete=models.SET_NULL)


class Guest(Patient):
    """A patient by another name, in the same table."""

    class Meta:
        proxy = True


class Inpatient(Patient):
    """A patient with a second table."""

    bed = models.IntegerField(default=0)


@ezlogs.audit(access=False, capture="count")
class Unseen(Patient):
    """A proxy that takes back what its model asks for."""

    class Meta:
        proxy = True


@ezlogs.audit(capture="pks", limit=2)
class Visit(models.Model):
    """Of these the keys are told; they go with their patient."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE)
    note = models.CharField(max_length=20, default="")


def leave(collector, field, sub_objs, using):
    """Do as ``SET_NULL`` does, but read the rows that stay."""
    collector.add_field_update(field, None, sub_objs)


@ezlogs.audit(capture="rows", limit=2)
class Bill(models.Model):
    """Stays without its ward, and goes with its patient."""

    ward = models.ForeignKey(Ward, null=True, on_delete=leave)
    patient = models.ForeignKey(Patient, null=True, on_delete=models.CASCADE)


class Line(models.Model):
    """Goes with its bill, which Django therefore has to read."""

    bill = models.ForeignKey(Bill, on_delete=models.CASCADE)


@ezlogs.audit(include=["author_id", "title", "seal"], mask=["title"], hash=["author"])
class Letter(models.Model):
    """Fields named as their columns are."""

    author = models.ForeignKey(Patient, null=True, on_delete=models.CASCADE)
    seal = models.ForeignKey(Ward, null=True, on_delete=models.CASCADE)
    title = models.CharField(max_length=20, default="")
    rest = models.IntegerField(default=0)


@ezlogs.audit(exclude=["wards"], changes="full")
class Plan(models.Model):
    """Its links are left out from both ends."""

    wards = models.ManyToManyField(Ward)
    patients = models.ManyToManyField(Patient)


@ezlogs.audit(False)
class Draft(models.Model):
    """Nothing is told of it."""

    title = models.CharField(max_length=5, unique=True, default="")
    ward = models.ForeignKey(Ward, null=True, on_delete=models.CASCADE)
    wards = models.ManyToManyField(Ward, related_name="drafts")


class Note(Discreet, models.Model):
    """Told by name, as its mixin says."""

    size = models.IntegerField(default=1)
    wards = models.ManyToManyField(Ward)


class Nurse(models.Model):
    """Works in wards."""

    name = models.CharField(max_length=20, default="")


@ezlogs.audit(False)
class Shift(models.Model):
    """A link that is left out."""

    nurse = models.ForeignKey(Nurse, on_delete=models.CASCADE)
    ward = models.ForeignKey(Ward, on_delete=models.CASCADE)


if django.VERSION >= (5, 2):

    @ezlogs.audit(capture="pks")
    class Bed(models.Model):
        """With a key of two columns."""

        pk = models.CompositePrimaryKey("ward_id", "number")
        ward = models.ForeignKey(Ward, on_delete=models.CASCADE)
        number = models.IntegerField()
        size = models.IntegerField(default=0)


class Visitor(AbstractBaseSession):
    """A session of the clinic's own making."""


@ezlogs.audit()
class Login(AbstractBaseSession):
    """One that is to be told."""
