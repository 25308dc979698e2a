"""A command that is started by others: it tells its events as JSON, with the story that each of them is in."""

import json
import sys

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers.command import command

with capture() as captured:
    with command("import-orders", argv=sys.argv[1:]):
        ezlogs.event("order.action", "imported", subject=("order", 1))
    ezlogs.event("order.action", "counted")
    with command("nested", nested=True), ezlogs.flow("cleanup"):
        pass
told = [
    [event.action, event.correlation.correlation_id, event.correlation.parent_event_id, event.event_id]
    for event in captured.events
]
print(json.dumps(told))
