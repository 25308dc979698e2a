"""Mail on its way when its process is killed: nobody knows whether the server has it, and that is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from tests.instrumentors import postbox

from ezlogs.dev.receiver import Receiver
from ezlogs.story import stories, told
from ezlogs.trackers.mail import message_key

from .running import DEADLINE, Service


@pytest.mark.parametrize("library", ["smtplib", "aiosmtplib"])
def test_a_mail_whose_process_was_killed_is_told_as_interrupted(
    make_service: Callable[..., Service], receiver: Receiver, library: str
) -> None:
    """By the next process, with what was known of it, in its place in the story."""
    service = make_service(receiver, instrument="smtplib,aiosmtplib")
    with postbox.running() as box:
        process = service.start("mails.py", library, environ={"SMTP": str(box.port)})
        assert box.asked.wait(DEADLINE), service.log()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)
    service.settle()

    (story,) = stories(told(receiver.spans))
    (mail,) = [event for event in story.events if event.event_type == "email.delivery"]
    (start,) = [event for event in story.events if event.action == "newsletter.start"]
    assert (mail.action, mail.outcome) == ("message.interrupted", "unknown")
    assert mail.correlation.parent_event_id == start.event_id
    assert mail.correlation.flow_id == "newsletter:7"
    assert mail.subject is not None
    assert mail.subject.id == message_key(b"Message-ID: <1@shop.test>")
    assert (mail.metadata["recipients"], mail.metadata["domains"]) == (2, ("shop.test", "slow.test"))
    assert mail.metadata["reason"] == "interrupted"
    assert (len(story.roots), story.orphans) == (1, ())
