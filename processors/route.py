"""Which endpoints an event goes to, as deliveries, or why it goes to none. Pure.

An endpoint matches when it is of the event's tenant, not disabled by a person, asks for the type (exact, `order.*` or `*`)
and for the channel (none named: all). A paused one matches: its deliveries wait. So does one that the hub has disabled: its
deliveries become dead letters, which are sent when it is enabled again. What the hub tells of itself is of no channel, is
not covered by `*`, and does not go to the endpoint it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from processors import payload
from schemas import ids
from schemas.operational import OPERATIONAL_TYPES
from schemas.records import (
    CustomEvent,
    Delivery,
    EndpointConfig,
    EventUnrouted,
    InventoryEvent,
    OrderEvent,
    PaymentEvent,
    ShipmentEvent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.records import Event

CACHED: Final = 20_000  # own event types and channels are the senders' choice: the answers kept must not grow without end
REASONS: Final = 100  # endpoints whose reason is told; a tenant may have thousands

_KINDS: Final[dict[type[Event], str]] = {
    OrderEvent: "order",
    InventoryEvent: "inventory",
    ShipmentEvent: "shipment",
    PaymentEvent: "payment",
    CustomEvent: "custom",
}


class Unrouted(msgspec.Struct, frozen=True):
    """No endpoint takes the event. `reason`: no_endpoint or no_match; `reasons`: endpoint id to why not."""

    reason: str
    reasons: dict[str, str]


class Index:
    """Endpoints by tenant; the answer for a type and a channel is found once. Make a new one when the endpoints change."""

    def __init__(self, endpoints: Iterable[EndpointConfig]) -> None:
        self._tenants: dict[str, list[EndpointConfig]] = {}
        for endpoint in sorted(endpoints, key=lambda e: e.id):
            self._tenants.setdefault(endpoint.tenant, []).append(endpoint)
        self._answers: dict[tuple[str, str, str], tuple[EndpointConfig, ...] | Unrouted] = {}

    def lookup(self, tenant: str, event_type: str, channel: str) -> tuple[EndpointConfig, ...] | Unrouted:
        """Endpoints that take such events, by id, or why none does."""
        key = (tenant, event_type, channel)
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= CACHED:
                self._answers.clear()
            answer = self._answers[key] = self._find(*key)
        return answer

    def _find(self, tenant: str, event_type: str, channel: str) -> tuple[EndpointConfig, ...] | Unrouted:
        there = self._tenants.get(tenant, [])
        reasons = {e.id: mismatch(e, event_type, channel) for e in there}
        matching = tuple(e for e in there if reasons[e.id] is None)
        if matching:
            return matching
        told = {name: why for name, why in list(reasons.items())[:REASONS] if why}
        if len(there) > REASONS:
            told["…"] = f"and {len(there) - REASONS} more endpoints"
        return Unrouted("no_match" if there else "no_endpoint", told)


def mismatch(endpoint: EndpointConfig, event_type: str, channel: str) -> str | None:
    """Why an endpoint does not take such events; None when it does."""
    if endpoint.state == "disabled" and endpoint.disabled_by != "hub":
        return f"disabled: {endpoint.state_reason}" if endpoint.state_reason else "disabled"
    if not any(covers(pattern, event_type) for pattern in endpoint.event_types):
        return f"asks for {', '.join(endpoint.event_types[:20]) or 'no event type'}, not {event_type}"
    if endpoint.channels and channel not in endpoint.channels and event_type not in OPERATIONAL_TYPES:
        return f"asks for the channels {', '.join(endpoint.channels[:20])}, not {channel}"
    return None


def covers(pattern: str, event_type: str) -> bool:
    """Whether a subscription covers a type: `*` all but the hub's own, `order.*` what begins with `order.`, else the very type."""
    if pattern == "*":
        return event_type not in OPERATIONAL_TYPES
    if pattern.endswith("*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


def route(event: Event, index: Index) -> list[Delivery] | Unrouted:
    """Deliveries of an event, one an endpoint. Raises ValueError when the event cannot be rendered."""
    found = index.lookup(event.tenant, event.type, event.channel)
    if isinstance(found, Unrouted):
        return found
    if event.type in OPERATIONAL_TYPES:
        others = tuple(endpoint for endpoint in found if endpoint.id != event.object_id)
        if not others:
            return Unrouted("no_match", {event.object_id: "is the endpoint it is about"})
        found = others
    body = payload.render(event)
    return [_delivery(event, endpoint.id, body, "live", None) for endpoint in found]


def deliveries_for(event: Event, endpoint: EndpointConfig, *, lane: str = "live", replay_id: str | None = None) -> Delivery:
    """The delivery of an event to one endpoint, whether it asks for it or not: for replays."""
    return _delivery(event, endpoint.id, payload.render(event), lane, replay_id)


def unrouted(event: Event, found: Unrouted) -> EventUnrouted:
    """The record of an event that goes nowhere."""
    return EventUnrouted(
        id=event.id,
        tenant=event.tenant,
        source=event.source,
        provider=event.provider,
        type=event.type,
        object_id=event.object_id,
        reason=found.reason,
        reasons=found.reasons,
        raw_topic=event.raw_topic,
        raw_partition=event.raw_partition,
        raw_offset=event.raw_offset,
        received_at=event.received_at,
    )


def _delivery(event: Event, endpoint_id: str, body: bytes, lane: str, replay_id: str | None) -> Delivery:
    delivery_id, webhook_id = ids.delivery_ids(event.id, endpoint_id)
    return Delivery(
        id=delivery_id,
        webhook_id=webhook_id,
        tenant=event.tenant,
        endpoint_id=endpoint_id,
        event_id=event.id,
        event_type=event.type,
        object_key=f"{_KINDS[type(event)]}/{event.object_id}",
        sequence=event.sequence,
        payload=body,
        received_at=event.received_at,
        queued_at=event.received_at,
        not_before=0,
        attempt=1,
        step=0,
        lane=lane,
        replay_id=replay_id,
    )
