"""Schema ids over the Confluent API: registered once, kept on disk, there when the registry is not."""

import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runtime.registry import IncompatibleSchemaError, RegistryIds, RegistryUnavailableError
from runtime.settings import Settings
from schemas.codec import Codec, schema_text
from schemas.records import Delivery, Money, Order, Record, WebhookReceived
from tests.record_types import TYPES


class Registry:
    """The three calls of the Confluent API that the hub makes, with ids by first use and a count of requests."""

    def __init__(self, port: int = 0) -> None:
        self.schemas: dict[str, int] = {}
        self.refused: set[str] = set()
        self.requests = 0
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                subject = self.path.split("/")[2]
                schema = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
                if subject in registry.refused:
                    self.answer(409, {"error_code": 409, "message": "a field was removed"})
                else:
                    self.answer(200, {"id": registry.schemas.setdefault(schema, len(registry.schemas) + 1)})

            def do_GET(self) -> None:
                wanted = int(self.path.split("/")[3].split("?")[0])
                found = next((text for text, number in registry.schemas.items() if number == wanted), None)
                if found is None:
                    self.answer(404, {"error_code": 40403, "message": "Schema not found"})
                else:
                    self.answer(200, {"schema": found})

            def answer(self, status: int, body: dict) -> None:
                registry.requests += 1
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry()
    yield registry
    registry.close()


def ids(registry: Registry, home: Path) -> RegistryIds:
    return RegistryIds(Settings(home=home, registry_url=registry.url))


def test_a_schema_is_registered_once_and_known_by_its_id(registry: Registry, tmp_path: Path) -> None:
    one = ids(registry, tmp_path)
    number = one.id_of(Money)
    assert one.id_of(Money) == number
    assert one.writer_schema(number) == schema_text(Money)
    assert list(registry.schemas) == [schema_text(Money)]


def test_two_hubs_read_each_others_records(registry: Registry, tmp_path: Path) -> None:
    here, there = (Codec(ids(registry, tmp_path / name)) for name in ("here", "there"))
    there.prepare(Order)
    money = Money(amount=Decimal("1.500000"), currency="EUR")
    assert there.decode(here.encode(money), Money) == money


def test_a_start_without_the_registry_takes_ids_from_disk(registry: Registry, tmp_path: Path) -> None:
    number = ids(registry, tmp_path).id_of(Money)
    registry.close()
    started = ids(registry, tmp_path)
    assert started.id_of(Money) == number
    assert started.writer_schema(number) == schema_text(Money)


def test_what_disk_does_not_hold_is_an_error_that_says_what_to_start(registry: Registry, tmp_path: Path) -> None:
    registry.close()
    with pytest.raises(RegistryUnavailableError, match=r"start the registry or set SCHEMA_REGISTRY_URL") as raised:
        ids(registry, tmp_path).id_of(Money)
    assert registry.url in str(raised.value)
    assert "Money" in str(raised.value)


def test_a_dead_registry_is_waited_for_once_and_not_for_every_schema(registry: Registry, tmp_path: Path) -> None:
    records: list[type[Record]] = [Money, Order, Delivery, WebhookReceived]
    before = [ids(registry, tmp_path).id_of(r) for r in records]
    registry.close()
    one = ids(registry, tmp_path)
    one.id_of(Money)
    started = time.monotonic()
    assert [one.id_of(r) for r in records] == before
    assert time.monotonic() - started < 0.1


def test_what_disk_does_not_hold_is_asked_for_again_at_once(registry: Registry, tmp_path: Path) -> None:
    """A process that starts before its registry must see it as soon as it is there."""
    port = int(registry.url.rsplit(":", 1)[1])
    registry.close()
    one = ids(registry, tmp_path)
    with pytest.raises(RegistryUnavailableError):
        one.id_of(Money)
    again = Registry(port)
    try:
        assert one.id_of(Money) == 1
    finally:
        again.close()


def test_an_incompatible_schema_is_refused_even_when_disk_knows_it(registry: Registry, tmp_path: Path) -> None:
    ids(registry, tmp_path).id_of(Money)
    registry.refused.add("hookstream.Money")
    with pytest.raises(IncompatibleSchemaError, match="Money: a field was removed"):
        ids(registry, tmp_path).id_of(Money)


def test_an_id_nobody_knows_is_a_lookup_error(registry: Registry, tmp_path: Path) -> None:
    one = ids(registry, tmp_path)
    with pytest.raises(LookupError, match="schema id 77 is not in the registry"):
        one.writer_schema(77)
    registry.close()
    with pytest.raises(LookupError, match="schema id 78 is not on disk"):
        one.writer_schema(78)


def test_processes_that_share_a_home_keep_each_others_ids(registry: Registry, tmp_path: Path) -> None:
    """Both start on an empty disk and learn different schemas; after that each finds both without the registry."""
    first, second = ids(registry, tmp_path), ids(registry, tmp_path)
    known = [first.id_of(Money), second.id_of(Order), first.id_of(Delivery)]
    registry.close()
    later = ids(registry, tmp_path)
    assert [later.id_of(r) for r in (Money, Order, Delivery)] == known


def test_many_threads_and_instances_lose_no_id(registry: Registry, tmp_path: Path) -> None:
    threads = [threading.Thread(target=ids(registry, tmp_path).id_of, args=(record,)) for record in TYPES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    registry.close()
    later = ids(registry, tmp_path)
    assert len({later.id_of(record) for record in TYPES}) == len(TYPES)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"http://other": {"1": "x"}}', '{"URL": [1]}', '{"URL": {"x": 1}}'])
def test_a_damaged_file_is_as_none(registry: Registry, tmp_path: Path, content: str) -> None:
    file = tmp_path / "run" / "schema-ids.json"
    file.parent.mkdir()
    file.write_text(content.replace("URL", registry.url))
    number = ids(registry, tmp_path).id_of(Money)
    assert json.loads(file.read_text()) == {registry.url: {str(number): schema_text(Money)}}
