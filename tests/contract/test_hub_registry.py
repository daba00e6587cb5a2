"""The registry speaks Confluent's API: driven by their own client, over a real topic, across restarts."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError

from tests.kafka_fixture import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration


def record(*fields: tuple[str, object, object]) -> Schema:
    """A record of fields (name, type, default or ...)."""
    members = [{"name": n, "type": t, **({} if d is ... else {"default": d})} for n, t, d in fields]
    return Schema(json.dumps({"type": "record", "name": "Order", "fields": members}), "AVRO")


FIRST = record(("id", "string", ...))
OPTIONAL = record(("id", "string", ...), ("note", ["null", "string"], None))
BREAKING = record(("id", "string", ...), ("total", "long", ...))


@pytest.fixture
def client(registry_url: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry_url, "max.retries": 0}) as found:
        yield found


@pytest.fixture
def subject() -> str:
    return f"s{uuid.uuid4().hex}/with a slash"


def test_register_look_up_read(client: SchemaRegistryClient, subject: str) -> None:
    first = client.register_schema(subject, FIRST)
    second = client.register_schema(subject, OPTIONAL)
    assert client.register_schema(subject, FIRST) == first != second
    client.clear_caches()
    assert json.loads(client.get_schema(first).schema_str) == json.loads(FIRST.schema_str)
    assert client.get_versions(subject) == [1, 2]
    latest, looked_up = client.get_latest_version(subject), client.lookup_schema(subject, OPTIONAL)
    assert (latest.version, latest.schema_id) == (looked_up.version, looked_up.schema_id) == (2, second)
    assert client.get_version(subject, 1).schema_id == first
    assert subject in client.get_subjects()


def test_incompatible_is_409_with_the_reason(client: SchemaRegistryClient, subject: str) -> None:
    client.register_schema(subject, FIRST)
    assert client.test_compatibility(subject, OPTIONAL)
    assert not client.test_compatibility(subject, BREAKING)
    assert not client.test_compatibility_all_versions(subject, BREAKING)
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema(subject, BREAKING)
    assert (refused.value.http_status_code, refused.value.error_code) == (409, 409)
    assert "total: READER_FIELD_MISSING_DEFAULT_VALUE" in refused.value.error_message
    assert client.get_versions(subject) == [1]


def test_levels_can_be_set_and_hold(client: SchemaRegistryClient, subject: str) -> None:
    client.register_schema(subject, FIRST)
    client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel.NONE))
    assert client.get_config(subject).compatibility_level == "NONE"
    assert client.register_schema(subject, BREAKING)
    client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel.FULL_TRANSITIVE))
    assert not client.test_compatibility_all_versions(subject, OPTIONAL)
    with pytest.raises(SchemaRegistryError) as refused:
        client.get_config(f"{subject}-unknown")
    assert refused.value.error_code == 40408


def test_deleting_is_soft(client: SchemaRegistryClient, subject: str) -> None:
    schema_id = client.register_schema(subject, FIRST)
    assert client.delete_subject(subject) == [1]
    client.clear_caches()
    assert subject not in client.get_subjects()
    assert client.get_schema(schema_id).schema_str
    with pytest.raises(SchemaRegistryError) as refused:
        client.delete_subject(subject, permanent=True)
    assert refused.value.http_status_code == 501


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("GET", "/subjects/nobody/versions", None, 404, 40401),
        ("GET", "/schemas/ids/999999", None, 404, 40403),
        ("GET", "/subjects/{subject}/versions/9", None, 404, 40402),
        ("GET", "/subjects/{subject}/versions/nine", None, 422, 42202),
        ("POST", "/subjects/{subject}/versions", {"schema": "{"}, 422, 42201),
        ("POST", "/subjects/{subject}/versions", {}, 422, 42201),
        ("POST", "/subjects/{subject}/versions", {"schema": "{}", "schemaType": "PROTOBUF"}, 422, 42201),
        ("POST", "/subjects/{subject}", {"schema": '"boolean"'}, 404, 40403),
        ("PUT", "/config/{subject}", {"compatibility": "SIDEWAYS"}, 422, 42203),
        ("POST", "/subjects/{subject}/versions", b"no json", 400, 400),
        ("GET", "/nowhere", None, 404, 404),
        ("DELETE", "/config", None, 405, 405),
    ],
)
def test_errors_have_confluents_shape(
    client: SchemaRegistryClient, registry_url: str, subject: str, method: str, path: str, body: object, status: int, error: int
) -> None:
    client.register_schema(subject, FIRST)
    quoted = path.replace("{subject}", subject.replace("/", "%2F").replace(" ", "%20"))
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(registry_url + quoted, data, method=method)
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=10):
        pass
    with refused.value as answer:
        found = json.load(answer)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/vnd.schemaregistry.v1+json")
    assert found["error_code"] == error
    assert found["message"]


def test_everything_is_there_after_a_restart(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    with registry(bootstrap, tmp_path / "a", topic_prefix) as url, SchemaRegistryClient({"url": url}) as before:
        first, second = before.register_schema("orders", FIRST), before.register_schema("orders", OPTIONAL)
        before.register_schema("gone", OPTIONAL)
        before.delete_subject("gone")
        before.set_config("orders", ServerConfig(compatibility=ConfigCompatibilityLevel.FULL))
    with registry(bootstrap, tmp_path / "b", topic_prefix) as url, SchemaRegistryClient({"url": url}) as after:
        assert (after.get_subjects(), after.get_versions("orders")) == (["orders"], [1, 2])
        assert (after.lookup_schema("orders", FIRST).schema_id, after.lookup_schema("orders", OPTIONAL).schema_id) == (
            first,
            second,
        )
        assert after.get_config("orders").compatibility_level == "FULL"
        assert after.register_schema("gone", FIRST) == first
        assert after.get_versions("gone") == [2]
