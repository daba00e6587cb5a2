"""A console under test: the real app on a real uvicorn, over a lab's Kafka; and records as the other stages write them."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from console.app import create_app
from schemas import ids, topics
from schemas.records import Attempt, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab import Lab

KEY = "test-admin-key"
T0 = time.time_ns() // 1_000_000 - 60_000  # a minute ago: before anything is written to Kafka


class Console:
    """A console that serves until `close`. `api` calls it with the admin key."""

    def __init__(self, lab: Lab) -> None:
        self.app = create_app(lab.process)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(self.app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        until(lambda: self._server.started or not self._thread.is_alive(), 30)
        assert self._server.started, "the console ended while it started"
        self.api = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {KEY}"}, timeout=20)

    def close(self) -> None:
        self.api.close()
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive(), "the console did not stop"

    def get(self, path: str, **params: Any) -> Any:
        answer = self.api.get(f"/api/v1{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        answer = self.api.post(f"/api/v1{path}", json=body or {})
        assert answer.status_code == status, answer.text
        return answer.json()


def until(found: Callable[[], Any], seconds: float = 15) -> Any:
    """The first true answer of `found`; fails with the last one."""
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)


def delivery(event: str, endpoint: str = "shop", **fields: Any) -> Delivery:
    """A first delivery of an event."""
    values: dict[str, Any] = {
        "id": ids.delivery_id(event, endpoint), "webhook_id": ids.webhook_id(event, endpoint), "tenant": "default",
        "endpoint_id": endpoint, "event_id": event, "event_type": "order.created", "object_key": f"order/{event}", "sequence": 1,
        "payload": f'{{"event":"{event}"}}'.encode(), "received_at": T0, "queued_at": T0, "not_before": 0, "attempt": 1, "step": 0,
        "lane": "live",
    }  # fmt: skip
    return Delivery(**{**values, **fields})


def attempt(of: Delivery, state: str = "delivered", **fields: Any) -> Attempt:
    """An attempt of a delivery."""
    values: dict[str, Any] = {
        "delivery_id": of.id, "webhook_id": of.webhook_id, "tenant": of.tenant, "endpoint_id": of.endpoint_id, "event_id": of.event_id,
        "event_type": of.event_type, "object_key": of.object_key, "attempt": of.attempt, "state": state,
        "status": 200 if state == "delivered" else 500, "error_class": None if state == "delivered" else "status",
        "error": None if state == "delivered" else "answered 500", "url": "https://shop.example/hooks",
        "started_at": T0 + 1000 * of.attempt, "dns_ms": 1.0, "connect_ms": 2.0, "tls_ms": 3.0, "first_byte_ms": 4.0, "total_ms": 5.0,
        "response_headers": {"content-type": "text/plain"}, "response_head": b"hello", "response_cut": False,
        "next_attempt_at": T0 + 60_000 if state == "retrying" else None, "lane": of.lane, "received_at": of.received_at,
        "queued_at": of.queued_at, "delivery_topic": topics.DELIVERIES.name, "delivery_partition": 0, "delivery_offset": 0,
    }  # fmt: skip
    return Attempt(**{**values, **fields})
