"""Writes of configuration: one produce with acks=all, then a wait until this process's own view has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from schemas import topics

if TYPE_CHECKING:
    from runtime.config import Endpoints, Sources
    from runtime.publisher import Publisher
    from runtime.secrets import SecretBox
    from schemas.codec import Codec
    from schemas.records import EndpointConfig, Record, SourceConfig
    from schemas.topics import Topic

SEEN_WITHIN_S: Final = 10.0


class NotSeenError(RuntimeError):
    """Kafka has the record, this process's view does not yet: the write holds, its effect is not visible here."""


class ConfigWriter:
    """Puts and removes sources and endpoints. Raises PublishError and NotSeenError."""

    def __init__(self, publisher: Publisher, codec: Codec, *, box: SecretBox, sources: Sources, endpoints: Endpoints) -> None:
        self.turn = asyncio.Lock()  # held while something is read, changed and written
        self.box = box  # seals the secrets that go into the records
        self._publisher, self._codec = publisher, codec
        self._sources, self._endpoints = sources, endpoints

    async def put_source(self, config: SourceConfig) -> None:
        """Make or replace a source."""
        await self._write(self._sources, topics.SOURCES, config.id, config)

    async def delete_source(self, source_id: str) -> None:
        """Remove a source: a tombstone."""
        await self._write(self._sources, topics.SOURCES, source_id, None)

    async def put_endpoint(self, config: EndpointConfig) -> None:
        """Make or replace an endpoint."""
        await self._write(self._endpoints, topics.ENDPOINTS, config.id, config)

    async def delete_endpoint(self, endpoint_id: str) -> None:
        """Remove an endpoint: a tombstone."""
        await self._write(self._endpoints, topics.ENDPOINTS, endpoint_id, None)

    async def _write(self, view: Sources | Endpoints, topic: Topic[Record], key: str, record: Record | None) -> None:
        value = None if record is None else self._codec.encode(record)
        ack = await self._publisher.publish(topic, key, value)
        if not await view.reached(ack.offset, SEEN_WITHIN_S):
            raise NotSeenError(f"{key} is written, but not visible here after {SEEN_WITHIN_S:g} s: look again in a moment")
