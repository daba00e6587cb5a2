"""Deterministic ids: the same input gives the same id, whoever computes it and however often.

This is what makes at-least-once effectively once: a second run of any stage makes records a receiver
cannot tell from the first.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

_LENGTH: Final = 26  # base32 characters: 130 bits
_BYTES: Final = 20  # whole groups of five that hold them: the encoder is slow and its time counts


def _hash(*parts: str) -> str:
    """A hash of the parts; each part is length-framed, so that no two lists of parts collide."""
    framed = b"".join(len(p).to_bytes(4) + p for p in (part.encode() for part in parts))
    head = hashlib.sha256(framed).digest()[:_BYTES]
    return base64.b32encode(head)[:_LENGTH].decode().lower()


def _derive(prefix: str, *parts: str) -> str:
    return prefix + _hash(*parts)


def received_id(tenant: str, source: str, topic: str, provider_id: str) -> str:
    """Id of a webhook whose provider names its deliveries: a re-sent one has the same."""
    return _derive("rcv_", tenant, source, topic, provider_id)


def event_id(received: str, event_type: str, object_id: str) -> str:
    """Id of the canonical event that a received webhook makes for one object."""
    return _derive("evt_", received, event_type, object_id)


def derived_event_id(tenant: str, event_type: str, object_id: str) -> str:
    """Id of an event that happens once to an object and is made by a workflow, such as order.released."""
    return _derive("evt_", "workflow", tenant, event_type, object_id)


def delivery_id(event: str, endpoint: str) -> str:
    """Id of the delivery of one event to one endpoint."""
    return delivery_ids(event, endpoint)[0]


def webhook_id(event: str, endpoint: str) -> str:
    """The webhook-id header: equal over retries, crashes, resends and replays."""
    return delivery_ids(event, endpoint)[1]


def delivery_ids(event: str, endpoint: str) -> tuple[str, str]:
    """Both of a delivery: they are one hash under two prefixes."""
    hashed = _hash(event, endpoint)
    return f"dlv_{hashed}", f"msg_{hashed}"


def batch_id(webhook_ids: list[str]) -> str:
    """The webhook-id header of a request that carries several events."""
    return _derive("bat_", *webhook_ids)
