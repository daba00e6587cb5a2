"""The HTTP client: libcurl's multi interface driven by epoll, all in the caller's thread.

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

import certifi
import msgspec
import pycurl

from delivery import egress
from delivery.outcome import ErrorClass, Outcome, classify
from runtime import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.clock import Clock
    from runtime.settings import Network

HEAD_CAP: Final = 16 * 1024  # bytes of a response body that are kept
HEADERS_CAP: Final = 16 * 1024  # bytes of response headers that are kept
CONNECT_TIMEOUT_MS: Final = 5000
IDLE_CONNECTIONS: Final = 512  # kept open between requests, all hosts together

_POLL: Final = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}
_CLASSES: Final[dict[int, ErrorClass]] = {
    pycurl.E_URL_MALFORMAT: "bad_url",
    pycurl.E_UNSUPPORTED_PROTOCOL: "bad_url",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns",
    pycurl.E_COULDNT_CONNECT: "connect",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
    pycurl.E_SSL_CIPHER: "tls",
    pycurl.E_GOT_NOTHING: "reset",
    pycurl.E_RECV_ERROR: "reset",
    pycurl.E_SEND_ERROR: "reset",
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A POST. `headers` are whole lines; `timeout_s` is the deadline of everything, body of the answer included."""

    url: str
    headers: list[str]
    body: bytes
    timeout_s: float


class _Lent:
    """A new socket for libcurl. pycurl duplicates the descriptor it is handed, so this one is closed right after."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def __del__(self) -> None:
        os.close(self._fd)


class _Slot:
    """One reusable easy handle with what its callbacks collect."""

    __slots__ = ("curl", "cut", "done", "head", "header_lines", "refused", "started_at", "timeout_s")

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self.header_lines: list[bytes] = []
        self.head = bytearray()
        self.cut = False
        self.refused: str | None = None
        self.done: Callable[[Outcome], None] = _nobody
        self.started_at = 0
        self.timeout_s = 0.0


class HttpClient:
    """Starts requests and calls back with their outcomes from `run_once`. Belongs to one thread."""

    def __init__(self, *, clock: Clock, egress_allow: tuple[Network, ...] = ()) -> None:
        self._clock = clock
        self._allow = egress_allow
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}  # fd -> epoll mask
        self._deadline: float | None = None  # when libcurl wants to be called, monotonic seconds
        self._idle: list[_Slot] = []
        self._busy: dict[pycurl.Curl, _Slot] = {}
        self._ca = certifi.where()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, IDLE_CONNECTIONS)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._busy)

    def watch(self, fd: int) -> None:
        """Wake `run_once` when this descriptor is readable."""
        self._epoll.register(fd, select.EPOLLIN)

    def start(self, request: Request, done: Callable[[Outcome], None]) -> None:
        """Begin a request; `done` is called from a later `run_once`."""
        slot = self._idle.pop() if self._idle else self._new_slot()
        slot.done, slot.started_at, slot.timeout_s = done, self._clock.now_ms(), request.timeout_s
        curl = slot.curl
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, request.headers)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        curl.setopt(pycurl.TIMEOUT_MS, round(request.timeout_s * 1000))
        self._busy[curl] = slot
        self._multi.add_handle(curl)

    def run_once(self, timeout_s: float) -> set[int]:
        """Wait at most `timeout_s` for something to do, do it, report outcomes. Answers which watched fds are readable."""
        readable: set[int] = set()
        for fd, mask in self._epoll.poll(self._wait(timeout_s)):
            if fd in self._watched:
                self._multi.socket_action(fd, _curl_mask(mask))
            else:
                readable.add(fd)
        if self._deadline is not None and self._deadline <= self._clock.monotonic():
            self._deadline = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
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

    def _new_slot(self) -> _Slot:
        slot = _Slot()
        curl = slot.curl
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.POST, 1),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.PROXY, ""),
            (pycurl.NETRC, 0),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS),
            (pycurl.CAINFO, self._ca),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS),
            (pycurl.TCP_NODELAY, 1),
            (pycurl.DNS_CACHE_TIMEOUT, 60),
            (pycurl.HTTP_CONTENT_DECODING, 0),
        ):
            curl.setopt(option, value)
        curl.setopt(pycurl.HEADERFUNCTION, slot.header_lines.append)
        curl.setopt(pycurl.WRITEFUNCTION, lambda data: _keep_head(slot, data))
        curl.setopt(pycurl.OPENSOCKETFUNCTION, lambda _purpose, address: self._open_socket(slot, address))
        return slot

    def _open_socket(self, slot: _Slot, address: tuple[int, int, int, tuple[str, int]]) -> _Lent | int:
        family, kind, protocol, target = address
        host = target[0] if family in (socket.AF_INET, socket.AF_INET6) else str(target)
        if not egress.allowed(host, self._allow):
            slot.refused = host
            metrics.REFUSED_ADDRESS.inc()
            return int(pycurl.SOCKET_BAD)
        return _Lent(socket.socket(family, kind, protocol).detach())

    def _on_socket(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            if self._watched.pop(fd, None) is not None:
                self._unregister(fd)
            return
        mask = _POLL.get(what, 0)
        known = self._watched.get(fd)
        if known == mask:
            return
        self._watched[fd] = mask
        if known is None:
            self._register(fd, mask)
        else:
            self._epoll.modify(fd, mask)

    def _register(self, fd: int, mask: int) -> None:
        try:
            self._epoll.register(fd, mask)
        except FileExistsError:  # the number was reused before libcurl said it let go of the old one
            self._epoll.modify(fd, mask)

    def _unregister(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError as e:
            if e.errno not in (errno.EBADF, errno.ENOENT):  # already closed: the kernel forgot it by itself
                raise

    def _on_timer(self, timeout_ms: int) -> None:
        self._deadline = None if timeout_ms < 0 else self._clock.monotonic() + timeout_ms / 1000

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
        slot = self._busy.pop(curl)
        self._multi.remove_handle(curl)
        outcome = _outcome(slot, code, message)
        done = slot.done
        slot.header_lines.clear()
        slot.head.clear()
        slot.cut, slot.refused, slot.done = False, None, _nobody
        self._idle.append(slot)
        done(outcome)


def _nobody(_outcome: Outcome) -> None:
    """What an idle slot reports to."""


def _keep_head(slot: _Slot, data: bytes) -> int | None:
    room = HEAD_CAP - len(slot.head)
    slot.head += data[:room]
    if len(data) > room:
        slot.cut = True
        return 0  # libcurl ends the transfer and drops the connection
    return None


def _curl_mask(mask: int) -> int:
    curl_mask = 0
    if mask & (select.EPOLLIN | select.EPOLLHUP):
        curl_mask |= pycurl.CSELECT_IN
    if mask & select.EPOLLOUT:
        curl_mask |= pycurl.CSELECT_OUT
    if mask & select.EPOLLERR:
        curl_mask |= pycurl.CSELECT_ERR
    return curl_mask


def _outcome(slot: _Slot, code: int, message: str) -> Outcome:
    info = slot.curl.getinfo
    status = int(info(pycurl.RESPONSE_CODE))
    total_ms = info(pycurl.TOTAL_TIME) * 1000
    if code == 0 or (code == pycurl.E_WRITE_ERROR and slot.cut):
        error_class, error = classify(status)
    else:
        error_class, error = _failure(slot, code, message, total_ms)
    dns, connect, tls = (info(i) * 1000 for i in (pycurl.NAMELOOKUP_TIME, pycurl.CONNECT_TIME, pycurl.APPCONNECT_TIME))
    return Outcome(
        started_at=slot.started_at,
        status=status or None,
        error_class=error_class,
        error=error,
        headers=_headers(slot.header_lines),
        head=bytes(slot.head),
        cut=slot.cut,
        dns_ms=dns,
        connect_ms=max(0.0, connect - dns),
        tls_ms=max(0.0, tls - connect) if tls else 0.0,
        first_byte_ms=info(pycurl.STARTTRANSFER_TIME) * 1000,
        total_ms=total_ms,
    )


def _failure(slot: _Slot, code: int, message: str, total_ms: float) -> tuple[ErrorClass, str]:
    if slot.refused is not None:
        return "refused_address", f"{slot.refused} is not a public address: allow its range with HUB_EGRESS_ALLOW if it is yours"
    error_class = _CLASSES.get(code, "protocol")
    if error_class == "timeout":
        connected = slot.curl.getinfo(pycurl.CONNECT_TIME) * 1000
        how_far = f"connected after {connected:.0f} ms, answer not complete" if connected else "not connected"
        return error_class, f"timeout after {total_ms / 1000:.1f} s ({how_far})"
    return error_class, message or pycurl.Curl.__name__


def _headers(lines: list[bytes]) -> dict[str, str]:
    """Response headers of the last header block; capped in total."""
    headers: dict[str, str] = {}
    room = HEADERS_CAP
    for line in lines:
        if line.startswith(b"HTTP/"):
            headers.clear()  # a 1xx block came before
            continue
        name, colon, value = line.partition(b":")
        room -= len(line)
        if colon and room >= 0:
            headers[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
    return headers
