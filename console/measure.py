"""Counts requests by route and status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime import metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Measure:
    """ASGI middleware. The route's pattern is the label, never the path: ids would make a series each."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics.API_REQUESTS.labels(_pattern(scope), str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted)


def _pattern(scope: Scope) -> str:
    route = scope.get("route")
    path = getattr(route, "path", "")
    return (scope.get("root_path", "") + path) or "none"
