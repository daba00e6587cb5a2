"""One operation of the API as data: its route and its page of documentation are made from the same object."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from console.api.bodies import parse_body, parse_query, read_body
from console.problems import ProblemError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from console.deps import Deps

PREFIX: Final = "/api/v1"
_ENCODER: Final = msgspec.json.Encoder()


class Call(msgspec.Struct, frozen=True):
    """A request that was let in, its parts in their types."""

    path: dict[str, str]
    body: Any = None
    query: Any = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """`run` answers what is encoded as JSON; None makes an empty body. `errors` are statuses beside 401 and 503."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    name: str
    tag: str
    summary: str
    run: Callable[[Deps, Call], Awaitable[Any]]
    answer: Any = None
    status: int = 200
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    errors: tuple[int, ...] = ()


def route(deps: Deps, operation: Operation) -> Route:
    """The operation's route, relative to the API's mount."""

    async def endpoint(request: Request) -> Response:
        authorize(request, deps.admin_key)
        body = parse_body(await read_body(request), operation.body) if operation.body is not None else None
        query = parse_query(request.query_params, operation.query) if operation.query is not None else None
        found = await operation.run(deps, Call(dict(request.path_params), body, query))
        if operation.answer is None:
            return Response(status_code=operation.status)
        return json_response(found, operation.status)

    return Route(operation.path, endpoint, methods=[operation.method], name=operation.name)


def authorize(request: Request, admin_key: str) -> None:
    """Let the bearer of the admin key in. Raises UnauthorizedError."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise UnauthorizedError("send the admin key: Authorization: Bearer …")
    if not hmac.compare_digest(key.strip().encode(), admin_key.encode()):
        raise UnauthorizedError("this is not the admin key: it is in HUB_ADMIN_KEY, or in HUB_HOME/admin.key")


def json_response(found: Any, status: int = 200) -> Response:
    """JSON of structs, lists and plain values."""
    return Response(_ENCODER.encode(found), status, media_type="application/json", headers={"cache-control": "no-store"})


def problem_response(error: ProblemError) -> Response:
    """The problem details of an error (RFC 9457)."""
    headers = {"cache-control": "no-store"}
    if isinstance(error, UnauthorizedError):
        headers["www-authenticate"] = 'Bearer realm="hookstream"'
    if error.status == 503:
        headers["retry-after"] = "5"
    return Response(_ENCODER.encode(error.problem), error.status, media_type="application/problem+json", headers=headers)
