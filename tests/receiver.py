"""A real HTTP receiver for tests: notes every request, answers as told, verifies nothing by itself."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Arrival:
    """One request as it came in."""

    at: float  # monotonic seconds
    path: str
    headers: dict[str, str]  # lower-case names
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to answer. `drip` sends the body byte by byte with that many seconds between."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    delay: float = 0.0
    drip: float = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # the default of 5 makes a burst of connections wait for a retransmitted SYN

    def handle_error(self, *_: object) -> None:
        """Senders are killed in tests: a connection that breaks is no news."""


class Receiver:
    """Listens on loopback until closed. `answer` decides by path and number of earlier requests to it, `judge` by the request."""

    def __init__(
        self, answer: Callable[[str, int], Answer] | None = None, judge: Callable[[Arrival], Answer] | None = None
    ) -> None:
        self.judge = judge
        self.arrivals: list[Arrival] = []
        self.answer = answer or (lambda _path, _earlier: Answer())
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def at(self, path: str) -> list[Arrival]:
        with self._lock:
            return [a for a in self.arrivals if a.path == path]

    def wait(self, count: int, path: str | None = None, timeout: float = 20) -> list[Arrival]:
        """Until `count` requests came (to `path`). Fails saying how many did."""

        def seen() -> list[Arrival]:
            return [a for a in self.arrivals if path in (None, a.path)]

        with self._changed:
            enough = self._changed.wait_for(lambda: len(seen()) >= count, timeout)
            assert enough, f"{len(seen())} of {count} requests arrived within {timeout} s"
            return seen()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _note(self, arrival: Arrival) -> int:
        with self._changed:
            earlier = sum(a.path == arrival.path for a in self.arrivals)
            self.arrivals.append(arrival)
            self._changed.notify_all()
            return earlier

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {k.lower(): v for k, v in self.headers.items()}
                arrival = Arrival(time.monotonic(), self.path, headers, body)
                earlier = receiver._note(arrival)
                answer = receiver.judge(arrival) if receiver.judge else receiver.answer(self.path, earlier)
                receiver._closing.wait(answer.delay)
                with contextlib.suppress(ConnectionError):
                    self._send(answer)

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if not answer.drip:
                    self.wfile.write(answer.body)
                    return
                for i in range(len(answer.body)):
                    self.wfile.write(answer.body[i : i + 1])
                    self.wfile.flush()
                    if receiver._closing.wait(answer.drip):
                        return

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextlib.contextmanager
def receiving(
    answer: Callable[[str, int], Answer] | None = None, judge: Callable[[Arrival], Answer] | None = None
) -> Iterator[Receiver]:
    receiver = Receiver(answer, judge)
    try:
        yield receiver
    finally:
        receiver.close()
