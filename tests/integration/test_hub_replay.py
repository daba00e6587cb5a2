"""Replay against real Kafka: exactly the range, the original ids, nothing of the live flow touched."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hub.replay.job import Replay, ReplayError, Spec
from hub.replay.pick import Filter
from runtime.config import Endpoint
from schemas import ids, records, topics
from tests.lab import Lab

pytestmark = pytest.mark.integration


def order(number: int, event_type: str = "order.created") -> records.OrderEvent:
    total = records.Money(amount=Decimal("10.00"), currency="EUR")
    data = records.Order(
        id=str(number), status="open", payment_status="paid", fulfillment_status="unfulfilled", total=total, lines=[], tags=[], extra={}
    )  # fmt: skip
    return records.OrderEvent(
        id=f"evt_{number}", type=event_type, tenant="default", source="shop", channel="shop", provider="shopify",
        object_id=str(number), occurred_at=number, received_at=number, sequence=number, raw_topic="webhooks.received",
        raw_partition=0, raw_offset=number, mapping_version=1, data=data,
    )  # fmt: skip


@pytest.fixture
def lab(bootstrap, tmp_path):
    lab = Lab(bootstrap, tmp_path)
    now_ms = lab.process.clock.now_ms()
    for number in range(600):
        event = order(number, "order.created" if number % 3 else "order.updated")
        lab.write(topics.ORDERS, f"default/{number}", event, at_ms=now_ms - 60_000 + number)
    lab.write(topics.ORDERS, "default/x", b"junk")
    lab.flush()
    yield lab
    lab.close()


def run(lab: Lab, *, dry: bool = False, receivers=("new",), types=("order.*",), **spec) -> Replay:
    endpoints = [Endpoint(lab.endpoint(name, "http://receiver.test/", event_types=list(types)), (), {}) for name in receivers]
    replay = Replay.new(lab.process, endpoints, Spec(**spec), "default")
    try:
        replay.run(dry=dry, on_progress=lambda _: None)
    finally:
        replay.close()
    return replay


def test_everything_once_with_the_original_ids(lab):
    replay = run(lab)
    sent = lab.read(topics.REPLAY)
    assert {d.webhook_id for d in sent} == {ids.webhook_id(f"evt_{n}", "new") for n in range(600)}
    assert len(sent) == 600
    assert {(d.lane, d.replay_id) for d in sent} == {("replay", replay.job.id)}
    assert (replay.progress.scanned, replay.progress.unreadable, replay.progress.queued) == (601, 1, 600)
    (job,) = [j for j in lab.read(topics.JOBS) if j.state == "done"]
    assert (job.id, job.queued) == (replay.job.id, 600)


def test_a_dry_run_counts_and_sends_nothing(lab):
    replay = run(lab, dry=True, receivers=("new", "other"), filter=Filter(type="order.updated", endpoint="new"))
    assert replay.progress.endpoints == {"new": 200}
    assert lab.read(topics.REPLAY) == []
    assert lab.read(topics.JOBS) == []


def test_the_last_n_that_fit(lab):
    run(lab, last=50, filter=Filter(type="order.updated"))
    sent = lab.read(topics.REPLAY)
    newest = sorted((n for n in range(600) if n % 3 == 0), reverse=True)[:50]
    assert len(sent) == 50
    assert {d.event_id for d in sent} == {f"evt_{n}" for n in newest}


def test_offsets_of_one_partition(lab):
    name = topics.ORDERS.name
    replay = run(lab, start=f"{name}/2@5", end=f"{name}/2@25")
    assert replay.progress.scanned == 20
    assert [r.rsplit(".", 1)[1] for r in replay.job.ranges] == ["orders/2@5-25"]


def test_a_subscription_that_does_not_ask_for_it_gets_nothing(lab):
    assert run(lab, types=("payment.*",)).progress.queued == 0


def test_an_unknown_partition_is_said(lab):
    with pytest.raises(ValueError, match="no partition"):
        run(lab, start="no.such.topic/0@1")


def test_a_replay_cut_short_goes_on_where_it_stopped(lab, monkeypatch):
    endpoint = Endpoint(lab.endpoint("new", "http://receiver.test/"), (), {})
    monkeypatch.setattr("hub.replay.scan.BATCH", 100)
    first = Replay.new(lab.process, [endpoint], Spec(), "default")

    def stop_in_the_middle(progress):
        if progress.queued >= 250:
            raise ReplayError("enough")

    with pytest.raises(ReplayError):
        first.run(dry=False, on_progress=stop_in_the_middle)
    first.close()
    second = Replay(lab.process, [endpoint], first.job)
    second.run(dry=False, on_progress=lambda _: None)
    second.close()
    sent = lab.read(topics.REPLAY)
    assert {d.event_id for d in sent} == {f"evt_{n}" for n in range(600)}
    assert len(sent) <= 601 + 100  # at most one batch comes twice
    assert second.progress.scanned <= 601 - 200


def test_the_rate_is_kept(lab):
    replay = run(lab, last=40, rate=100)
    assert replay.progress.queued == 40
    times = [job.updated_at for job in lab.read(topics.JOBS)]
    assert max(times) - min(times) >= 390
