"""A receiver on this machine: takes deliveries, checks their signatures, hands them to whoever wants to see them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hub import verify
from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.responses import Response

HOST: Final = "127.0.0.1"


class Arrival(msgspec.Struct, frozen=True):
    """One delivery as it came in. `refused` says why it is not genuine, None when it is."""

    at_ns: int  # wall clock
    path: str
    headers: dict[str, str]
    body: bytes
    refused: str | None


class Listener:
    """Takes POSTs on any path. `secrets` may be set later; without any, nothing is genuine.

    Answers 204, or 401 to what is not genuine, so that a wrong secret shows on both sides.
    """

    def __init__(self, on_arrival: Callable[[Arrival], None], secrets: tuple[str, ...] = ()) -> None:
        self.secrets = secrets
        self.port = 0
        self._on_arrival = on_arrival

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @contextlib.asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[Listener]:
        """Listen while the context is open; port 0 takes a free one. Raises HubError when it is taken."""
        bound = _bind(port)
        self.port = bound.getsockname()[1]
        app = Starlette(routes=[Route("/{path:path}", self._take, methods=["POST"])])
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=2)
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            yield self
        finally:
            server.should_exit = True
            await task
            bound.close()

    async def _take(self, request: Request) -> Response:
        at_ns = time.time_ns()
        body = await request.body()
        headers = dict(request.headers)
        refused = verify.why_not(headers, body, self.secrets, at_ns // 1_000_000_000)
        self._on_arrival(Arrival(at_ns, request.url.path, headers, body, refused))
        if refused is not None:
            return PlainTextResponse(refused, status_code=401)
        return PlainTextResponse("", status_code=204)


class _Server(uvicorn.Server):
    """Signals are the command's business, not the server's."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as e:
        bound.close()
        raise HubError(f"Port {port} is taken: choose another with --port, or 0 for any free one.") from e
    return bound
