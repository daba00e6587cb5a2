"""Every topic as one typed object: name, key, record, partitions, retention and cleanup.

Names here are without the deployment's prefix; `runtime.kafka` adds it.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

from schemas import records as r

R_co = TypeVar("R_co", bound=r.Record, covariant=True)
DAY_MS: Final = 24 * 60 * 60 * 1000
PARTITIONS: Final = 6


class Topic(msgspec.Struct, Generic[R_co], frozen=True, kw_only=True):
    """A topic. `key` says in words what keys it; `retention_ms` -1 keeps for ever."""

    name: str
    key: str
    record: type[R_co]
    partitions: int = PARTITIONS
    retention_ms: int = 7 * DAY_MS
    compacted: bool = False

    @property
    def config(self) -> dict[str, str]:
        """Topic configuration as Kafka takes it."""
        if self.compacted:
            return {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "max.message.bytes": "4194304"}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms), "max.message.bytes": "4194304"}


class Tier(msgspec.Struct, frozen=True):
    """A retry topic and the delay it stands for, in seconds."""

    delay_s: float
    topic: Topic[r.Delivery]


RECEIVED: Final = Topic(name="webhooks.received", key="tenant/source/object id", record=r.WebhookReceived)
REJECTED: Final = Topic(name="webhooks.rejected", key="source", record=r.WebhookRejected, partitions=1)

ORDERS: Final = Topic(name="commerce.orders", key="tenant/object id", record=r.OrderEvent, retention_ms=30 * DAY_MS)
INVENTORY: Final = Topic(name="commerce.inventory", key="tenant/object id", record=r.InventoryEvent, retention_ms=30 * DAY_MS)
SHIPMENTS: Final = Topic(name="commerce.shipments", key="tenant/object id", record=r.ShipmentEvent, retention_ms=30 * DAY_MS)
PAYMENTS: Final = Topic(name="commerce.payments", key="tenant/object id", record=r.PaymentEvent, retention_ms=30 * DAY_MS)
CUSTOM: Final = Topic(name="events.custom", key="tenant/object id", record=r.CustomEvent, retention_ms=30 * DAY_MS)
UNROUTED: Final = Topic(name="events.unrouted", key="tenant", record=r.EventUnrouted, retention_ms=30 * DAY_MS)
QUARANTINED: Final = Topic(name="events.quarantined", key="source", record=r.EventQuarantined, retention_ms=30 * DAY_MS)

ORDER_FACTS: Final = Topic(name="workflows.orders", key="tenant/order id", record=r.OrderFact)
ORDER_STATES: Final = Topic(name="workflows.orders.state", key="tenant/order id", record=r.OrderState, compacted=True)

DELIVERIES: Final = Topic(name="deliveries", key="endpoint id", record=r.Delivery)
REPLAY: Final = Topic(name="deliveries.replay", key="endpoint id", record=r.Delivery)
DEAD: Final = Topic(name="deliveries.dead", key="endpoint id", record=r.Delivery, retention_ms=30 * DAY_MS)
ATTEMPTS: Final = Topic(name="deliveries.attempts", key="delivery id", record=r.Attempt)
HELD: Final = Topic(
    name="deliveries.held", key="endpoint id/offset in deliveries/delivery id/line", record=r.Delivery, compacted=True
)
"""What waits for its endpoint or for its place in an order: what is here and not deleted is waiting."""


def _tier(label: str, delay_s: float) -> Tier:
    return Tier(delay_s, Topic(name=f"deliveries.retry.{label}", key="endpoint id", record=r.Delivery, partitions=3))


TIERS: Final = (
    _tier("5s", 5),
    _tier("1m", 60),
    _tier("5m", 300),
    _tier("30m", 1800),
    _tier("2h", 7200),
    _tier("5h", 18000),
    _tier("10h", 36000),
)
"""Retry topics, shortest delay first. Longer delays are sums of hops."""

SOURCES: Final = Topic(name="config.sources", key="source id", record=r.SourceConfig, partitions=1, compacted=True)
ENDPOINTS: Final = Topic(name="config.endpoints", key="endpoint id", record=r.EndpointConfig, partitions=1, compacted=True)
STANDINGS: Final = Topic(name="endpoints.standing", key="endpoint id", record=r.EndpointStanding, partitions=1, compacted=True)
JOBS: Final = Topic(name="jobs.replay", key="replay id", record=r.ReplayJob, partitions=1, compacted=True)

COMMERCE: Final = {
    r.OrderEvent: ORDERS,
    r.InventoryEvent: INVENTORY,
    r.ShipmentEvent: SHIPMENTS,
    r.PaymentEvent: PAYMENTS,
    r.CustomEvent: CUSTOM,
}
"""The topic of each kind of event."""

ALL: Final[tuple[Topic[r.Record], ...]] = (
    RECEIVED, REJECTED, ORDERS, INVENTORY, SHIPMENTS, PAYMENTS, CUSTOM, UNROUTED, QUARANTINED,
    ORDER_FACTS, ORDER_STATES, DELIVERIES, REPLAY, DEAD, ATTEMPTS, HELD, *(t.topic for t in TIERS), SOURCES, ENDPOINTS,
    STANDINGS, JOBS,
)  # fmt: skip
