"""A broker of files: kombu's own, except that a message appears in the queue's folder whole.

Kombu writes it in place, where a busy worker may read the first half of one.
"""

import time
from pathlib import Path
from uuid import uuid4

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Writes a message under a name that no worker looks for, and renames it."""

    def _put(self, queue, payload, **kwargs):
        message = Path(self.data_folder_out, f"{time.monotonic_ns() // 1_000_000}_{uuid4()}.{queue}.msg")
        unfinished = message.with_suffix(".unfinished")
        unfinished.write_text(dumps(payload))
        unfinished.rename(message)


class Transport(filesystem.Transport):
    """Kombu's, with these channels."""

    Channel = Channel


TRANSPORT_ALIASES["files"] = f"{__name__}:Transport"
