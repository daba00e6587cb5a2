"""Sources and endpoints as the stages use them: configuration records with their secrets opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from runtime.views import LiveView
from schemas import auth, topics

if TYPE_CHECKING:
    from runtime.kafka import Kafka
    from runtime.secrets import SecretBox
    from schemas.auth import Auth
    from schemas.codec import Codec
    from schemas.records import EndpointConfig, EndpointStanding, SecretValue, SourceConfig


class Secret(msgspec.Struct, frozen=True):
    """An opened secret. `expires_at` in ms since the epoch, None while current."""

    id: str
    value: str
    expires_at: int | None = None

    def active(self, now_ms: int) -> bool:
        """Whether it may still be used."""
        return self.expires_at is None or now_ms < self.expires_at

    def __repr__(self) -> str:
        return f"Secret({self.id!r})"


class Source(msgspec.Struct, frozen=True):
    """A source with its secrets opened."""

    config: SourceConfig
    secrets: tuple[Secret, ...]


class Endpoint(msgspec.Struct, frozen=True):
    """An endpoint with its secrets, header values and credentials opened."""

    config: EndpointConfig
    secrets: tuple[Secret, ...]
    headers: dict[str, str]
    auth: Auth | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.config.id!r})"


Sources = LiveView["SourceConfig", Source]
Endpoints = LiveView["EndpointConfig", Endpoint]
Standings = LiveView["EndpointStanding", "EndpointStanding"]


def sources(kafka: Kafka, codec: Codec, box: SecretBox) -> Sources:
    """Live view of the sources by id."""
    return LiveView(kafka, codec, topics.SOURCES, lambda c: Source(c, _open(box, c.secrets)))


def endpoints(kafka: Kafka, codec: Codec, box: SecretBox) -> Endpoints:
    """Live view of the endpoints by id."""

    def load(config: EndpointConfig) -> Endpoint:
        headers = {k: box.decrypt(v) for k, v in config.headers.items()}
        credentials = auth.parse(box.decrypt(config.auth)) if config.auth else None
        return Endpoint(config, _open(box, config.secrets), headers, credentials)

    return LiveView(kafka, codec, topics.ENDPOINTS, load)


def standings(kafka: Kafka, codec: Codec) -> Standings:
    """Live view of how each endpoint is doing, by id."""

    def load(standing: EndpointStanding) -> EndpointStanding:
        return standing

    return LiveView(kafka, codec, topics.STANDINGS, load)


def _open(box: SecretBox, secrets: list[SecretValue]) -> tuple[Secret, ...]:
    return tuple(Secret(s.id, box.decrypt(s.ciphertext), s.expires_at) for s in secrets)
