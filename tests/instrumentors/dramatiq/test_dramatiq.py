"""Dramatiq: messages over a real Redis and a real RabbitMQ, run by its own workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest

dramatiq = pytest.importorskip("dramatiq", reason="no Dramatiq")

from dramatiq import Message, pipeline  # noqa: E402  # after the skip
from dramatiq.brokers.stub import StubBroker  # noqa: E402
from tests.instrumentors.working import STORY, Working, in_story, tasks_in  # noqa: E402

from ezlogs.testing import Captured  # noqa: E402
from ezlogs_instrumentors.dramatiq import OPTION, DramatiqInstrumentor  # noqa: E402

HERE = Path(__file__).parent
Start = Callable[..., Working]


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Instrument Dramatiq in this process for one test."""
    DramatiqInstrumentor().instrument()
    yield
    DramatiqInstrumentor().uninstrument()


@pytest.fixture(params=["redis", "rabbitmq"])
def environ(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where the messages are kept."""
    name = f"d{uuid4().hex}"
    if request.param == "rabbitmq":
        pytest.importorskip("pika", reason="no pika: Dramatiq's tests on RabbitMQ are left out")
        return {"JOBS_NAME": name, "JOBS_RABBITMQ": request.getfixturevalue("rabbitmq")}
    return {"JOBS_NAME": name, "JOBS_REDIS": request.getfixturevalue("redis").url}


@pytest.fixture
def actors(environ: dict[str, str], instrumented: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The actors, as a producer has them."""
    module = tasks_in(HERE / "dramatiq_tasks.py", environ, monkeypatch)
    yield module
    module.broker.close()
    if "JOBS_REDIS" in environ:
        module.broker.client.close()


@pytest.fixture
def start(work: Start, environ: dict[str, str], actors: ModuleType) -> Start:
    """Start workers."""
    command = ["-m", "dramatiq", "dramatiq_tasks", "--path", str(HERE), "--processes", "1", "--threads", "1"]
    command += ["--worker-shutdown-timeout", "2000"]
    return lambda **more: work(command, {**environ, **more})


def test_a_message_goes_on_with_the_story(captured: Captured, actors: ModuleType, start: Start) -> None:
    """Enqueued and run: one story, one actor, each the parent of the next; arguments are in neither."""
    worker = start()
    with in_story():
        job_id = actors.plain.send("hunter2").message_id
    (execution,) = worker.attempts(job_id)
    (probe,) = (event for event in worker.events() if event["event_type"] == "probe.action")

    (enqueue,) = captured.events
    assert (enqueue.action, enqueue.metadata["queue"]) == ("plain.enqueue", actors.QUEUE)
    assert (enqueue.correlation.parent_event_id, enqueue.subject.id) == ("evt_request", job_id)
    assert execution["correlation"]["correlation_id"] == probe["correlation"]["correlation_id"] == STORY
    assert execution["correlation"]["parent_event_id"] == enqueue.event_id
    assert probe["correlation"]["parent_event_id"] == execution["event_id"]
    assert execution["actor"] == probe["actor"] == {"type": "user", "id": "7"}
    assert (execution["action"], execution["outcome"]) == ("plain.success", "success")
    assert (execution["metadata"]["queue"], execution["metadata"]["max_retries"]) == (actors.QUEUE, 20)
    assert execution["metadata"]["queue_wait"] >= 0
    assert execution["metadata"]["worker"]
    assert "hunter2" not in f"{enqueue}{execution}"


def test_coroutines_and_jobs_of_jobs_stay_in_the_story(captured: Captured, actors: ModuleType, start: Start) -> None:
    """In the worker's event loop, and in what an actor itself sends."""
    worker = start()
    with in_story():
        awaiting, outer = actors.awaiting.send().message_id, actors.outer.send().message_id
    (awaited,), (first,) = worker.attempts(awaiting), worker.attempts(outer)
    enqueue = worker.enqueued("plain")
    (inner,) = worker.attempts(enqueue["subject"]["id"])

    parents = {e["correlation"]["parent_event_id"] for e in worker.events() if e["event_type"] == "probe.action"}
    assert parents == {awaited["event_id"], inner["event_id"]}
    assert enqueue["correlation"]["parent_event_id"] == first["event_id"]
    assert inner["correlation"]["parent_event_id"] == enqueue["event_id"]
    assert (inner["correlation"]["correlation_id"], inner["actor"]["id"]) == (STORY, "7")


def test_retries_are_a_chain_of_one_job(captured: Captured, actors: ModuleType, start: Start) -> None:
    """One enqueue event, each attempt's parent the retry before it; when the next one runs comes from Dramatiq."""
    worker = start()
    job_id = actors.flaky.send(2).message_id
    first, second, third = worker.attempts(job_id, 3)

    (enqueue,) = captured.events
    assert enqueue.metadata["arguments"] == {"failures": 2}
    assert [event["outcome"] for event in (first, second, third)] == ["retried", "retried", "success"]
    assert [event["correlation"]["attempt"] for event in (first, second, third)] == [1, 2, 3]
    assert [event["correlation"]["parent_event_id"] for event in (first, second, third)] == [
        enqueue.event_id,
        first["event_id"],
        second["event_id"],
    ]
    assert first["error"]["type"] == "TimeoutError"
    assert first["metadata"]["next_retry_at"] < second["metadata"]["next_retry_at"]
    assert "next_retry_at" not in third["metadata"]
    assert {event["metadata"]["max_retries"] for event in (first, second, third)} == {3}
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


def test_each_end_of_a_message_is_told(captured: Captured, actors: ModuleType, start: Start) -> None:
    """Dead, failed as foreseen, aborted, too old; and a dead letter that is enqueued again goes on with its story."""
    names = ("doomed", "broken", "aborted", "aged")
    with in_story():
        sent = {name: getattr(actors, name).send() for name in names}
    worker = start()
    retry, dead = worker.attempts(sent["doomed"].message_id, 2)
    ends = {
        name: [
            (event["action"], event["outcome"], event["error"] and event["error"]["type"].rpartition(".")[2])
            for event in worker.attempts(sent[name].message_id)
        ]
        for name in names[1:]
    }

    assert (retry["outcome"], dead["outcome"], dead["action"]) == ("retried", "dead", "doomed.dead")
    assert ends["broken"] == [("broken.failure", "failure", "LookupError")]
    assert ends["aborted"] == [("aborted.failure", "failure", "Abort")]
    assert ends["aged"] == [("aged.skip", "failure", None)]
    replayed = sent["doomed"].copy(options={"retries": 2, "max_retries": 2})
    actors.broker.enqueue(replayed)
    again = worker.attempts(sent["doomed"].message_id, 3)[2]
    assert len(captured.events) == len(names), "a replay is no second job"
    assert (again["correlation"]["attempt"], again["correlation"]["correlation_id"]) == (3, STORY)


@pytest.mark.parametrize("environ", ["rabbitmq"], indirect=True)
def test_a_dead_letter_that_is_replayed_goes_on_with_its_story(
    captured: Captured, actors: ModuleType, start: Start, environ: dict[str, str]
) -> None:
    """What RabbitMQ keeps of a dead message is enqueued as it is: it is no second job."""
    import pika

    with in_story():
        sent = actors.doomed.send()
    worker = start()
    retry, dead = worker.attempts(sent.message_id, 2)
    with pika.BlockingConnection(pika.URLParameters(environ["JOBS_RABBITMQ"])) as connection:
        channel = connection.channel()
        letters = []

        def has_arrived(_: object) -> bool:
            method, properties, body = channel.basic_get(f"{actors.QUEUE}.XQ", auto_ack=True)
            letters.extend([(properties, body)] if method else [])
            return bool(letters)

        worker.wait(has_arrived)
        channel.basic_publish("", actors.QUEUE, letters[0][1], letters[0][0])
    *_, again = worker.attempts(sent.message_id, 3)

    assert (retry["outcome"], dead["outcome"]) == ("retried", "dead")
    assert again["correlation"]["correlation_id"] == STORY
    assert again["correlation"]["parent_event_id"] == retry["event_id"]
    assert len(captured.events) == 1
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


@pytest.mark.parametrize("environ", ["redis"], indirect=True)
def test_what_is_aborted_is_told(captured: Captured, actors: ModuleType, start: Start, environ: dict[str, str]) -> None:
    """By dramatiq-abort: one that runs is interrupted, which its retry is not allowed; one that waits is skipped."""
    dramatiq_abort = pytest.importorskip("dramatiq_abort")
    backend = pytest.importorskip("dramatiq_abort.backends").RedisBackend.from_url(environ["JOBS_REDIS"])
    middleware = dramatiq_abort.Abortable(backend=backend)
    waiting, running = actors.plain.message(), actors.endless.message()
    middleware.abort(waiting.message_id, mode=pytest.importorskip("dramatiq_abort.middleware").AbortMode.CANCEL)
    worker = start(JOBS_ABORT=environ["JOBS_REDIS"])
    for message in (waiting, running):
        actors.broker.enqueue(message)
    (skipped,) = worker.attempts(waiting.message_id)
    worker.wait(lambda events: any(event["event_type"] == "probe.action" for event in events))
    middleware.abort(running.message_id)
    interrupted, end = worker.attempts(running.message_id, 2)

    assert (skipped["action"], skipped["outcome"]) == ("plain.skip", "success")
    assert (interrupted["action"], interrupted["outcome"]) == ("endless.retry", "retried")
    assert interrupted["error"]["type"].endswith("Abort")
    assert end["action"] == "endless.skip"
    assert end["correlation"]["parent_event_id"] == interrupted["event_id"]


def test_pipelines_groups_and_delays(captured: Captured, actors: ModuleType, start: Start) -> None:
    """What follows in a pipeline was enqueued by what came before; one that is delayed waits from when it is due."""
    before = datetime.now(timezone.utc)
    with in_story():
        piped = pipeline([actors.passing.message(1), actors.passing.message(), actors.passing.message()]).run()
        later = actors.plain.send_with_options(args=(), delay=1500)
        dramatiq.group([actors.plain.message() for _ in range(2)]).run()
    worker = start()
    ids = [message.message_id for message in piped.messages]
    runs = [worker.attempts(job_id)[0] for job_id in ids]
    (delayed,) = worker.attempts(later.message_id)
    fanned = [worker.attempts(event.subject.id)[0] for event in captured.events[2:]]
    enqueues = {event["subject"]["id"]: event for event in worker.events() if event["event_type"] == "job.enqueue"}

    assert set(enqueues) == set(ids[1:])
    for earlier, run in pairwise(runs):
        enqueue = enqueues[run["correlation"]["job_id"]]
        assert enqueue["correlation"]["parent_event_id"] == earlier["event_id"]
        assert run["correlation"]["parent_event_id"] == enqueue["event_id"]
    due = datetime.fromisoformat(str(captured.events[1].metadata["eta"]))
    assert due >= before + timedelta(seconds=1.4)
    assert 0 <= delayed["metadata"]["queue_wait"] <= (datetime.now(timezone.utc) - due).total_seconds()
    assert delayed["metadata"]["queue"] == captured.events[1].metadata["queue"] == actors.QUEUE
    assert {event["correlation"]["correlation_id"] for event in (*runs, delayed, *fanned)} == {STORY}
    assert len(fanned) == 2


@pytest.mark.parametrize("environ", ["redis"], indirect=True)
def test_what_follows_a_group_names_it(captured: Captured, actors: ModuleType, start: Start) -> None:
    """It is enqueued by the last of the group, over a retry as well; what an actor itself sends follows nothing."""
    after = actors.plain.message()
    group = dramatiq.group([actors.plain.message(), actors.flaky.message(1), actors.outer.message()])
    group.add_completion_callback(after)
    with in_story():
        group.run()
    worker = start()
    (followed,) = worker.attempts(after.message_id)
    members = [event for one in group.children for event in worker.attempts(one.message_id)]
    enqueues = {event["subject"]["id"]: event for event in worker.events() if event["event_type"] == "job.enqueue"}

    joining = enqueues.pop(after.message_id)
    (name,) = {event["metadata"]["group"] for event in members}
    assert len(members) == 4
    assert [event.metadata["group"] for event in captured.events] == [name] * 3
    assert joining["metadata"]["joins"] == name
    assert joining["correlation"]["parent_event_id"] in {event["event_id"] for event in members}
    assert followed["correlation"]["parent_event_id"] == joining["event_id"]
    assert followed["correlation"]["correlation_id"] == STORY
    assert not {"group", "joins"} & {key for event in (followed, *enqueues.values()) for key in event["metadata"]}
    assert len(enqueues) == 1


def test_nothing_leaks_into_the_next_message(captured: Captured, actors: ModuleType, start: Start) -> None:
    """After actors that forgot a context, messages of a producer without ezlogs begin stories of their own."""
    worker = start()
    for _ in range(2):
        worker.attempts(actors.leaking.send().message_id)
    DramatiqInstrumentor().uninstrument()
    bare = [actors.doomed.send().message_id, actors.plain.send_with_options(delay=500).message_id]
    (retry, dead), (delayed,) = worker.attempts(bare[0], 2), worker.attempts(bare[1])

    assert retry["correlation"]["correlation_id"] != delayed["correlation"]["correlation_id"]
    assert not [event for event in (retry, delayed) if "parent_event_id" in event["correlation"]]
    assert {event["actor"]["type"] for event in (retry, delayed)} == {"system"}
    assert dead["correlation"]["parent_event_id"] == retry["event_id"]
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


def test_a_worker_without_ezlogs_runs_our_messages(captured: Captured, actors: ModuleType, start: Start) -> None:
    """It passes over the option, also through a retry."""
    worker = start(JOBS_BARE="1")
    actors.flaky.send(1)

    worker.wait(lambda events: [event["event_type"] for event in events] == ["bare.action"] * 2)


def test_a_killed_worker_leaves_what_was_under_way(captured: Captured, actors: ModuleType, start: Start) -> None:
    """The journal has the attempt with the outcome that nobody knows, for whoever takes it over."""
    worker = start(JOBS_JOURNAL="1")
    job_id = actors.killed.send().message_id
    opened = worker.wait(lambda events: [event for event in events if event["event_type"].startswith("opened")])[0]

    assert (opened["outcome"], opened["metadata"]["reason"]) == ("unknown", "interrupted")
    assert opened["correlation"]["job_id"] == job_id
    assert opened["correlation"]["parent_event_id"] == captured.events[0].event_id


@pytest.mark.parametrize("option", [7, "{", '{"ezlogs":{}}', '{"ezlogs":"{}","id":"other"}'])
def test_foreign_options_are_passed_over(captured: Captured, instrumented: None, option: object) -> None:
    """What does not read as ours, or is another message's, is as nothing: the message is a new one."""
    broker = StubBroker(middleware=[])
    broker.declare_queue("default")
    broker.enqueue(Message("default", "gone", (), {}, {OPTION: option, "retries": "x", "max_retries": "y"}))

    (enqueue,) = captured.events
    assert (enqueue.action, enqueue.correlation.parent_event_id) == ("gone.enqueue", None)


def test_a_message_that_no_actor_takes_is_rejected(captured: Captured, actors: ModuleType, start: Start) -> None:
    """In its story, with Dramatiq's error."""
    worker = start()
    message = Message(actors.QUEUE, "elsewhere", (), {}, {"max_retries": 0})
    with in_story():
        actors.broker.enqueue(message)
    (rejected,) = worker.attempts(message.message_id)

    assert (rejected["action"], rejected["outcome"]) == ("elsewhere.reject", "failure")
    assert rejected["error"]["type"].endswith("ActorNotFound")
    assert rejected["correlation"]["correlation_id"] == STORY
    assert rejected["correlation"]["parent_event_id"] == captured.events[0].event_id


def test_a_message_that_cannot_be_sent_is_a_failed_enqueue(captured: Captured, instrumented: None) -> None:
    """For it cannot be written, or the broker is away; the caller gets the error that it would have had."""
    from dramatiq.brokers.redis import RedisBroker
    from redis.exceptions import RedisError

    broker = RedisBroker(url="redis://127.0.0.1:1")
    broker.queues.add("default")
    message = Message("default", "plain", (), {}, {})
    with pytest.raises((dramatiq.errors.BrokerConnectionError, RedisError)):
        broker.enqueue(message)
    with pytest.raises(TypeError):
        broker.enqueue(Message("default", "plain", (object(),), {}, {}))

    assert [(event.action, event.outcome) for event in captured.events] == [("plain.enqueue", "failure")] * 2
    assert captured.events[1].error.type == "TypeError"
    assert captured.events[1].metadata["arguments"] == {"0": "<builtins.object>"}


def test_what_is_taken_back_leaves_no_trace(captured: Captured, instrumented: None) -> None:
    """Without the instrumentor nothing is told, and the message has no option of ours."""
    DramatiqInstrumentor().uninstrument()
    broker = StubBroker(middleware=[])
    broker.declare_queue("default")
    message = broker.enqueue(Message("default", "plain", (), {}, {}))

    assert captured.events == []
    assert OPTION not in message.options


def test_messages_while_nothing_listens_have_no_option(instrumented: None) -> None:
    """They are as without ezlogs."""
    broker = StubBroker(middleware=[])
    broker.declare_queue("default")
    assert broker.enqueue(Message("default", "plain", (), {}, {})).options == {}
