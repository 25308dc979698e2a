"""An application that writes in every way there is, one step after the other, errors and transactions included."""

from __future__ import annotations

from contextlib import suppress

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connections, transaction
from django.db.models import F

from .shop.models import Club, Depot, Gift, Item, Membership, Order, Person, Review, RushOrder, Tag

STEPS = [
    *["create", "get_or_create", "update_or_create", "change", "change_partly", "compute", "document"],
    *["refresh", "touch", "unchanged", "replace", "remove", "remove_many"],
    *["order", "rush", "gift", "change_gift", "remove_gift", "review"],
    *["link", "unlink", "set_links", "clear_links", "link_back", "befriend", "unfriend", "join", "leave"],
    *["insert_many", "insert_some", "update_many", "update_all", "raw"],
    *["begin", "savepoint", "undo", "commit"] * 3,
    *["manage", "release", "give_up", "clash", "dangle", "broken", "swallow", "close"],
]


class Manual:
    """A transaction that the application manages by itself."""

    def __init__(self, using):
        self.using = using

    def __enter__(self):
        transaction.set_autocommit(False, using=self.using)

    def __exit__(self, kind, error, traceback):
        try:
            if kind is None:
                transaction.commit(using=self.using)
            else:
                transaction.rollback(using=self.using)
        except DatabaseError:
            transaction.rollback(using=self.using)
            raise
        finally:
            self.leave()

    def leave(self):
        """Go back to autocommit mode, also from what Django never finds out of by itself."""
        connection = connections[self.using]
        connection.needs_rollback = connection.in_atomic_block = False
        transaction.set_autocommit(True, using=self.using)


class Shopkeeper:
    """Does steps against one database, and keeps the depots that it has loaded."""

    def __init__(self, using):
        self.using = using
        self.blocks = []
        self.held = {}

    def step(self, name, key, value):
        """Do a step as an application would that goes on after an error of the database."""
        try:
            getattr(self, name)(key, value)
        except (DatabaseError, ObjectDoesNotExist, ValueError) as error:  # the last two of rows that were taken back
            self.held.pop(key, None)
            self.leave_block(error)

    def finish(self):
        """Commit whatever is open."""
        while self.blocks:
            self.step("release", 1, 1)

    @property
    def connection(self):
        return connections[self.using]

    def of(self, model):
        return model.objects.using(self.using)

    def enter(self, block):
        block.__enter__()
        self.blocks.append(block)

    def leave_block(self, error=None):
        """Leave the innermost block; what its commit raises goes to the one around it."""
        while self.blocks:
            block = self.blocks.pop()
            try:
                block.__exit__(type(error) if error else None, error, None)
            except DatabaseError as failure:
                error = failure
            else:
                return

    def depot(self, key):
        if key not in self.held:
            found = self.of(Depot).filter(pk=key).first()
            if found is None:
                return None
            self.held[key] = found
        return self.held[key]

    # Rows one by one

    def create(self, key, value):
        if not self.of(Depot).filter(pk=key).exists():
            self.held[key] = self.of(Depot).create(pk=key, size=value)
        self.of(Tag).create(name=f"{key}-{value}")

    def get_or_create(self, key, value):
        self.held[key], _ = self.of(Depot).get_or_create(pk=key, defaults={"size": value})

    def update_or_create(self, key, value):
        self.held[key], _ = self.of(Depot).update_or_create(pk=key, defaults={"size": value})

    def change(self, key, value):
        if depot := self.depot(key):
            depot.size = value
            depot.save()

    def change_partly(self, key, value):
        if depot := self.depot(key):
            depot.size = value
            depot.settings["left"] = value
            depot.save(update_fields=["size"])

    def compute(self, key, value):
        if depot := self.depot(key):
            depot.size = F("size") + value
            depot.save()
            depot.refresh_from_db()

    def document(self, key, value):
        if depot := self.depot(key):
            depot.settings.setdefault("shelves", {})[f"s{key}"] = [value, {"deep": value}]
            depot.save()

    def refresh(self, key, value):
        if depot := self.depot(key):
            depot.refresh_from_db()

    def touch(self, key, value):
        """Change all rows at once, and load them again."""
        self.of(Depot).update(size=value)
        for depot in self.held.values():
            depot.refresh_from_db(fields=["size"])

    def unchanged(self, key, value):
        if depot := self.depot(key):
            depot.save()

    def replace(self, key, value):
        """Save a row that was never loaded."""
        self.held[key] = depot = Depot(pk=key, size=value)
        depot.save(using=self.using)

    def remove(self, key, value):
        if depot := self.depot(key):
            del self.held[key]
            depot.delete()
        order = self.of(Order).filter(gift=None).first()
        if order is not None:
            order.delete()

    def remove_many(self, key, value):
        self.of(Tag).filter(pk__gt=value).delete()
        self.of(Item).filter(name__contains=str(key)).delete()

    def order(self, key, value):
        order = self.of(Order).create(count=value)
        self.of(Item).create(order=order, name=f"{order.pk}-{value}")

    def rush(self, key, value):
        order = self.of(RushOrder).create(count=value, status="paid")
        order.count += 1
        order.save(using=self.using)
        if value % 2:
            order.delete()

    def gift(self, key, value):
        self.of(Gift).create(count=value, wrapping="red")

    def change_gift(self, key, value):
        if gift := self.of(Gift).select_for_update().last():
            gift.count, gift.wrapping = value, f"blue {key}"
            gift.save()

    def remove_gift(self, key, value):
        if gift := self.of(Gift).first():
            gift.delete()

    def review(self, key, value):
        if order := self.of(Order).last():
            self.of(Review).create(order=order)

    # Links

    def pair(self, key, value):
        order = self.of(Order).last() or self.of(Order).create()
        tags = list(self.of(Tag).order_by("pk")[:value])
        return order, tags or [self.of(Tag).create(name="t")]

    def link(self, key, value):
        order, tags = self.pair(key, value)
        order.tags.add(*tags)
        order.tags.add(tags[0])

    def unlink(self, key, value):
        order, tags = self.pair(key, value)
        order.tags.remove(tags[-1])

    def set_links(self, key, value):
        order, tags = self.pair(key, value)
        order.tags.set(tags, clear=value == 1)

    def clear_links(self, key, value):
        order, _ = self.pair(key, value)
        order.tags.clear()

    def link_back(self, key, value):
        order, tags = self.pair(key, value)
        tags[0].order_set.add(order, *self.of(Order)[:2])
        if value % 2:
            tags[0].order_set.remove(order)

    def people(self, key, value):
        for number in range(1, 4):
            self.of(Person).get_or_create(pk=number)
        return list(self.of(Person).order_by("pk"))

    def befriend(self, key, value):
        one, *others = self.people(key, value)
        one.friends.add(*others[: 1 + value % 2])

    def unfriend(self, key, value):
        one, *others = self.people(key, value)
        one.friends.remove(*others)

    def join(self, key, value):
        club, _ = self.of(Club).get_or_create(pk=1)
        club.members.add(*self.people(key, value)[: 1 + value % 3], through_defaults={"role": "host"})

    def leave(self, key, value):
        club, _ = self.of(Club).get_or_create(pk=1)
        if value % 2:
            club.members.set(self.people(key, value)[:1])
        else:
            self.of(Membership).filter(person_id=key).delete()

    # Rows together

    def insert_many(self, key, value):
        self.of(Tag).bulk_create([Tag(name=f"{key}{n}") for n in range(value)], batch_size=2)

    def insert_some(self, key, value):
        order = self.of(Order).last() or self.of(Order).create()
        items = [Item(order=order, name=f"item {n}") for n in range(value)]
        self.of(Item).bulk_create(items, ignore_conflicts=True)

    def update_many(self, key, value):
        depots = [depot for depot in map(self.depot, range(1, 5)) if depot]
        orders = list(self.of(Order))
        for order in orders:
            order.count = key
        self.of(Order).bulk_update(orders, ["count"], batch_size=2)
        if orders:
            orders[0].save()
        assert all(depot.pk for depot in depots)

    def update_all(self, key, value):
        self.of(Order).filter(count__lt=value).update(count=F("count") + 1, note="x")
        self.of(Gift).update(count=value)

    def raw(self, key, value):
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO shop_tag (name) VALUES (%s)", ["raw"])
            cursor.execute("UPDATE shop_tag SET name = %s WHERE id > %s", [f"raw {key}", value])
            cursor.execute("SELECT 1")

    # Transactions and errors

    def begin(self, key, value):
        if not self.blocks:
            self.enter(transaction.atomic(using=self.using, durable=bool(value % 2)))

    def manage(self, key, value):
        if not self.blocks:
            self.enter(Manual(self.using))

    def savepoint(self, key, value):
        if self.blocks:
            self.enter(transaction.atomic(using=self.using, savepoint=value % 4 != 0))

    def release(self, key, value):
        self.leave_block()

    def undo(self, key, value):
        self.leave_block(KeyError("undo"))

    def commit(self, key, value):
        while self.blocks:
            self.leave_block()

    def give_up(self, key, value):
        if self.connection.in_atomic_block:
            transaction.set_rollback(True, using=self.using)
            self.leave_block()

    def clash(self, key, value):
        order = self.of(Order).last() or self.of(Order).create()
        for _ in range(2):
            self.of(Item).create(order=order, name="same")

    def dangle(self, key, value):
        """Refer to a row that is not there, which the database notices when it commits."""
        self.of(Item).create(order_id=10**6, name=f"lost {key}{value}")

    def broken(self, key, value):
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO nowhere VALUES (1)")

    def swallow(self, key, value):
        """Go on after an error without having told Django."""
        with suppress(DatabaseError):
            self.broken(key, value)

    def close(self, key, value):
        self.connection.close()
        while self.blocks:
            block = self.blocks.pop()
            if isinstance(block, Manual):
                block.leave()
            else:
                block.__exit__(KeyError, KeyError("closed"), None)
