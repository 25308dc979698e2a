"""Where a database is, as SQLAlchemy, Django and the drivers want to be told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import URL, make_url

_DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}
_ENGINES = {"postgresql": "django.db.backends.postgresql", "mariadb": "django.db.backends.mysql"}


@dataclass(frozen=True)
class Address:
    """A database of a server; by a socket where there is one, else by host and port."""

    kind: Literal["postgresql", "mariadb"]
    name: str
    user: str
    password: str | None = None
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    """MariaDB's socket, or the directory of PostgreSQL's."""
    is_proxied: bool = False

    @classmethod
    def of(cls, kind: Literal["postgresql", "mariadb"], url: str) -> Address:
        """Return the address that a URL in SQLAlchemy's form names."""
        parts = make_url(url)
        named = parts.query.get("host" if kind == "postgresql" else "unix_socket")
        return cls(
            kind,
            parts.database or "",
            parts.username or "",
            parts.password,
            parts.host or "127.0.0.1",
            parts.port or (5432 if kind == "postgresql" else 3306),
            named if isinstance(named, str) else None,
        )

    @property
    def target(self) -> str | tuple[str, int]:
        """What a socket connects to."""
        if self.socket is None:
            return self.host or "127.0.0.1", self.port or 0
        return f"{self.socket}/.s.PGSQL.{self.port or 5432}" if self.kind == "postgresql" else self.socket

    def through(self, port: int) -> Address:
        """Return the same database by way of a port of this machine, unencrypted."""
        return replace(self, host="127.0.0.1", port=port, socket=None, is_proxied=True)

    def arguments(self) -> dict[str, Any]:
        """Return what the driver's ``connect`` takes."""
        given: dict[str, Any] = {"user": self.user, "password": self.password, "port": self.port}
        if self.kind == "postgresql":
            given |= {"dbname": self.name, "host": self.socket or self.host}
            if self.is_proxied:
                given |= {"sslmode": "disable", "gssencmode": "disable"}
        else:
            given |= {"database": self.name, "host": self.host, "unix_socket": self.socket, "charset": "utf8mb4"}
            if self.is_proxied:
                given["ssl_disabled"] = True
        return {name: value for name, value in given.items() if value is not None}

    def url(self) -> URL:
        """Return it as SQLAlchemy wants it."""
        given = self.arguments()
        database = given.pop("database", None) or given.pop("dbname", None)
        parts = {name: given.pop(name, None) for name in ("user", "password", "host", "port")}
        socket = parts["host"] if self.kind == "postgresql" and self.socket else None
        query = {name: str(value).lower() for name, value in given.items() if name != "unix_socket"}
        if "unix_socket" in given:
            query["unix_socket"] = given["unix_socket"]
        if socket:
            query["host"] = socket
        return URL.create(
            _DRIVERS[self.kind],
            parts["user"],
            parts["password"],
            None if socket else parts["host"],
            None if self.socket else parts["port"],
            database,
            query,
        )

    def django(self) -> dict[str, Any]:
        """Return it as an entry of Django's ``DATABASES``."""
        given = self.arguments()
        host, port = self.socket or self.host or "", "" if self.socket else str(self.port or "")
        for name in ("user", "password", "host", "port", "dbname", "database", "unix_socket"):
            given.pop(name, None)
        return {
            "ENGINE": _ENGINES[self.kind],
            "NAME": self.name,
            "USER": self.user,
            "PASSWORD": self.password or "",
            "HOST": host,
            "PORT": port,
            "OPTIONS": given,
        }
