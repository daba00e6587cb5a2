"""The console's wiring: API, dashboard, operations pages, and what runs beside them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from console import api, pages, store
from console.admin_key import admin_key
from console.api import errors
from console.config_writer import ConfigWriter
from console.deps import Deps
from console.measure import Measure
from console.payloads import Payloads
from console.projector import Projector
from console.queries import Queries
from console.redrives import Redrives
from console.stats import Stats
from runtime import config, ops
from runtime.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from runtime.config import Endpoints, Sources, Standings
    from runtime.process import Process

    View = Sources | Endpoints | Standings

VIEW_TIMEOUT_S: Final = 60.0
PUBLISH_TIMEOUT_MS: Final = 10_000  # a person waits: say that Kafka is away rather than hang
STEADY_S: Final = 15.0


def create_app(process: Process) -> Starlette:
    """The console of one deployment. Its read model is opened here, everything else starts with the app."""
    p = process
    engine = store.open_store(p.settings)
    sources, endpoints = config.sources(p.kafka, p.codec, p.box), config.endpoints(p.kafka, p.codec, p.box)
    standings = config.standings(p.kafka, p.codec)
    publisher = Publisher(p.kafka, delivery_timeout_ms=PUBLISH_TIMEOUT_MS)
    deps = Deps(
        settings=p.settings,
        clock=p.clock,
        health=p.health,
        kafka=p.kafka,
        codec=p.codec,
        queries=Queries(engine),
        stats=Stats(engine, p.clock),
        payloads=Payloads(p.kafka, p.codec),
        sources=sources,
        endpoints=endpoints,
        standings=standings,
        config=ConfigWriter(publisher, p.codec, box=p.box, sources=sources, endpoints=endpoints),
        publisher=publisher,
        redrives=Redrives(),
        admin_key=admin_key(p.settings),
    )
    projector = Projector(kafka=p.kafka, codec=p.codec, engine=engine, clock=p.clock, health=p.health)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.deps = deps
        publisher.start()
        views: tuple[View, ...] = (sources, endpoints, standings)
        for view in views:
            view.start()
        projector.start()
        for view in views:
            await asyncio.to_thread(view.wait_ready, VIEW_TIMEOUT_S)
        p.health.report("configuration", ok=True)
        try:
            yield
        finally:
            await deps.redrives.close()
            await asyncio.to_thread(projector.close)
            await publisher.close()
            await asyncio.to_thread(deps.payloads.close)
            for view in views:
                await asyncio.to_thread(view.close)
            engine.dispose()

    routes = [*_operations_pages(p), *api.routes(deps), *pages.routes(deps)]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=errors.HANDLERS, middleware=[Middleware(Measure)])


def _operations_pages(process: Process) -> list[BaseRoute]:
    async def page(request: Request) -> Response:
        status, content_type, body = ops.respond(request.url.path, process.health)
        return Response(body, status, media_type=content_type)

    return [Route(path, page) for path in ("/healthz", "/readyz", "/metrics")]
