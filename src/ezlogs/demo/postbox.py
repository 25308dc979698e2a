"""A mail server on loopback that hangs up on the first messages, and takes the others without keeping them."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType
from typing import Final

_ANSWERS: Final = {b"EHLO": b"250 postbox", b"HELO": b"250 postbox", b"DATA": b"354 go on", b"QUIT": b"221 bye"}


class Postbox:
    """The server, in a thread.

    Args:
        refusals: On how many messages it hangs up.
    """

    def __init__(self, refusals: int) -> None:
        self._refusals = refusals
        outer = self

        class Conversation(socketserver.StreamRequestHandler):
            """One conversation in SMTP (RFC 5321)."""

            def handle(self) -> None:
                """Answer until the other side has said goodbye."""
                self.wfile.write(b"220 postbox\r\n")
                while line := self.rfile.readline(1024):
                    word = line[:4].upper()
                    if word == b"DATA" and outer._refuses():
                        return
                    self.wfile.write(_ANSWERS.get(word, b"250 ok") + b"\r\n")
                    if word == b"DATA":
                        while self.rfile.readline(1024) not in (b".\r\n", b""):
                            pass
                        self.wfile.write(b"250 ok\r\n")
                    elif word == b"QUIT":
                        return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation)
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def _refuses(self) -> bool:
        self._refusals -= 1
        return self._refusals >= 0

    def __enter__(self) -> Postbox:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
