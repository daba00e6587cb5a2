"""Requests through the deployment's own proxy: names are resolved and judged here, and the proxy is told the address.

So neither the proxy's resolver nor a name that changes between two looks can lead to an address that the guard refuses.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from delivery import egress
from delivery.outcome import ErrorClass, Outcome
from runtime import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from delivery.http import HttpClient
    from delivery.transfer import Done, Request
    from runtime.clock import Clock
    from runtime.settings import Network

    Resolve = Callable[[str, int], Sequence[str]]

RESOLVERS: Final = 16  # names that are looked up at once
LEFT_MIN_S: Final = 0.1


class Proxied:
    """An HttpClient in front of one that has a proxy. Belongs to one thread; look-ups have their own."""

    def __init__(self, http: HttpClient, *, clock: Clock, allow: tuple[Network, ...], resolve: Resolve | None = None) -> None:
        self._http, self._clock, self._allow = http, clock, allow
        self._resolve = resolve or addresses
        self._pool = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        self._found: deque[Callable[[], None]] = deque()
        self._pending = 0
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        http.watch(self._wake)

    @property
    def in_flight(self) -> int:
        """Requests under way, those whose name is being looked up among them."""
        return self._http.in_flight + self._pending

    def start(self, request: Request, done: Done) -> None:
        """Begin a request; `done` is called from a later `run_once`."""
        self._pending += 1
        self._pool.submit(self._look_up, request, done, self._clock.now_ms(), self._clock.monotonic())

    def run_once(self, timeout_s: float) -> set[int]:
        """As that of the client."""
        readable = self._http.run_once(timeout_s)
        if self._wake in readable:
            readable.discard(self._wake)
            os.eventfd_read(self._wake)
            while self._found:
                self._pending -= 1
                self._found.popleft()()
        return readable

    def watch(self, fd: int) -> None:
        """As that of the client."""
        self._http.watch(fd)

    def close(self) -> None:
        """Drop everything under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def _look_up(self, request: Request, done: Done, started_at: int, began: float) -> None:
        """In a thread of the pool."""
        parts = urlsplit(request.url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as e:
            words = f"{host} cannot be resolved: {e}"
            self._found.append(lambda: done(_failed(started_at, "dns", words)))
        else:
            self._found.append(lambda: self._resolved(request, done, started_at, began, found))
        os.eventfd_write(self._wake, 1)

    def _resolved(self, request: Request, done: Done, started_at: int, began: float, found: Sequence[str]) -> None:
        left = request.timeout_s - (self._clock.monotonic() - began)
        public = next((a for a in found if egress.allowed(a, self._allow)), None)
        if public is None:
            metrics.REFUSED_ADDRESS.inc()
            done(_failed(started_at, "refused_address", egress.refusal(", ".join(found[:3]) or "nothing")))
        elif left < LEFT_MIN_S:
            done(_failed(started_at, "dns", "no time was left when the name was resolved"))
        else:
            address = f"[{public}]" if ":" in public else public
            self._http.start(msgspec.structs.replace(request, connect_to=address, timeout_s=left), done)


def addresses(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, or the literal that it is in any notation the resolver knows. Raises OSError."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in infos]


def _failed(started_at: int, error_class: ErrorClass, words: str) -> Outcome:
    return Outcome(started_at=started_at, error_class=error_class, error=words)
