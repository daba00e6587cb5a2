"""The HTTP face: Confluent's paths, bodies and error codes. What it does not have answers 404 and says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from hub.registry.service import Registry, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hub.registry.view import Version

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True)
class _Call:
    """A request, taken apart."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    @property
    def subject(self) -> str:
        return unquote(self.path["subject"])

    def asks(self, flag: str) -> bool:
        return self.query.get(flag, "").lower() == "true"

    def member(self, name: str, code: int) -> str:
        """A text of the JSON body."""
        value = self._json().get(name)
        if not isinstance(value, str):
            raise RegistryError(code, f"{name!r} is missing or no text")
        return value

    @property
    def schema(self) -> str:
        body = self._json()
        if body.get("schemaType", "AVRO") not in ("AVRO", None) or body.get("references"):
            raise RegistryError(42201, "Invalid schema: this registry takes Avro schemas without references")
        return self.member("schema", 42201)

    @property
    def level(self) -> str:
        return self.member("compatibility", 42203)

    def _json(self) -> dict[str, Any]:
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError) as e:
            raise RegistryError(400, f"The body is not JSON: {e}") from e
        if not isinstance(body, dict):
            raise RegistryError(400, "The body is no JSON object")
        return body


def create_app(registry: Registry) -> Starlette:
    """The application over a registry that has read its topic."""

    def route(method: str, path: str, do: Callable[[Registry, _Call], object]) -> Route:
        async def endpoint(request: Request) -> Response:
            call = _Call(request.path_params, request.query_params, await request.body())
            return _answer(200, await run_in_threadpool(do, registry, call))

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("GET", "/", lambda _r, _c: {}),
            route("GET", "/subjects", lambda r, _c: r.view.subjects()),
            route("POST", "/subjects/{subject}", lambda r, c: _full(r.lookup(c.subject, c.schema))),
            route("DELETE", "/subjects/{subject}", _delete),
            route("GET", "/subjects/{subject}/versions", lambda r, c: r.versions(c.subject)),
            route("POST", "/subjects/{subject}/versions", lambda r, c: _full(r.register(c.subject, c.schema))),
            route("GET", "/subjects/{subject}/versions/{version}", lambda r, c: _full(r.version(c.subject, c.path["version"]))),
            route("GET", "/schemas/types", lambda _r, _c: ["AVRO"]),
            route("GET", "/schemas/ids/{id}", lambda r, c: {"schema": r.schema(c.path["id"])}),
            route("GET", "/config", lambda r, _c: {"compatibilityLevel": r.level(None)}),
            route("PUT", "/config", lambda r, c: {"compatibility": r.set_level(None, c.level)}),
            route("GET", "/config/{subject}", _subject_level),
            route("PUT", "/config/{subject}", lambda r, c: {"compatibility": r.set_level(c.subject, c.level)}),
            route("POST", "/compatibility/subjects/{subject}/versions", _check),
            route("POST", "/compatibility/subjects/{subject}/versions/{version}", _check),
        ],
        exception_handlers={RegistryError: _refused, HTTPException: _no_such_path, Exception: _broken},
        middleware=[Middleware(_EncodedPath)],
    )


class _EncodedPath:
    """Routes on the path as it was sent: the name of a subject may hold an encoded slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = scope.get("raw_path")
        await self._app({**scope, "path": sent.decode("ascii")} if sent else scope, receive, send)


def _full(version: Version) -> dict[str, object]:
    return {
        "subject": version.subject,
        "version": version.version,
        "id": version.id,
        "schemaType": "AVRO",
        "schema": version.text,
    }


def _delete(registry: Registry, call: _Call) -> list[int]:
    if call.asks("permanent"):
        raise RegistryError(501, "This registry deletes softly only: ids stay readable for the data that carries them")
    return registry.delete(call.subject)


def _subject_level(registry: Registry, call: _Call) -> dict[str, str]:
    return {"compatibilityLevel": registry.level(call.subject, or_global=call.asks("defaultToGlobal"))}


def _check(registry: Registry, call: _Call) -> dict[str, object]:
    found = registry.check(call.subject, call.schema, call.path.get("version"))
    verdict: dict[str, object] = {"is_compatible": not found}
    return {**verdict, "messages": found} if call.asks("verbose") else verdict


def _refused(_request: Request, error: Exception) -> Response:
    known = error if isinstance(error, RegistryError) else RegistryError(500, str(error))
    return _answer(known.status, {"error_code": known.code, "message": str(known)})


def _no_such_path(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"HTTP {status}: this registry has no {request.method} {request.scope['path']}"
    return _answer(status, {"error_code": status, "message": message})


def _broken(_request: Request, error: Exception) -> Response:
    return _answer(500, {"error_code": 50001, "message": f"Error in the registry: {type(error).__name__}"})


def _answer(status: int, body: object) -> Response:
    return Response(json.dumps(body), status, media_type=_MEDIA_TYPE)
