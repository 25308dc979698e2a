"""Hears from the bank in a coroutine, while another goes on; prints the story that it was linked to."""

from __future__ import annotations

import asyncio

import ezlogs


async def main() -> None:
    """Go on with the flow, and leave nothing behind."""
    ezlogs.configure(instrument="none")
    before = ezlogs.CorrelationManager.current_context()
    with ezlogs.CorrelationManager.start_request_context("webhook"):
        async with ezlogs.resume_flow("order", 42) as flow:
            ezlogs.event("payment.action", "settled", subject=("order", 42))
            inside = ezlogs.CorrelationManager.current_context()
            assert inside == flow.correlation
            assert inside is not None
            print(inside.flow_id, inside.linked_correlation_id)
    assert ezlogs.CorrelationManager.current_context() == before
    ezlogs.shutdown()


asyncio.run(main())
