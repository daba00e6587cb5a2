"""The composition root of the ingress: routes and what stands behind them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from ingress.answers import Answer, Problem
from ingress.api import EventsApi
from ingress.body import Bodies
from ingress.doors import Doors
from ingress.identity import random_id
from ingress.keeper import Keeper
from ingress.receive import PATH, Receiver
from ingress.rejections import Rejections
from ingress.watch import watch
from runtime import ops

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from runtime.clock import Clock
    from runtime.config import Sources
    from runtime.health import Health
    from runtime.publisher import Publisher
    from runtime.settings import Settings
    from schemas.codec import Codec


def create_app(
    *, settings: Settings, sources: Sources, publisher: Publisher, codec: Codec, clock: Clock, health: Health
) -> Starlette:
    """The ingress as an ASGI application. `sources` and `publisher` are started and stopped by the caller."""
    bodies = Bodies(settings.body_cap)
    keeper = Keeper(publisher=publisher, codec=codec, clock=clock)
    receiver = Receiver(
        doors=Doors(sources, clock),
        bodies=bodies,
        keeper=keeper,
        rejections=Rejections(publisher=publisher, codec=codec, clock=clock, new_id=random_id),
        clock=clock,
        new_id=random_id,
    )

    def api(*, batch: bool) -> EventsApi:
        return EventsApi(admin_key=settings.admin_key, bodies=bodies, keeper=keeper, clock=clock, new_id=random_id, batch=batch)

    def operations(request: Request) -> Response:
        status, content_type, body = ops.respond(request.url.path, health)
        return Response(body, status, media_type=content_type)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(watch(publisher, sources, health))
        yield
        watching.cancel()

    return Starlette(
        routes=[
            Route("/v1/events", api(batch=False), methods=["POST"]),
            Route("/v1/events/batch", api(batch=True), methods=["POST"]),
            *(Route(path, operations) for path in ("/healthz", "/readyz", "/metrics")),
        ],
        middleware=[Middleware(WebhooksFirst, receiver=receiver)],
        exception_handlers={HTTPException: _http_error, 500: _crash},
        lifespan=lifespan,
    )


class WebhooksFirst:
    """Takes /in/… before the router does: it is the path of nearly every request, and the router costs a tenth of one."""

    def __init__(self, app: ASGIApp, receiver: Receiver) -> None:
        self._app, self._receiver = app, receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PATH):
            await self._receiver(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    headers = tuple((k.lower().encode(), v.encode()) for k, v in (error.headers or {}).items())
    detail = f"{request.method} {request.url.path}: {error.detail}. Here are POST /in/{{source}}, /v1/events and /v1/events/batch"
    return _response(Problem(error.status_code, "not_here", detail, headers=headers).answer())


async def _crash(_: Request, error: Exception) -> Response:
    return _response(Problem(500, "internal", f"an error of the ingress itself, logged: {type(error).__name__}").answer())


def _response(answer: Answer) -> Response:
    headers = {k.decode(): v.decode() for k, v in answer.headers}
    return Response(answer.body, answer.status, headers, answer.content_type.decode())
