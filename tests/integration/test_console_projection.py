"""The projector over real Kafka: rebuilt from nothing it is the same, what cannot be read is left out, the process starts and stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from console import store
from console.projector import Projector
from console.queries import DeliveryFilter, Queries
from runtime.health import Health
from schemas import topics
from schemas.codec import SchemaUnavailableError
from schemas.records import EventUnrouted, WebhookReceived, WebhookRejected
from tests.console_lab import KEY, T0, attempt, delivery, until
from tests.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration


@pytest.fixture
def lab(bootstrap: str, registry_url: str, tmp_path: Any) -> Iterator[Lab]:
    lab = Lab(bootstrap, tmp_path, registry_url=registry_url, admin_key=KEY)
    yield lab
    lab.close()


class Projection:
    def __init__(self, lab: Lab) -> None:
        self.engine = store.open_store(lab.settings)
        self.health = Health("test", lab.process.clock)
        self.projector = Projector(
            kafka=lab.kafka, codec=lab.codec, engine=self.engine, clock=lab.process.clock, health=self.health
        )  # fmt: skip
        self.projector.start()

    def wait_for(self, **positions: int) -> None:
        """Until so many records of each topic are in."""
        wanted = {name.replace("_", "."): count for name, count in positions.items()}

        def reached() -> bool:
            c = store.positions.c
            with self.engine.connect() as connection:
                query = sa.select(c.topic, sa.func.sum(c.next_offset)).group_by(c.topic)
                found = dict(map(tuple, connection.execute(query)))
            return all(found.get(name, 0) >= count for name, count in wanted.items())

        until(reached, 20)

    def contents(self) -> dict[str, Any]:
        """Every table, but for the numbers of rows and for totals that came back to nothing."""
        found = {}
        with self.engine.connect() as connection:
            for table in store._metadata.tables.values():
                columns = [c for c in table.columns if c.name != "seq"]
                query = sa.select(*columns)
                query = query.where(store.totals.c["count"] != 0) if table is store.totals else query
                found[table.name] = sorted(map(repr, connection.execute(query)))
        return found

    def close(self) -> None:
        self.projector.close()
        self.engine.dispose()


def write_history(lab: Lab, count: int) -> None:
    """Of every three deliveries one arrives, one is being retried, one is dead; and something of everything else."""
    for i in range(count):
        first = delivery(f"evt_{i}", f"shop{i % 5}", received_at=T0 + i)
        lab.write(topics.DELIVERIES, first.endpoint_id, first)
        state = ("delivered", "retrying", "dead")[i % 3]
        lab.write(topics.ATTEMPTS, first.id, attempt(first, state))
        if state == "dead":
            lab.write(topics.DEAD, first.endpoint_id, msgspec.structs.replace(first, attempt=2, cause="exhausted"))
        webhook = WebhookReceived(
            id=f"rcv_{i}", tenant="default", source="s", provider="shopify", topic="orders/create", headers={}, body=b"{}",
            content_type="application/json", received_at=T0, verified_by="sec_1",
        )  # fmt: skip
        lab.write(topics.RECEIVED, f"default/s/{i}", webhook)
    raw = {"raw_topic": "webhooks.received", "raw_partition": 0, "raw_offset": 0, "received_at": T0}
    lab.write(topics.UNROUTED, "default", EventUnrouted(
        id="evt_u", tenant="default", source="s", provider="shopify", type="order.created", reason="no_endpoint", reasons={}, **raw))  # fmt: skip
    lab.write(topics.REJECTED, "s", WebhookRejected(
        id="rej_1", source="s", reason="signature", detail="d", remote="203.0.113.9", size=1, headers={}, body=b"", received_at=T0))  # fmt: skip
    lab.flush()


def test_a_deleted_database_is_rebuilt_equal(lab: Lab) -> None:
    first = Projection(lab)
    write_history(lab, 300)  # while it runs: taken in many small batches
    everything = {
        "webhooks_received": 300,
        "deliveries": 300,
        "deliveries_attempts": 300,
        "deliveries_dead": 100,
        "events_unrouted": 1,
    }
    first.wait_for(**everything, webhooks_rejected=1)
    before = first.contents()
    totals = Queries(first.engine).count(DeliveryFilter(states=("dead",)))
    first.close()
    assert totals == 100
    for path in lab.settings.home.glob("console.db*"):
        path.unlink()
    again = Projection(lab)
    again.wait_for(**everything, webhooks_rejected=1)
    assert again.contents() == before
    again.close()
    resumed = Projection(lab)  # nothing is taken twice
    lab.write(topics.DELIVERIES, "shop9", delivery("evt_new", "shop9"))
    lab.flush()
    resumed.wait_for(deliveries=301)
    assert len(resumed.contents()["deliveries"]) == 301
    assert len(resumed.contents()["attempts"]) == 300
    resumed.close()


def skipped(topic: str) -> float:
    return REGISTRY.get_sample_value("hub_projection_skipped_total", {"topic": topic}) or 0.0


def test_what_cannot_be_read_is_counted_and_left_out(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    before = skipped("deliveries")
    good = delivery("evt_good", "shop")
    framed = lab.codec.encode(good)
    for value in (b"", b"no avro", framed[:40], framed[:1] + b"\x7f\xff\xff\xff" + framed[5:], None):
        lab.write(topics.DELIVERIES, "shop", value)
    lab.write(topics.DELIVERIES, "shop", good)
    lab.flush()
    projection = Projection(lab)
    projection.wait_for(deliveries=6)
    assert [d.id for d in Queries(projection.engine).deliveries(DeliveryFilter()).data] == [good.id]
    until(lambda: projection.health.read()[0])
    projection.close()
    assert skipped("deliveries") - before == 5
    assert sum("left out of the read model" in r.message for r in caplog.records) == 5


def test_a_registry_that_is_away_holds_the_projection_and_loses_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = lab.codec.encode(delivery("evt_foreign", "shop"))
    lab.write(topics.DELIVERIES, "shop", foreign[:1] + b"\x00\x0f\xff\xff" + foreign[5:])
    lab.flush()
    text = lab.process.ids.writer_schema(int.from_bytes(foreign[1:5]))
    back = threading.Event()

    def asked(_: int) -> str:
        if not back.is_set():
            raise SchemaUnavailableError("the registry does not answer")
        return text

    monkeypatch.setattr(lab.process.ids, "writer_schema", asked)
    projection = Projection(lab)
    until(lambda: "interrupted" in projection.health.read()[1].get("projection", ""))
    assert Queries(projection.engine).deliveries(DeliveryFilter()).data == []
    back.set()
    projection.wait_for(deliveries=1)
    assert len(Queries(projection.engine).deliveries(DeliveryFilter()).data) == 1
    projection.close()


def test_the_process_starts_serves_and_stops(lab: Lab) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    env = {**lab.environment(), "HUB_CONSOLE_PORT": str(port), "HUB_HOME": str(lab.settings.home)}
    env.pop("HUB_ADMIN_KEY", None)
    taken = subprocess.run([sys.executable, "-m", "console"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert taken.returncode == 1
    assert taken.stderr.strip().splitlines()[-1].startswith(f"console: cannot listen on 127.0.0.1:{port}")
    assert "Traceback" not in taken.stderr
    listener.close()

    process = subprocess.Popen([sys.executable, "-m", "console"], env=env, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: answers(port) or process.poll() is not None, 60)
        key_file = lab.settings.home / "admin.key"
        assert key_file.stat().st_mode & 0o777 == 0o600
        key = key_file.read_text().strip()
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200, 30)
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/totals", headers={"authorization": f"Bearer {key}"}).status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/totals").status_code == 401
    finally:
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=30)[1]
    assert process.returncode == 0, log
    assert "Traceback" not in log
    assert log.count(key) == 1


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False
