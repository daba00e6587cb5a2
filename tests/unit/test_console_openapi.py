"""The document says what the routes do, nothing more and nothing less; bodies are judged as it says."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from starlette.datastructures import QueryParams

from console.api import OPERATIONS, docs
from console.api.bodies import parse_body, parse_query, time_ms
from console.api.deliveries import DeliveryQuery
from console.api.openapi import document
from console.forms import EndpointForm, EndpointPatch, RedriveForm, RetryForm, SourceForm, StateForm
from console.problems import InvalidError, MalformedError

DOCUMENT: dict[str, Any] = json.loads(msgspec.json.encode(document(OPERATIONS, "1")))
DESIGNED = {
    "GET /sources", "POST /sources", "GET /sources/{id}", "PUT /sources/{id}", "PATCH /sources/{id}", "DELETE /sources/{id}",
    "POST /sources/{id}/rotate-secret", "GET /endpoints", "POST /endpoints", "GET /endpoints/{id}", "PUT /endpoints/{id}",
    "PATCH /endpoints/{id}", "DELETE /endpoints/{id}", "POST /endpoints/{id}/rotate-secret", "POST /endpoints/{id}/test",
    "POST /endpoints/{id}/pause", "POST /endpoints/{id}/resume", "POST /endpoints/{id}/enable", "POST /endpoints/{id}/disable",
    "GET /endpoints/{id}/health", "GET /deliveries", "GET /deliveries/{id}", "POST /deliveries/{id}/retry", "GET /dead",
    "POST /dead/redrive", "GET /quarantined", "GET /rejected", "GET /unrouted", "GET /event-types", "GET /stats",
}  # fmt: skip


def test_every_route_is_documented_and_every_path_is_a_route() -> None:
    documented = {
        f"{method.upper()} {path.removeprefix('/api/v1')}" for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    assert documented == {f"{o.method} {o.path}" for o in OPERATIONS}
    assert documented >= DESIGNED
    names = [o.name for o in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    text = json.dumps(DOCUMENT)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in schemas
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert not [name for name in schemas if name.endswith("Query")]


def test_every_operation_says_how_it_fails() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            assert {"401", "503"} <= set(operation["responses"])
            if "requestBody" in operation:
                assert {"400", "422"} <= set(operation["responses"])
            if any(p["in"] == "path" for p in operation.get("parameters", [])):
                assert "404" in operation["responses"]


def test_the_page_shows_every_operation_and_loads_nothing_foreign() -> None:
    html = docs.page(DOCUMENT)
    for operation in OPERATIONS:
        assert f"/api/v1{operation.path}" in html
    assert "<script" not in html
    assert html.count("http://") == html.count("http://127.0.0.1:8081")
    assert "https://" not in html.replace("<!doctype", "")


@pytest.mark.parametrize("form", [EndpointForm, EndpointPatch, SourceForm, RedriveForm, RetryForm, StateForm])
def test_bodies_are_judged_as_the_document_says(form: type[msgspec.Struct]) -> None:
    schema = {"$ref": f"#/components/schemas/{form.__name__}", "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    for body in (
        {},
        {"url": "https://x.example"},
        {"provider": "shopify"},
        {"from": 5},
        {"force": True},
        {"nope": 1},
        {"url": 5},
        {"reason": None},
    ):
        try:
            parse_body(json.dumps(body).encode(), form)
            taken = True
        except InvalidError:
            taken = False
        assert taken is validator.is_valid(body), body


@pytest.mark.parametrize(
    ("body", "form", "fields"),
    [
        ({"event_types": ["a", 5], "url": "x"}, EndpointForm, ["event_types[1]"]),
        ({"headers": {"a": 5}, "url": "x"}, EndpointForm, ["headers"]),
        ({"filter": "x", "transform": {}, "colour": 1}, EndpointForm, ["filter", "transform", "colour"]),
        ({"url": "x", "auth": {"type": "basic", "username": "u"}}, EndpointForm, ["auth.password"]),
        ({"url": "x", "auth": {"type": "bearer", "token": "t", "colour": 1}}, EndpointForm, ["auth.colour"]),
        ({"url": "x", "auth": {"type": "digest"}}, EndpointForm, ["auth.type"]),
        ({"url": "x", "auth": {}}, EndpointForm, ["auth.type"]),
        ({"transform": None, "rate_limit": None, "ordering": "none", "url": "x"}, EndpointForm, []),
        ({"ordering": "sometimes"}, EndpointPatch, ["ordering"]),
        ({"rate_limit": "5"}, EndpointPatch, ["rate_limit"]),
        ({}, SourceForm, ["provider"]),
        ({"provider": None}, SourceForm, ["provider"]),
    ],
)
def test_each_wrong_field_is_named(body: dict, form: type[msgspec.Struct], fields: list[str]) -> None:
    if not fields:
        parse_body(json.dumps(body).encode(), form)
        return
    with pytest.raises(InvalidError) as e:
        parse_body(json.dumps(body).encode(), form)
    assert [error.field for error in e.value.problem.errors] == fields
    assert all(error.message for error in e.value.problem.errors)


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"nul"])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_body(body, RetryForm)


def test_queries() -> None:
    params = QueryParams("state=dead,queued&state=retrying&limit=7&endpoint=&from=2026-11-23T02:14:00Z")
    wanted = parse_query(params, DeliveryQuery)
    assert (wanted.state, wanted.limit, wanted.endpoint) == (("dead", "queued", "retrying"), 7, None)
    assert time_ms("from", wanted.from_) == 1_795_400_040_000
    assert time_ms("from", "2026-11-23T03:14:00 01:00") == 1_795_400_040_000  # a + that arrived as a space
    assert time_ms("from", "1795400040000") == 1_795_400_040_000
    for text, field in (("limit=many", "limit"), ("state=lost", "state[0]"), ("nope=1", "nope")):
        with pytest.raises(InvalidError) as e:
            parse_query(QueryParams(text), DeliveryQuery)
        assert e.value.problem.errors[0].field == field
    with pytest.raises(InvalidError, match="from"):
        time_ms("from", "2026-11-23T02:14:00")
