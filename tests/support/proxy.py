"""An HTTP proxy that does harm on demand."""

import re
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

_CODES = {403: "AccessDenied", 404: "NoSuchKey", 503: "SlowDown"}
_OF_ONE_HOP = {
    *("connection", "content-length", "date", "expect", "server", "transfer-encoding"),
}


class Answer(NamedTuple):
    """What a server says."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes


@dataclass
class _Fault:
    """What becomes of the next `times` requests that match."""

    kind: int | str
    times: float
    method: str
    path: str


class Proxy:
    """An HTTP proxy in front of a server: it delays, answers with errors, resets, or is away."""

    def __init__(self, upstream: str) -> None:
        self.delay = 0.0
        """Seconds before each answer."""
        self.requests: list[tuple[str, str]] = []
        """Method and path (with the query) of everything that was asked."""
        self.faulted = 0
        """How many requests have met a fault."""
        self._upstream = upstream.removeprefix("http://")
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._released = threading.Event()
        self._port = 0
        self.accept()
        self.url = f"http://127.0.0.1:{self._port}"

    def inject(
        self, kind: int | str, times: float = 1, *, method: str = "", path: str = ""
    ) -> None:
        """Do harm to the next `times` requests whose method is this and whose path matches.

        A number is an HTTP status to answer with; `reset` breaks the connection off before the
        answer, `cut` in the middle of it; `hang` never answers.
        """
        with self._lock:
            self._faults.append(_Fault(kind, times, method, path))

    def heal(self) -> None:
        """Do no more harm."""
        with self._lock:
            self._faults.clear()

    def refuse(self) -> None:
        """Break all connections off, and refuse new ones, as a machine that is down."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            broken = tuple(self._open)
        for connection in broken:
            _reset(connection)

    def accept(self) -> None:
        """Be there (again), on the same port."""
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.proxy = self
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Be gone."""
        self._released.set()
        self.refuse()

    def fault_for(self, method: str, path: str) -> int | str | None:
        """What is to be done to a request."""
        with self._lock:
            self.requests.append((method, path))
            for fault in self._faults:
                if fault.times > 0 and fault.method in ("", method) and re.search(fault.path, path):
                    fault.times -= 1
                    self.faulted += 1
                    return fault.kind
        return None

    def hang(self) -> None:
        """Wait for the end of the proxy."""
        self._released.wait()

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """What the server says."""
        connection = HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: that connections break is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        self.server.proxy.opened(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.proxy.closed(self.request)
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Be silent."""

    def _serve(self) -> None:
        proxy = self.server.proxy
        body = self._body()
        kind = proxy.fault_for(self.command, self.path)
        time.sleep(proxy.delay)
        if kind == "hang":
            proxy.hang()
        if kind in ("reset", "hang"):
            self._break_off()
        elif isinstance(kind, int):
            code = _CODES.get(kind, "InternalError")
            text = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
            self._answer(Answer(kind, [("Content-Type", "application/xml")], text.encode()))
        else:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _OF_ONE_HOP}
            answer = proxy.ask(self.command, self.path, headers, body)
            self._answer(answer, cut=kind == "cut")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

    def _answer(self, answer: Answer, *, cut: bool = False) -> None:
        length = str(len(answer.content))
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
            elif name.lower() == "content-length" and self.command == "HEAD":
                length = value
        self.send_header("Content-Length", length)
        self.end_headers()
        if cut:
            self.wfile.write(answer.content[: len(answer.content) // 2])
            self._break_off()
        elif self.command != "HEAD":
            self.wfile.write(answer.content)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _break_off(self) -> None:
        self.close_connection = True
        _reset(self.connection)


def _reset(connection: socket.socket) -> None:
    """Break a connection off so that the other side gets ECONNRESET."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
