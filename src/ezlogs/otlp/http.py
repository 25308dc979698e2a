"""OTLP over HTTP: one POST of an encoded request, and what the collector's answer means for it.

Follows https://opentelemetry.io/docs/specs/otlp/#otlphttp, with additions that favour delivery: 408 and
500 count as transient, since a gateway that crashes or restarts answers with them, and so does a page of HTML.
"""

from __future__ import annotations

import os
import queue
import re
from collections.abc import Callable, Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ezlogs.otlp.address import USER_AGENT, basic_authorization, split
from ezlogs.otlp.answer import Outcome, Rejected, Retry, error_message, is_page, partial_success, presentable, secrets
from ezlogs.otlp.compression import Compression, compressor
from ezlogs.otlp.loading import load_client
from ezlogs.otlp.proxies import proxy_of

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

_LONGEST_ANSWER = 64 * 1024  # an answer is a few bytes; a proxy's page of HTML is cut here


class HttpTransport:
    """Posts requests to one endpoint over connections that stay open.

    The connection pool is made at the first `send`, so an idle transport costs nothing. In a forked child the
    parent's connections are left alone, whether or not `forget` was called.

    Args:
        endpoint: The whole URL, such as ``http://localhost:4318/v1/traces``. A user and password in it go into
            an ``Authorization`` header.
        headers: Additional headers, such as credentials. Their values appear in no text that comes back.
        timeout: Seconds for each part of one `send`: the connection, the request, and the whole of the answer.
        compression: ``gzip`` or ``zstd``, both at level 1, or ``none``.
        as_json: The signal that is sent, to have it written as OTLP/JSON; protobuf if left out.
        certificate_file: PEM file of the authorities that may sign the collector's certificate, in place of
            the system's.
        client_certificate_file: PEM file of the certificate shown to the collector.
        client_key_file: PEM file of that certificate's key.

    Raises:
        ValueError: ``compression`` is ``zstd``, and nothing here compresses with it.

    Example:
        >>> url = "http://127.0.0.1:9/v1/traces"
        >>> HttpTransport(url, headers={}, timeout=1.0, compression="gzip").send(b"")
        Retry(reason='no collector at http://127.0.0.1:9: Connection refused', after=None)
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        timeout: float,
        compression: Compression,
        as_json: Literal["traces", "logs"] | None = None,
        certificate_file: str | None = None,
        client_certificate_file: str | None = None,
        client_key_file: str | None = None,
    ) -> None:
        self._timeout = timeout
        self._pack = compressor(compression)
        self._as_json = as_json
        self._tls: dict[str, Any] = {
            "ca_certs": certificate_file,
            "cert_file": client_certificate_file,
            "key_file": client_key_file,
        }
        self._address = split(endpoint)
        self._origin = f"{self._address.scheme}://{self._address.host}"
        self._headers = {
            "user-agent": USER_AGENT,
            **basic_authorization("authorization", self._address.login),
            **{name.lower(): value for name, value in headers.items()},
            "content-type": "application/json" if as_json else "application/x-protobuf",
            **({} if compression == "none" else {"content-encoding": compression}),
        }
        self._secrets = secrets([*headers.values(), self._headers.get("authorization", "")])
        self._pool: _Pool | None = None

    def send(self, body: bytes) -> Outcome:
        """Post one request and wait for the answer; never raises.

        Args:
            body: An encoded ``ExportTraceServiceRequest`` or ``ExportLogsServiceRequest``.

        Returns:
            What became of it.
        """
        if self._as_json is not None:
            from ezlogs.otlp.transcode import to_json  # few need it

            try:
                body = to_json(body, self._as_json)
            except ValueError:
                return Rejected("the request is no OTLP, and cannot be written as JSON", 400)
        deadline = monotonic() + self._timeout
        try:
            answer = self._post(self._pack(body))
        except Exception as problem:
            return Retry(f"no collector at {self._origin}: {self._cause(problem)}")
        return self._judge(answer, _read(answer, deadline))

    def close(self) -> None:
        """Close the connections. A later `send` opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.connections.close()  # urllib3 does not where the process ends: it closes what there was before that
            pool.manager.clear()

    def forget(self) -> None:
        """In a forked child: let go of the parent's connections, with no word to the collector."""
        pool, self._pool = self._pool, None
        inherited = pool.connections.pool if pool is not None else None
        if inherited is None:
            return
        # urllib3 drains this queue when its pool is collected. Had a thread of the parent held the lock of the
        # queue during the fork, nobody here would release it: the queue starts anew, unlocked and empty.
        idle = inherited.queue
        queue.LifoQueue.__init__(inherited)
        for connection in filter(None, idle):
            connection.close()  # this process's copy of the socket; neither TCP nor TLS says goodbye

    def _post(self, body: bytes) -> BaseHTTPResponse:
        if self._pool is not None and self._pool.pid != os.getpid():
            self.forget()
        pool = self._pool
        if pool is None:
            load_client()
            pool = self._pool = self._open()
        from urllib3 import Timeout

        return pool.urlopen(
            "POST",
            pool.target,
            body=body,
            headers=self._headers,
            timeout=Timeout(total=self._timeout),
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def _open(self) -> _Pool:
        from urllib3 import PoolManager, ProxyManager

        from ezlogs.otlp.connections import hurried

        manager: PoolManager
        path = self._address.path
        if proxy := proxy_of(self._address.host, self._address.scheme):
            credentials = basic_authorization("proxy-authorization", proxy.login)
            manager = hurried(ProxyManager(f"{proxy.scheme}://{proxy.host}", proxy_headers=credentials, **self._tls))
            connections = manager.connection_from_url(self._origin)
            return _Pool(os.getpid(), manager, connections, manager.urlopen, self._origin + path)
        manager = hurried(PoolManager(**self._tls))
        connections = manager.connection_from_url(self._origin)
        return _Pool(os.getpid(), manager, connections, connections.urlopen, path)

    def _cause(self, problem: BaseException) -> str:
        """Say what went wrong without the text of a foreign exception, which may quote a header or a URL."""
        cause = _system_error(problem)
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        return f"no answer within {self._timeout:g} s" if isinstance(cause, TimeoutError) else type(cause).__name__

    def _judge(self, answer: BaseHTTPResponse, content: bytes) -> Outcome:
        content_type = answer.headers.get("content-type", "")
        reason = f"the collector at {self._origin} answered {answer.status} {_phrase(answer.status)}"
        if 200 <= answer.status < 300:
            if is_page(content_type, content):
                return Retry(
                    f"{reason} with a page of HTML, which no collector does: is a proxy or a login in the way?"
                )
            return partial_success(content_type, content)
        if message := presentable(error_message(content_type, content), self._secrets):
            reason += f": {message}"
        if answer.status in _TRANSIENT:
            return Retry(reason, _retry_after(answer.headers))
        return Rejected(reason, answer.status)


def _system_error(problem: BaseException) -> BaseException:
    """Return the operating system's error that urllib3 has wrapped, or the innermost error if there is none."""
    while not isinstance(problem, OSError):
        inner = problem.__cause__ or next((arg for arg in problem.args if isinstance(arg, BaseException)), None)
        if inner is None:
            break
        problem = inner
    return problem


class _Pool(NamedTuple):
    pid: int
    manager: PoolManager
    connections: HTTPConnectionPool
    urlopen: Callable[..., BaseHTTPResponse]
    """Sends a request and returns its answer: without a proxy the connections' own, which has less to find out."""
    target: str
    """What it is sent to, as ``urlopen`` has it: a path, or behind a proxy a whole URL."""


def _read(answer: BaseHTTPResponse, deadline: float) -> bytes:
    """Read the answer's body; what cannot be had in time or is too long is not worth having."""
    content = b""
    try:
        while len(content) < _LONGEST_ANSWER and monotonic() < deadline:
            chunk = answer.read1(_LONGEST_ANSWER - len(content), decode_content=False)
            if not chunk:
                break
            content += chunk
    except Exception:  # the status, which says what became of the spans, is known already
        content = b""
    answer.close()  # returns nothing to the pool unless the whole body was read, and then it is there already
    return content


def _phrase(status: int) -> str:
    from http.client import responses

    return responses.get(status, "")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a ``Retry-After`` header in either form (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    at = _http_date(value)
    if at is None:
        return None
    now = _http_date(headers.get("date", ""))  # the collector's clock, not ours, made the date
    return max(0.0, at - (time() if now is None else now))


def _http_date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
