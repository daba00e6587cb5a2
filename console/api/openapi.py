"""The OpenAPI 3.1 document of the API, made from the operations that also make its routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from console.api.operation import PREFIX
from console.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.api.operation import Operation

REF: Final = "#/components/schemas/{name}"
ALWAYS: Final = (401, 503)
WORDS: Final = {
    400: "The body is no JSON object.",
    401: "The admin key is missing or wrong.",
    404: "There is no such thing.",
    409: "Its state forbids it.",
    410: "Kafka no longer keeps it.",
    422: "A field cannot be used; `errors` names each, and the fix.",
    503: "Kafka or the read model does not answer.",
}


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document."""
    types = [t for o in operations for t in (o.body, o.answer) if t is not None]
    queries = [o.query for o in operations if o.query is not None]
    schemas, components = msgspec.json.schema_components([*types, *queries, Problem], ref_template=REF)
    by_type = dict(zip([repr(t) for t in [*types, *queries, Problem]], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for o in operations:
        paths.setdefault(PREFIX + o.path, {})[o.method.lower()] = _operation(o, by_type, components)
    parameters_only = {_name(by_type[repr(q)]) for q in queries}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hookstream", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"adminKey": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(o.tag for o in operations)],
        "paths": paths,
        "components": {
            "securitySchemes": {"adminKey": {"type": "http", "scheme": "bearer"}},
            "schemas": {name: schema for name, schema in components.items() if name not in parameters_only},
        },
    }


_DESCRIPTION: Final = (
    "Times are milliseconds since the epoch, UTC. Lists are newest first; pass `next_cursor` as `cursor` for the next page. "
    "Errors are problem details (RFC 9457)."
)


def _operation(o: Operation, by_type: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": o.name, "tags": [o.tag], "summary": o.summary}
    parameters = [_path_parameter(name) for name in re.findall(r"\{(\w+)\}", o.path)]
    if o.query is not None:
        parameters += _query_parameters(components[_name(by_type[repr(o.query)])])
    if parameters:
        found["parameters"] = parameters
    if o.body is not None:
        required = bool(components[_name(by_type[repr(o.body)])].get("required"))
        found["requestBody"] = {"required": required, "content": _content(by_type[repr(o.body)])}
    answer: dict[str, Any] = {"description": o.summary}
    if o.answer is not None:
        answer["content"] = _content(by_type[repr(o.answer)])
    problem = _content(by_type[repr(Problem)], "application/problem+json")
    errors = {str(s): {"description": WORDS[s], "content": problem} for s in sorted({*o.errors, *ALWAYS})}
    return {**found, "responses": {str(o.status): answer, **errors}}


def _content(schema: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": schema}}


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"].rsplit("/", 1)[1])


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "required": False, "schema": value} for name, value in schema["properties"].items()]
