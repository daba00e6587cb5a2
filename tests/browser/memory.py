"""The story in a read model without Kafka: the projector's own writer on SQLite, records kept in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import store
from console.batch import PROJECTED, Batch
from console.config_writer import ConfigWriter
from console.deps import Deps
from console.payloads import RecordGoneError
from console.queries import Queries
from console.redrives import Redrives
from console.stats import Stats
from console.writes import Writer
from runtime.clock import ManualClock
from runtime.config import Endpoint, Secret, Source
from runtime.health import Health
from runtime.publisher import Ack
from runtime.secrets import SecretBox
from runtime.settings import Settings
from schemas import auth, topics
from schemas.records import EndpointConfig, SecretValue, SourceConfig
from tests.browser.story import Receiver  # noqa: TC001
from tests.lab import fixed_codec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from schemas.records import Record
    from schemas.topics import Topic

ADMIN_KEY = "hub_admin_test-key-of-good-length"
NOW = 1_790_000_000_000


class MemoryLog:
    """Takes the story's records into a read model and hands them out again as `Payloads` does."""

    def __init__(self, engine) -> None:
        self.records: dict[tuple[str, int, int], Record] = {}
        self._ends: dict[str, int] = {}
        self._codec = fixed_codec()
        self._writer = Writer(engine)
        self._engine = engine

    def put(self, topic: Topic[Record], records: Sequence[tuple[str, Record]]) -> list[tuple[str, int, int]]:
        batch, places = Batch(self._codec, ""), []
        for _, record in records:
            offset = self._ends.get(topic.name, 0)
            self._ends[topic.name] = offset + 1
            self.records[topic.name, 0, offset] = record
            places.append((topic.name, 0, offset))
            if topic in PROJECTED:
                batch.add(topic.name, 0, offset, NOW, self._codec.encode(record))
        assert batch.skipped == []
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            self._writer.write(connection, batch)
        return places

    async def delivery(self, topic, partition, offset):
        return self._get(topic, partition, offset)

    async def attempts(self, coordinates):
        wanted = {(p, o): self.records.get((topics.ATTEMPTS.name, p, o)) for p, o in coordinates}
        return {place: record for place, record in wanted.items() if record is not None}

    async def rejected(self, partition, offset):
        return self._get(topics.REJECTED.name, partition, offset)

    async def received(self, partition, offset):
        return self._get(topics.RECEIVED.name, partition, offset)

    def _get(self, *place):
        if place not in self.records:
            raise RecordGoneError(f"{place} is no longer in Kafka")
        return self.records[place]


class MemoryView:
    """A live view that has seen everything."""

    def __init__(self) -> None:
        self.items: dict[str, Source | Endpoint] = {}

    async def reached(self, offset: int, timeout_s: float = 5) -> bool:
        return True


class MemoryPublisher:
    """Takes configuration straight into the views."""

    def __init__(self, box: SecretBox, views: dict[str, MemoryView]) -> None:
        self._box, self._views, self._codec = box, views, fixed_codec()

    async def publish(self, topic, key, value, headers=None) -> Ack:
        items = {k: v for k, v in self._views[topic.name].items.items() if k != key}
        if value is not None:
            config = self._codec.decode(value, topic.record)
            headers = {k: self._box.decrypt(v) for k, v in getattr(config, "headers", {}).items()}
            items[key] = Source(config, ()) if topic is topics.SOURCES else self._endpoint(config, headers)
        self._views[topic.name].items = items
        return Ack(None, 0, 0)

    def _endpoint(self, config, headers) -> Endpoint:
        secrets = tuple(Secret(s.id, self._box.decrypt(s.ciphertext), s.expires_at) for s in config.secrets)
        return Endpoint(config, secrets, headers, auth.parse(self._box.decrypt(config.auth)) if config.auth else None)


def endpoint_config(receiver: Receiver, box: SecretBox, now: int) -> EndpointConfig:
    return EndpointConfig(
        id=receiver.id, tenant="default", url=receiver.url, description=receiver.description, event_types=receiver.event_types,
        channels=[], headers={"x-api-key": box.encrypt("top-secret-value")}, timeout_s=15, max_in_flight=64, retry_schedule=[],
        secrets=[SecretValue(id=f"sec_{receiver.id}", ciphertext=box.encrypt("whsec_dG9wLXNlY3JldC1rZXktdmFsdWU="), created_at=now - 86_400_000)],
        state=receiver.state, state_reason=receiver.state_reason, created_at=now - 86_400_000, updated_at=now - 3_600_000,
        disabled_by=receiver.disabled_by, ordering=receiver.ordering, **receiver.settings,
    )  # fmt: skip


def source_config(source_id: str, provider: str, box: SecretBox, now: int, **fields: object) -> SourceConfig:
    values = {
        "tenant": "default", "description": f"{provider} of the shop", "external_url": None, "ip_allowlist": [], "options": {},
        "enabled": True, "created_at": now - 86_400_000, "updated_at": now - 7_200_000,
        "secrets": [SecretValue(id=f"sec_{source_id}", ciphertext=box.encrypt("provider-secret"), created_at=now - 86_400_000)],
    }  # fmt: skip
    return SourceConfig(id=source_id, provider=provider, **(values | fields))


def memory_deps(home: Path) -> Deps:
    """Deps with an empty read model; only what pages use, no Kafka behind it."""
    settings = Settings(home=home, admin_key=ADMIN_KEY)
    engine = store.open_store(settings)
    clock = ManualClock(NOW)
    box = SecretBox.open(settings)
    sources, endpoints, standings = MemoryView(), MemoryView(), MemoryView()
    publisher = MemoryPublisher(box, {topics.SOURCES.name: sources, topics.ENDPOINTS.name: endpoints})
    log = MemoryLog(engine)
    return Deps(
        settings=settings, clock=clock, health=Health("console", clock), kafka=None, codec=fixed_codec(), queries=Queries(engine),
        stats=Stats(engine, clock), payloads=log, sources=sources, endpoints=endpoints, standings=standings, config=ConfigWriter(publisher, fixed_codec(), box=box, sources=sources, endpoints=endpoints),
        publisher=publisher, redrives=Redrives(), admin_key=ADMIN_KEY,
    )  # fmt: skip
