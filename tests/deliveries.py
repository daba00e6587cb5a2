"""Deliveries and workers for the tests of the delivery worker."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest

from delivery.app import Worker
from schemas import topics
from schemas.records import Delivery
from tests.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def delivery(number: int, endpoint: str, **fields: object) -> Delivery:
    values = {
        "id": f"dlv_{endpoint}_{number}", "webhook_id": f"msg_{endpoint}_{number}", "tenant": "default", "endpoint_id": endpoint,
        "event_id": f"evt_{number}", "event_type": "order.created", "object_key": f"order/{number}", "sequence": number,
        "payload": b'{"type":"order.created","n":%d}' % number, "received_at": 1, "queued_at": 1, "not_before": 0, "attempt": 1, "step": 0, "lane": "live",
    }  # fmt: skip
    return Delivery(**{**values, **fields})


def send(lab: Lab, *deliveries: Delivery) -> None:
    for d in deliveries:
        lab.write(topics.DELIVERIES, d.endpoint_id, d)
    lab.flush()


@pytest.fixture
def start(bootstrap, tmp_path) -> Iterator[Callable[..., object]]:
    """start(settings…) -> (lab, go); go() starts a worker once the test has set the scene."""
    workers, labs = [], []

    def make(**settings):
        lab = Lab(bootstrap, tmp_path, **{"egress_allow": LOOPBACK, **settings})
        labs.append(lab)

        def go():
            worker = Worker(lab.process)
            worker.start()
            workers.append(worker)
            return worker

        return lab, go

    yield make
    for worker in workers:
        worker.stop()
    for lab in labs:
        lab.close()
