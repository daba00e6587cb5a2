"""uvicorn as the ingress runs it: bounded heads, a deadline for the whole request, signals left to the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

log = logging.getLogger(__name__)
HEAD_MAX: Final = 64 * 1024  # bytes of an unfinished head: the parser itself has no limit
REQUEST_S: Final = 15.0  # from the first byte of a request to its last; a webhook is small
SWEEP_S: Final = 1.0
CONNECTIONS_MAX: Final = 2048
KEEP_ALIVE_S: Final = 75
DRAIN_S: Final = 5


class GuardedProtocol(HttpToolsProtocol):
    """The HTTP protocol, which also notes since when a request is unfinished and how long its head is."""

    since: float | None = None
    _in_body = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A connection that never sends anything is unfinished, too."""
        super().connection_made(transport)
        self.since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Parse, then look whether a head is still open."""
        if self.since is None:
            self.since = self.loop.time()
        super().data_received(data)
        if self.since is None or self._in_body:
            self._head = 0
            return
        self._head += len(data)
        if self._head > HEAD_MAX:
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole: stop its clock."""
        super().on_message_complete()
        self.since = None
        self._in_body = False


class Server(uvicorn.Server):
    """A uvicorn server that is stopped by `should_exit` alone and drops requests that take too long to arrive."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process: uvicorn would raise them again after a clean stop."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        for address in sockets or []:
            host, port = address.getsockname()[:2]
            log.info("listening", extra={"host": host, "port": port})

    async def sweep(self, request_s: float = REQUEST_S, every_s: float = SWEEP_S) -> None:
        """Close connections whose request has not arrived in time; cancel to end."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(every_s)
            latest = loop.time() - request_s
            for connection in list(self.server_state.connections):
                since = getattr(connection, "since", None)
                if since is not None and since < latest:
                    connection.transport.close()


def make(app: ASGIApp) -> Server:
    """A server of `app`; call `serve(sockets=[...])` on a running loop."""
    options: dict[str, Any] = {
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "lifespan": "on",
    }
    return Server(
        uvicorn.Config(
            app,
            http=GuardedProtocol,
            ws="none",
            interface="asgi3",
            # Peers may not name another address by X-Forwarded-For: the allowlist is about the real one.
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
            **options,
        )
    )


def bind(host: str, port: int) -> socket.socket:
    """Take an address without listening yet: until the server runs, senders are refused and not kept waiting.

    Raises OSError when it is taken.
    """
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError:
        taken.close()
        raise
    return taken
