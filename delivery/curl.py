"""Connections and requests: libcurl's multi interface driven by epoll, all in the caller's thread.

libcurl because its open-socket callback sees every resolved address right before connecting (the egress
guard), and for its keep-alive pools, deadlines over the whole exchange and TLS; figures in docs/decisions.md.
No redirects, no proxy from the environment, no cookies, no response kept beyond its head.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from typing import TYPE_CHECKING, Final

import pycurl

from delivery import egress
from delivery.transfer import Transfer
from runtime import metrics

if TYPE_CHECKING:
    from delivery.transfer import Done, Request
    from runtime.clock import Clock
    from runtime.settings import Network

IDLE_CONNECTIONS: Final = (
    512  # kept open beside those in use, all hosts together; of one host never more than were in use at once
)
UNACKED_MS: Final = 20_000  # a connection on which nothing is acknowledged for so long is dead

_POLL: Final = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


class _Lent:
    """A new socket for libcurl. pycurl duplicates the descriptor it is handed, so this one is closed right after."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def __del__(self) -> None:
        os.close(self._fd)


class CurlClient:
    """Starts requests and calls back with their outcomes from `run_once`. Belongs to one thread.

    `proxy` is a URL that all requests go through; the guard is then for whoever names the address to it. `max_requests`: how
    many its user starts at most; libcurl counts those in use among the connections that it keeps.
    """

    def __init__(
        self, *, clock: Clock, egress_allow: tuple[Network, ...] = (), proxy: str = "", max_requests: int = 1000
    ) -> None:
        self._clock = clock
        self._allow = egress_allow
        self._proxy = proxy
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}  # fd -> epoll mask; below 0: libcurl let go of it, the kernel still has it
        self._deadline: float | None = None  # when libcurl wants to be called, monotonic seconds
        self._idle: list[Transfer] = []
        self._busy: dict[pycurl.Curl, Transfer] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_requests + IDLE_CONNECTIONS)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._busy)

    def watch(self, fd: int) -> None:
        """Wake `run_once` when this descriptor is readable."""
        self._watched.pop(fd, None)
        self._epoll.register(fd, select.EPOLLIN)

    def start(self, request: Request, done: Done) -> None:
        """Begin a request; `done` is called from a later `run_once`."""
        transfer = self._idle.pop() if self._idle else Transfer(self._open_socket, self._proxy)
        curl = transfer.prepare(request, done, self._clock.now_ms())
        self._busy[curl] = transfer
        self._multi.add_handle(curl)

    def run_once(self, timeout_s: float) -> set[int]:
        """Wait at most `timeout_s` for something to do, do it, report outcomes. Answers which watched fds are readable."""
        readable: set[int] = set()
        watched, act = self._watched, self._multi.socket_action
        for fd, mask in self._epoll.poll(self._wait(timeout_s)):
            wanted = watched.get(fd)
            if wanted is None:
                readable.add(fd)
            elif wanted > 0:
                act(fd, pycurl.CSELECT_IN if mask == select.EPOLLIN else _curl_mask(mask))
            else:  # an idle connection that the other side ended: libcurl notices when it looks for one
                self._forget(fd)
        if self._deadline is not None and self._deadline <= self._clock.monotonic():
            self._deadline = None
            act(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()
        return readable

    def close(self) -> None:
        """Drop everything under way."""
        for curl in list(self._busy):
            self._multi.remove_handle(curl)
        self._busy.clear()
        self._multi.close()
        self._epoll.close()

    def _wait(self, timeout_s: float) -> float:
        if self._deadline is None:
            return timeout_s
        return max(0.0, min(timeout_s, self._deadline - self._clock.monotonic()))

    def _open_socket(self, transfer: Transfer, address: tuple[int, int, int, tuple[str, int]]) -> _Lent | int:
        family, kind, protocol, target = address
        host = target[0] if family in (socket.AF_INET, socket.AF_INET6) else str(target)
        if not self._proxy and not egress.allowed(host, self._allow):
            transfer.refused = host
            metrics.REFUSED_ADDRESS.inc()
            return int(pycurl.SOCKET_BAD)
        transfer.opened = True
        made = socket.socket(family, kind, protocol)
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKED_MS)
        return _Lent(made.detach())

    def _on_socket(self, what: int, fd: int, _multi: object, _data: object) -> None:
        known = self._watched.get(fd)
        if what == pycurl.POLL_REMOVE:
            if known == select.EPOLLIN:  # most are wanted again in a moment, for the next request
                self._watched[fd] = -known
            elif known is not None:
                self._forget(fd)
            return
        mask = _POLL.get(what, 0)
        if known == mask:
            return
        self._watched[fd] = mask
        # A number may have been closed and given out again since libcurl let go of it: the kernel knows.
        try:
            if known is None:
                self._epoll.register(fd, mask)
            else:
                self._epoll.modify(fd, mask)
        except FileExistsError:
            self._epoll.modify(fd, mask)
        except FileNotFoundError:
            self._epoll.register(fd, mask)

    def _forget(self, fd: int) -> None:
        del self._watched[fd]
        try:
            self._epoll.unregister(fd)
        except OSError as e:
            if e.errno not in (errno.EBADF, errno.ENOENT):  # already closed: the kernel forgot it by itself
                raise

    def _on_timer(self, timeout_ms: int) -> None:
        if timeout_ms > 0:
            self._deadline = self._clock.monotonic() + timeout_ms / 1000
        else:
            self._deadline = 0.0 if timeout_ms == 0 else None  # at once, or not at all

    def _collect(self) -> None:
        while True:
            queued, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._finish(curl, 0, "")
            for curl, code, message in failed:
                self._finish(curl, code, message)
            if queued == 0:
                return

    def _finish(self, curl: pycurl.Curl, code: int, message: str) -> None:
        transfer = self._busy.pop(curl)
        self._multi.remove_handle(curl)
        done = transfer.done
        outcome = transfer.finish(code, message)
        if transfer.reusable:
            self._idle.append(transfer)
        done(outcome)


def _curl_mask(mask: int) -> int:
    curl_mask = 0
    if mask & (select.EPOLLIN | select.EPOLLHUP):
        curl_mask |= pycurl.CSELECT_IN
    if mask & select.EPOLLOUT:
        curl_mask |= pycurl.CSELECT_OUT
    if mask & select.EPOLLERR:
        curl_mask |= pycurl.CSELECT_ERR
    return curl_mask
