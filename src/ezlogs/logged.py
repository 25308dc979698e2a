"""The mark of a span event that exists as a log record as well, so that no bridge makes another one of it."""


class LoggedName(str):
    """The name of such an event: a text like any other, but for its type, which everybody else leaves alone."""

    __slots__ = ()
