"""Log lines name their story, in logging, structlog and loguru; errors that only a log would know are told."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
from collections.abc import Iterator

import pytest

import ezlogs
from ezlogs.logs import add_correlation, patch, story_fields
from ezlogs.testing import Captured, capture
from ezlogs_instrumentors.logging import LoggingInstrumentor

pytestmark = pytest.mark.errors_told

FORMAT = "%(message)s [%(ezlogs.correlation_id)s %(ezlogs.flow_id)s %(ezlogs.parent_event_id)s]"


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument logging, and leave it as it was."""
    before = logging.getLogRecordFactory()
    LoggingInstrumentor().instrument()
    yield
    LoggingInstrumentor().uninstrument()
    assert logging.getLogRecordFactory() is before


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """Return a logger; what it writes is in the stream of its handler."""
    logger = logging.getLogger("shop")
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def written(logger: logging.Logger) -> list[str]:
    """Return the lines that were written."""
    (handler,) = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    found: list[str] = handler.stream.getvalue().splitlines()
    return found


def test_a_line_names_the_story_and_the_event_that_it_was_written_in(captured: Captured, log: logging.Logger) -> None:
    """Outside of any story the fields are empty, so that a format which asks for them works everywhere."""
    log.warning("before")
    with ezlogs.command("import"), ezlogs.flow("import", 7):
        log.warning("inside")
    start, _, run = captured.events
    assert written(log) == [
        "before [  ]",
        f"inside [{run.correlation.correlation_id} import:7 {start.event_id}]",
    ]


def test_an_application_may_give_the_fields_itself(captured: Captured, log: logging.Logger) -> None:
    """As ``extra``, which logging refuses where a record has such a field already; what it gives is what is told."""
    with ezlogs.flow("checkout", 42):
        log.warning("paid", extra={**story_fields(), "ezlogs.flow_id": "mine", "amount": 5})
        with pytest.raises(KeyError, match="message"):
            log.warning("paid", extra={"message": "refused as ever"})
    start, _ = captured.events
    assert written(log) == [f"paid [{start.correlation.correlation_id} mine {start.event_id}]"]


def test_the_factory_of_somebody_else_is_kept(log: logging.Logger) -> None:
    """It makes the record, and what it adds stays."""
    LoggingInstrumentor().uninstrument()
    plain = logging.getLogRecordFactory()

    def theirs(*args: object, **kwargs: object) -> logging.LogRecord:
        record = plain(*args, **kwargs)
        record.shop = "main"
        return record

    logging.setLogRecordFactory(theirs)
    LoggingInstrumentor().instrument()
    log.handlers[0].setFormatter(logging.Formatter(f"%(shop)s {FORMAT}"))
    log.warning("hello")
    LoggingInstrumentor().uninstrument()
    assert logging.getLogRecordFactory() is theirs
    logging.setLogRecordFactory(plain)
    LoggingInstrumentor().instrument()
    assert written(log) == ["main hello [  ]"]


def test_a_task_that_nobody_awaited_is_told(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """asyncio only logs what it raised."""

    async def fail() -> None:
        raise ValueError("nobody awaits this")

    async def main() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()

    with caplog.at_level(logging.CRITICAL, logger="shop"):
        asyncio.run(main())
    (error,) = captured.events
    assert (error.event_type, error.metadata["left"]) == ("system.error", "task")
    assert str(error.metadata["place"]).endswith("test_logging.fail")


def test_logged_errors_are_told_where_they_are_asked_for(log: logging.Logger) -> None:
    """With ``errors=logged``: those with an exception, from the level ERROR on."""

    def log_all() -> None:
        try:
            raise ValueError("order 42 has no items")
        except ValueError:
            log.warning("only a warning", exc_info=True)
            log.error("without an exception")
            log.exception("failed")

    with capture() as captured:
        log_all()
    assert captured.events == []
    with capture(errors="logged") as captured:
        log_all()
    (error,) = captured.events
    assert (error.action, error.metadata["logger"]) == ("logged", "shop")


def test_lines_of_structlog_and_loguru_name_their_story(captured: Captured) -> None:
    """By a processor and a patcher; what the application itself says under such a name stays."""
    structlog = pytest.importorskip("structlog")
    loguru = pytest.importorskip("loguru")
    lines = io.StringIO()
    structured = structlog.wrap_logger(
        structlog.PrintLogger(lines), processors=[add_correlation, structlog.processors.JSONRenderer()]
    )
    sink: list[dict[str, object]] = []
    loguru.logger.remove()
    loguru.logger.configure(patcher=patch)
    number = loguru.logger.add(lambda message: sink.append(message.record["extra"]))
    try:
        structured.info("outside")
        with ezlogs.flow("checkout", 42):
            structured.info("paid", **{"ezlogs.flow_id": "mine"})
            loguru.logger.info("paid")
    finally:
        loguru.logger.remove(number)
        loguru.logger.configure(patcher=None)
    start, _ = captured.events
    story = start.correlation.correlation_id
    outside, paid = map(json.loads, lines.getvalue().splitlines())
    assert outside == {"event": "outside"}
    assert (paid["ezlogs.correlation_id"], paid["ezlogs.flow_id"]) == (story, "mine")
    assert sink == [
        {"ezlogs.correlation_id": story, "ezlogs.flow_id": "checkout:42", "ezlogs.parent_event_id": start.event_id}
    ]
