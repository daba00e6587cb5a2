"""Where webhook systems are weak, proven for the console: what is dead can be seen and sent again, a dead endpoint comes back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from schemas import topics
from schemas.records import EndpointStanding
from tests.console_lab import KEY, Console, attempt, delivery, until
from tests.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.records import Delivery

pytestmark = pytest.mark.integration
MINUTE = 60_000


@pytest.fixture(scope="module")
def lab(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(bootstrap, tmp_path_factory.mktemp("weak"), admin_key=KEY)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def console(lab: Lab) -> Iterator[Console]:
    console = Console(lab)
    yield console
    console.close()


def endpoint(console: Console, endpoint_id: str, **fields) -> None:
    console.post("/endpoints", {"id": endpoint_id, "url": "https://shop.example/h", **fields}, 201)


def ms() -> int:
    return time.time_ns() // 1_000_000


def kill(lab: Lab, event: str, endpoint_id: str, cause: str, at: int, **fields) -> Delivery:
    """A delivery given up at a time."""
    first = delivery(event, endpoint_id, **fields)
    lab.write(topics.DEAD, endpoint_id, msgspec.structs.replace(first, attempt=2, cause=cause, last_status=500), at)
    return first


def ended(console: Console, redrive_id: str) -> dict:
    return until(lambda: (job := console.get(f"/redrives/{redrive_id}"))["state"] != "running" and job)


def replayed(lab: Lab, endpoint_id: str) -> list[Delivery]:
    return [d for d in lab.read(topics.REPLAY) if d.endpoint_id == endpoint_id]


def test_weak_spot_5_dead_letters_are_browsable_and_redriven(console: Console, lab: Lab) -> None:
    """Every dead delivery is listed with its cause and payload; a re-drive has no limit, keeps ids and order, repeats nothing."""
    endpoint(console, "crowd", ordering="key")
    now, count = ms() - 10_000, 1203
    made = [kill(lab, f"evt_{i:04}", "crowd", "exhausted", now + i, received_at=now + i, sequence=i) for i in range(count)]
    kill(lab, "evt_given_up", "crowd", "skipped", now)
    lab.flush()
    until(lambda: console.get("/totals", endpoint="crowd")["dead"] == count + 1)

    listed, cursor = [], ""
    while cursor is not None:
        page = console.get("/dead", endpoint="crowd", cause="exhausted", limit=500, **({"cursor": cursor} if cursor else {}))
        listed += [d["id"] for d in page["data"]]
        cursor = page["next_cursor"]
    assert listed == [d.id for d in reversed(made)]
    assert console.get(f"/deliveries/{made[7].id}")["payload"] == made[7].payload.decode()

    asked = {"endpoint_id": "crowd", "causes": ["exhausted", "gone"], "died_from": now + 3}
    assert console.post("/dead/redrive", {**asked, "dry_run": True}, 202)["matched"] == count - 3
    job = ended(console, console.post("/dead/redrive", asked, 202)["id"])
    assert (job["state"], job["sent"], job["gone"], job["skipped"]) == ("done", count - 3, 0, 0)
    again = replayed(lab, "crowd")
    assert [d.id for d in again] == [d.id for d in made[3:]]  # in the order of the events
    assert {d.webhook_id for d in again} == {d.webhook_id for d in made[3:]}
    assert console.get("/totals", endpoint="crowd")["dead"] == 4
    # Asked again, as after a restart in the middle: what was sent is no longer dead.
    assert ended(console, console.post("/dead/redrive", job["wanted"], 202)["id"])["matched"] == 0


def test_weak_spot_9_enabling_again_recovers_what_was_missed(console: Console, lab: Lab) -> None:
    endpoint(console, "sick")
    now = ms()
    failing_from = now - 60 * MINUTE
    fine = delivery("evt_fine", "sick", received_at=failing_from - 5 * MINUTE)
    lab.write(topics.ATTEMPTS, fine.id, attempt(fine, "delivered", started_at=failing_from - 4 * MINUTE))
    kill(lab, "evt_before", "sick", "exhausted", failing_from - 30 * MINUTE)
    missed = [
        kill(lab, f"evt_{cause}", "sick", cause, failing_from + (i + 1) * MINUTE)
        for i, cause in enumerate(("exhausted", "gone", "endpoint_disabled"))
    ]
    kill(lab, "evt_skipped", "sick", "skipped", now)
    config = console.app.state.deps.endpoints.items["sick"].config
    off = {"state": "disabled", "disabled_by": "hub", "state_reason": "days of nothing but failures", "updated_at": now - MINUTE}
    lab.write(topics.ENDPOINTS, "sick", msgspec.structs.replace(config, **off))
    standing = EndpointStanding(
        id="sick", tenant="default", breaker="open", failing_from_at=failing_from, failures=312, probe_at=now + MINUTE,
        last_status=None, last_error="timeout after 15.0 s", updated_at=now,
    )  # fmt: skip
    lab.write(topics.STANDINGS, "sick", standing)
    lab.flush()
    until(lambda: console.get("/totals", endpoint="sick")["dead"] == 5)

    health = until(lambda: (h := console.get("/endpoints/sick/health"))["failures"] and h)
    known = ("state", "disabled_by", "state_reason", "breaker", "failing_from_at", "failures", "last_error", "waiting", "dead")
    assert [health[name] for name in known] == [
        "disabled", "hub", off["state_reason"], "open", failing_from, 312, "timeout after 15.0 s", 0, 5,
    ]  # fmt: skip
    # Mended while it was disabled: that must not hide what it missed before.
    assert console.api.patch("/api/v1/endpoints/sick", json={"url": "https://new.example/h"}).json()["disabled_by"] == "hub"
    lab.write(topics.DEAD, "sick", late := delivery("evt_late", "sick", cause="endpoint_disabled"))
    enabled = console.post("/endpoints/sick/enable")
    lab.flush()  # the worker gave it up before it saw the change
    assert (enabled["state"], enabled["disabled_by"], enabled["recovering"]) == ("active", None, 3)
    job = ended(console, enabled["redrive_id"])
    assert (job["state"], job["sent"]) == ("done", 4)
    assert {d.id for d in replayed(lab, "sick")} == {*(d.id for d in missed), late.id}
    assert sorted(d["cause"] for d in console.get("/dead", endpoint="sick")["data"]) == ["exhausted", "skipped"]


def test_who_was_disabled_by_a_person_is_recovered_only_when_asked(console: Console, lab: Lab) -> None:
    endpoint(console, "off")
    assert console.post("/endpoints/off/disable", {"reason": "moving"})["disabled_by"] == "person"
    dead = kill(lab, "evt_off", "off", "endpoint_disabled", 0)
    lab.flush()
    until(lambda: console.get("/totals", endpoint="off")["dead"] == 1)
    plain = console.post("/endpoints/off/enable")
    assert (plain["state"], plain["redrive_id"], plain["recovering"]) == ("active", None, 0)
    asked = console.post("/endpoints/off/enable", {"recover": True})
    assert asked["recovering"] == 1
    assert ended(console, asked["redrive_id"])["sent"] == 1
    assert [d.id for d in replayed(lab, "off")] == [dead.id]


def test_what_waits_in_an_order_is_skipped_parked_and_retried(console: Console, lab: Lab) -> None:
    endpoint(console, "line", ordering="key")
    first, second = (delivery(f"evt_line{i}", "line", object_key="order/7") for i in range(2))
    lab.write(topics.DELIVERIES, "line", first)
    lab.write(topics.DELIVERIES, "line", second)
    lab.flush()
    rows = until(lambda: len(d := console.get("/deliveries", endpoint="line")["data"]) == 2 and d)
    place = next((r["partition"], r["offset"]) for r in rows if r["id"] == first.id)
    tried = attempt(first, "retrying", delivery_partition=place[0], delivery_offset=place[1])
    lab.write(topics.ATTEMPTS, first.id, tried)
    lab.flush()
    until(lambda: console.get(f"/deliveries/{first.id}")["state"] == "retrying")

    parked = console.post(f"/deliveries/{first.id}/park", {}, 202)
    assert parked == {"id": first.id, "webhook_id": first.webhook_id, "command": "park", "behind": 1}
    assert console.post(f"/deliveries/{first.id}/retry", {}, 202)["attempt"] == 2
    assert console.post(f"/deliveries/{first.id}/skip", {}, 202)["command"] == "skip"
    written = [(d.command, d.attempt, d.payload) for d in lab.read(topics.DELIVERIES) if d.id == first.id]
    assert written == [(None, 1, first.payload), ("park", 2, first.payload), (None, 2, first.payload), ("skip", 2, first.payload)]
    assert console.get("/stats", endpoint="line", bucket="3600")["data"][-1]["queued"] == 3  # a command is no delivery

    lab.write(topics.DEAD, "line", msgspec.structs.replace(first, attempt=2, cause="skipped"))
    lab.flush()
    until(lambda: console.get(f"/deliveries/{first.id}")["cause"] == "skipped")
    assert "given up already" in console.post(f"/deliveries/{first.id}/skip", {}, 409)["detail"]
    assert console.api.patch("/api/v1/endpoints/line", json={"ordering": "none"}).status_code == 200
    assert "keeps no order" in console.post(f"/deliveries/{second.id}/park", {}, 409)["detail"]
    assert "force" in console.post(f"/deliveries/{second.id}/retry", {}, 409)["detail"]
    assert console.api.post("/api/v1/deliveries/dlv_none/skip").status_code == 404
