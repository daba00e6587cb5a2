"""The HTTP API of the control plane, under /api: a table of operations, one resource a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from console.api import aside, dead, deliveries, docs, endpoints, keys, sources, stats
from console.api.openapi import document
from console.api.operation import PREFIX, json_response, route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from console.deps import Deps

VERSION: Final = "1"
OPERATIONS: Final = (
    *sources.OPERATIONS,
    *endpoints.OPERATIONS,
    *deliveries.OPERATIONS,
    *dead.OPERATIONS,
    *aside.OPERATIONS,
    *stats.OPERATIONS,
    *keys.OPERATIONS,
)


def routes(deps: Deps) -> list[BaseRoute]:
    """All routes of the API. Documents need no key: they hold nothing of this deployment."""
    described = document(OPERATIONS, VERSION)
    html = docs.page(described)

    async def openapi(_: Request) -> Response:
        return json_response(described)

    async def page(_: Request) -> Response:
        return HTMLResponse(html, headers={"content-security-policy": docs.CSP, "x-content-type-options": "nosniff"})

    async def style(_: Request) -> Response:
        return Response(docs.STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})

    async def home(_: Request) -> Response:
        return RedirectResponse("/api/docs")

    return [
        Route("/api", home),
        Route("/api/openapi.json", openapi),
        Route("/api/docs", page),
        Route("/api/docs.css", style),
        Mount(PREFIX, routes=[route(deps, operation) for operation in OPERATIONS]),
        Mount("/api", routes=[]),  # anything else under /api is not found, as JSON
    ]
