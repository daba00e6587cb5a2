"""Servers that speak bytes, for receivers no library would be; and a client of the hub's that makes one request."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from typing import TYPE_CHECKING

from delivery.authorize import Authorizer
from delivery.curl import CurlClient
from delivery.transfer import Request
from runtime.clock import SystemClock

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from delivery.outcome import Outcome

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Raw:
    """Accepts connections and leaves each to `talk`, in a thread of its own. `connections` counts them."""

    def __init__(self, talk: Callable[[Conversation], None], tls: ssl.SSLContext | None, address: str) -> None:
        self._talk, self._tls = talk, tls
        self.connections = 0
        self.heads: list[bytes] = []  # of requests, as they came
        self.closing = threading.Event()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family, backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        self._open.add(accepted)
        # A client that hangs up in the middle is what many of these tests are about.
        with contextlib.suppress(OSError), accepted, self._secured(accepted) as connection:
            self._talk(Conversation(self, connection))
        self._open.discard(accepted)

    def _secured(self, accepted: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(accepted, server_side=True) if self._tls else accepted


class Conversation:
    """One connection, from the server's side."""

    def __init__(self, server: Raw, connection: socket.socket) -> None:
        self.server, self.socket = server, connection
        self._rest = b""

    def request(self) -> tuple[bytes, bytes] | None:
        """Head and body of the next request; None when the client is gone."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        self.server.heads.append(head)
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(self._rest) < length:
            if not self._more():
                return None
        body, self._rest = self._rest[:length], self._rest[length:]
        return head, body

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def wait(self, seconds: float) -> bool:
        """Whether the server still stands after a while."""
        return not self.server.closing.wait(seconds)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self._rest += data
        return bool(data)


@contextlib.contextmanager
def raw(talk: Callable[[Conversation], None], tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> Iterator[Raw]:
    """A server whose conversations are `talk`."""
    server = Raw(talk, tls, address)
    try:
        yield server
    finally:
        server.close()


def answering(answer: bytes = OK) -> Callable[[Conversation], None]:
    """Gives every request the same answer."""

    def talk(one: Conversation) -> None:
        while one.request() is not None:
            one.send(answer)

    return talk


def once(answer: bytes) -> Callable[[Conversation], None]:
    """Answers one request, then hangs up."""

    def talk(one: Conversation) -> None:
        one.request()
        one.send(answer)

    return talk


class Caller:
    """The hub's client, driven until what was asked for is done."""

    def __init__(self, **options: object) -> None:
        self.http = CurlClient(**{"clock": SystemClock(), "egress_allow": LOOPBACK} | options)
        self.client = Authorizer(self.http, SystemClock())

    def post(self, url: str, headers: list[str] | None = None, body: bytes = b"{}", timeout_s: float = 5.0, **fields) -> Outcome:
        request = Request(url=url, headers=headers or ["Expect:"], body=body, timeout_s=timeout_s, **fields)
        return self.all([request])[0]

    def all(self, requests: list[Request], patience_s: float = 30) -> list[Outcome]:
        """Outcomes of requests that are under way together, in the order of the requests."""
        found: dict[int, Outcome] = {}
        for i, request in enumerate(requests):
            self.client.start(request, lambda outcome, i=i: found.__setitem__(i, outcome))
        assert not found, "an outcome was reported before run_once"
        deadline = time.monotonic() + patience_s
        while len(found) < len(requests):
            assert time.monotonic() < deadline, f"{len(found)} of {len(requests)} outcomes"
            self.client.run_once(0.05)
        assert self.client.in_flight == 0
        return [found[i] for i in range(len(requests))]


@contextlib.contextmanager
def calling(**options: object) -> Iterator[Caller]:
    caller = Caller(**options)
    try:
        yield caller
    finally:
        caller.client.close()
