"""Kafka dies under a running ingress and comes back: what was answered 2xx is there, everybody else was told to come again."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hub.embedded import Broker, BrokerConfig
from runtime.settings import HubSettings
from schemas import topics
from tests.integration.test_ingress_process import ingress, put_source
from tests.kafka_fixture import ROOT
from tests.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture
def broker(tmp_path):
    """A broker that may be killed: no other test uses it."""
    own = HubSettings.from_env()
    broker = Broker(BrokerConfig(home=tmp_path / "kafka", cache=own.cache or ROOT / ".hub" / "cache", repository=own.maven_url))
    broker.start()
    yield broker
    broker.stop()


def test_a_dead_broker_costs_nothing_that_was_acknowledged(broker, registry_url, tmp_path):
    lab = Lab(broker.bootstrap, tmp_path / "hub", registry_url)
    put_source(lab, "shop")
    with ingress(lab) as running, ThreadPoolExecutor(8) as threads:
        kept = [running.hook("shop")[0][2]["id"] for _ in range(20)]
        broker.child.kill()

        def timed(_: int):
            started = time.monotonic()
            status, headers, _ = running.hook("shop")[0]
            return status, headers.get("retry-after"), time.monotonic() - started

        answers = list(threads.map(timed, range(8)))
        assert {(status, retry) for status, retry, _ in answers} == {(503, "5")}
        assert max(took for _, _, took in answers) < 10
        assert running.request("GET", "/healthz")[0] == 200
        wait_until(lambda: running.request("GET", "/readyz")[0] == 503, 15)

        broker.start()
        wait_until(lambda: running.hook("shop")[0][0] == 200, 30)
        wait_until(lambda: running.request("GET", "/readyz")[0] == 200, 15)
        kept += [running.hook("shop")[0][2]["id"] for _ in range(20)]
        assert set(kept) <= {r.id for r in lab.read(topics.RECEIVED)}

        broker.child.kill()
        under_way = threads.submit(running.hook, "shop")
        time.sleep(0.3)
        started = time.monotonic()
        running.child.send_signal(signal.SIGTERM)
        assert running.child.wait(12) == 0, running.log()
        assert time.monotonic() - started < 10
        failure = under_way.exception()
        assert failure is not None or under_way.result()[0][0] >= 500  # no 2xx without Kafka
        broker.start()  # the lab deletes its topics
    lab.close()


def wait_until(true, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, f"not within {patience_s} s"
        time.sleep(0.2)
