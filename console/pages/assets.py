"""Static files: kept by browsers for ever under their versioned URLs, asked for again under plain ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from console.pages.headers import SecurityHeaders
from console.pages.render import STATIC

if TYPE_CHECKING:
    from os import PathLike, stat_result

    from starlette.responses import Response
    from starlette.types import Scope


class _Files(StaticFiles):
    """Adds the caching rule; the security headers come from the middleware."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as e:  # answered here, so that the headers are added
            return PlainTextResponse(e.detail, e.status_code)

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        versioned = scope["query_string"].startswith(b"v=")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
        return response


def mount() -> Mount:
    """`/static`."""
    return Mount("/static", _Files(directory=STATIC), middleware=[Middleware(SecurityHeaders)])
