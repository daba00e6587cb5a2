"""A backlog for one endpoint, made quickly: Delivery records straight into `deliveries`, by a process of its own.

python -m tests.trials.fill --home HUB_HOME --endpoint ID --tenant TENANT --n 1000000
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from schemas import ids, topics
from schemas.records import Delivery
from tests.trials.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAYLOAD_BYTES = 500


def delivery(number: int, endpoint: str, tenant: str, now_ms: int) -> Delivery:
    """One delivery; its payload of 500 bytes is not to be compressed to nothing, so most of it is random."""
    event = f"evt_fill_{number}"
    head = b'{"type":"trial.backlog","data":{"no":%d,"filler":"' % number
    return Delivery(
        id=ids.delivery_id(event, endpoint),
        webhook_id=ids.webhook_id(event, endpoint),
        tenant=tenant,
        endpoint_id=endpoint,
        event_id=event,
        event_type="trial.backlog",
        object_key=f"custom/{event}",
        sequence=number,
        payload=head + os.urandom((PAYLOAD_BYTES - len(head) - 3) // 2).hex().encode() + b'"}}',
        received_at=now_ms,
        queued_at=now_ms,
        not_before=0,
        attempt=1,
        step=0,
        lane="live",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.trials.fill", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="HUB_HOME of a running hub")
    parser.add_argument("--endpoint", required=True, help="id of the endpoint")
    parser.add_argument("--tenant", required=True, help="its tenant")
    parser.add_argument("--n", type=int, required=True, help="deliveries")
    options = parser.parse_args(argv)

    def made() -> Iterator[tuple[str, Delivery]]:
        for number in range(options.n):
            yield options.endpoint, delivery(number, options.endpoint, options.tenant, time.time_ns() // 1_000_000)

    with Wire(options.home) as wire:
        wire.put(topics.DELIVERIES, made())
    return 0


if __name__ == "__main__":
    sys.exit(main())
