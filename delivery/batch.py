"""Several events in one signed request: pure.

The body keeps each event as it would be sent alone, with its own webhook-id: a receiver tells repeats by that, because after
a failure the same events may come in other company. The request's id is a pure function of the ids in it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from schemas import ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.records import Delivery

EVENT_TYPE: Final = "hookstream.batch"


def batch_id(deliveries: Sequence[Delivery]) -> str:
    """The webhook-id of a request with these events."""
    return ids.batch_id([d.webhook_id for d in deliveries])


def body(deliveries: Sequence[Delivery]) -> bytes:
    """`{"type": "hookstream.batch", "timestamp": …, "data": {"events": [{"webhook_id": …, "event": …}, …]}}`.

    The time is that of the newest event in it, so that the same events make the same bytes.
    """
    newest = datetime.fromtimestamp(max(d.received_at for d in deliveries) / 1000, UTC)
    timestamp = newest.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    events = b",".join(b'{"webhook_id":"%b","event":%b}' % (d.webhook_id.encode(), d.payload) for d in deliveries)
    return b'{"type":"%b","timestamp":"%b","data":{"events":[%b]}}' % (EVENT_TYPE.encode(), timestamp.encode(), events)
