"""Health by deadline, and the pages it is read from."""

import json
import urllib.error
import urllib.request

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from runtime import ops
from runtime.clock import ManualClock
from runtime.health import Health


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> Health:
    return Health("tester", clock)


def ready_metric() -> float | None:
    return REGISTRY.get_sample_value("hub_ready", {"process": "tester"})


def test_a_process_that_reported_nothing_is_not_ready(health: Health) -> None:
    assert health.read() == (False, {})
    assert ready_metric() == 0


def test_all_components_must_be_well(health: Health) -> None:
    health.report("kafka", ok=True)
    health.report("config", ok=False, detail="reading config.sources")
    assert health.read() == (False, {"kafka": "ok", "config": "reading config.sources"})
    health.report("config", ok=True, detail="2 sources")
    assert health.read() == (True, {"kafka": "ok", "config": "2 sources"})
    assert ready_metric() == 1


def test_a_bad_report_without_words_says_so(health: Health) -> None:
    health.report("kafka", ok=False)
    assert health.read() == (False, {"kafka": "not ok"})


def test_a_report_is_good_until_its_deadline(health: Health, clock: ManualClock) -> None:
    health.report("loop", ok=True, good_for_s=10)
    clock.advance(10)
    assert health.read()[0] is True
    clock.advance(5)
    assert health.read() == (False, {"loop": "no report for 5 s past its deadline"})
    assert ready_metric() == 0
    health.report("loop", ok=True, good_for_s=10)
    assert health.read()[0] is True


def test_a_report_without_deadline_stays_good(health: Health, clock: ManualClock) -> None:
    health.report("started", ok=True)
    clock.advance(10**6)
    assert health.read()[0] is True


def test_pages(health: Health) -> None:
    status, kind, body = ops.respond("/healthz", health)
    assert (status, kind, json.loads(body)) == (200, "application/json", {"process": "tester", "alive": True})
    health.report("kafka", ok=False, detail="no broker")
    status, kind, body = ops.respond("/readyz", health)
    assert (status, json.loads(body)) == (503, {"process": "tester", "ready": False, "components": {"kafka": "no broker"}})
    health.report("kafka", ok=True)
    assert ops.respond("/readyz", health)[0] == 200
    status, kind, body = ops.respond("/metrics", health)
    families = {f.name for f in text_string_to_metric_families(body.decode())}
    assert (status, "hub_ready" in families) == (200, True)
    assert ops.respond("/secret", health) == (404, "text/plain", b"here are /metrics, /healthz and /readyz\n")


def test_a_scrape_tells_readiness_without_anyone_asking_readyz(health: Health, clock: ManualClock) -> None:
    health.report("loop", ok=True, good_for_s=1)
    ops.respond("/readyz", health)
    clock.advance(5)
    body = ops.respond("/metrics", health)[2].decode()
    assert 'hub_ready{process="tester"} 0.0' in body


def test_the_server_answers_until_it_is_closed(health: Health) -> None:
    server = ops.serve("127.0.0.1", 0, health)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        with urllib.request.urlopen(f"{url}/healthz?probe=1", timeout=5) as answer:
            assert answer.headers["Content-Type"] == "application/json"
            assert json.load(answer)["alive"] is True
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            urllib.request.urlopen(f"{url}/readyz", timeout=5)
        refused.value.close()
        with pytest.raises(OSError, match="in use"):
            ops.serve("127.0.0.1", server.server_address[1], health)
    finally:
        server.shutdown()
        server.server_close()
