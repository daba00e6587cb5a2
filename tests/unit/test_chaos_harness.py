"""The harness against a stand-in hub that loses, repeats and renames as told: what it does has to be seen."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import random
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hub import recipes
from runtime.settings import HubSettings
from tests.bench.client import Head, Pool
from tests.bench.hub import Hub
from tests.bench.receiver import FAILED, OK, Receiver
from tests.chaos import __main__ as command
from tests.chaos import sink as sinks
from tests.chaos.experiment import Settings
from tests.chaos.faults import Fault, Injector, plan
from tests.chaos.generator import Generator, Source
from tests.chaos.ledger import Ledger
from tests.chaos.messages import RELEASED, identify, traffic
from tests.chaos.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.enable_socket
SECRET = b"s3cret"
KEY = b"0123456789abcdef01234567"


class StandIn(Receiver):
    """A hub in one function: verifies, answers, delivers. `chaos(number)` says what to do with a message."""

    def __init__(self, pool: Pool, sink_port: int, chaos: Callable[[int], str], tries: dict[str, int]) -> None:
        super().__init__()
        self._pool, self._port, self._chaos, self._tries = pool, sink_port, chaos, tries
        self._headers: dict[bytes, bytes] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def received(self, path: bytes, body: bytes) -> None:
        headers, self._headers = self._headers, {}
        stripe = path == b"/in/stripe"
        event_type = "payment.captured" if stripe else "order.updated"
        number = identify(event_type, body)
        assert number
        self._tries[number] = self._tries.get(number, 0) + 1
        what = self._chaos(int(number))
        if what == "refuse once" and self._tries[number] == 1:
            self.respond(FAILED)
            return
        assert verified(headers, body, stripe=stripe)
        self.respond(OK)
        for webhook_id in {"lose": [], "repeat": ["m", "m"], "rename": ["m", "n"]}.get(what, ["m"]):
            key = b"wrong" if what == "forge" else KEY
            self._deliver(event_type, f"{webhook_id}{number}", body, key)

    def _deliver(self, event_type: str, webhook_id: str, body: bytes, key: bytes) -> None:
        signature = "v1," + base64.b64encode(hmac.digest(key, b"%b.5.%b" % (webhook_id.encode(), body), "sha256")).decode()
        headers = [("webhook-id", webhook_id), ("webhook-timestamp", "5"), ("webhook-signature", f"v1,old {signature}")]
        head = Head("POST", f"/{event_type.partition('.')[0]}", "x", [*headers, ("X-Hookstream-Event", event_type)], lambda: b"")
        self._pool.submit(head.build(body), lambda _status, _answer: None)


def verified(headers: dict[bytes, bytes], body: bytes, *, stripe: bool) -> bool:
    if stripe:
        stamp, mac = (part.split(b"=")[1] for part in headers[b"stripe-signature"].split(b","))
        return mac.decode() == hmac.new(SECRET, stamp + b"." + body, hashlib.sha256).hexdigest()
    return headers[b"x-shopify-hmac-sha256"] == base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256))


async def quiet(ledger: Ledger) -> None:
    """Until nothing has arrived for a while."""
    arrived = -1
    while arrived != len(ledger.arrivals):
        arrived = len(ledger.arrivals)
        await asyncio.sleep(0.25)


async def experiment(chaos: Callable[[int], str], fail_rate: float = 0.0) -> Verdict:
    ledger, loop = Ledger(), asyncio.get_running_loop()
    sink = sinks.Sink(ledger, random.Random(1), fail_rate)
    sink.secrets = {"/order": KEY, "/payment": KEY}
    server = await sinks.serve(sink)
    port = server.sockets[0].getsockname()[1]
    pool, tries = Pool("127.0.0.1", port), dict[str, int]()
    hub = await loop.create_server(lambda: StandIn(pool, port, chaos, tries), "127.0.0.1", 0)
    sources = {p: Source(f"/in/{p}", SECRET) for p in ("shopify", "stripe")}
    generator = Generator(ledger, hub.sockets[0].getsockname()[1], sources, run=7)
    await generator.run(traffic(random.Random(1), paid=0.5, run=7), rate=500, seconds=0.2)
    await generator.settle(10)
    await quiet(ledger)
    ledger.derived.clear()  # the stand-in has no workflows
    for closing in (generator, pool, server, hub):
        closing.close()
    return judge(ledger, [])


async def test_a_hub_that_keeps_its_word_passes() -> None:
    verdict = await experiment(lambda _: "deliver")
    assert verdict.passed, verdict.reasons
    assert (verdict.accepted, verdict.arrived, verdict.retries) == (100, 100, 0)


async def test_a_loss_is_noticed() -> None:
    verdict = await experiment(lambda n: "lose" if n == 42 else "deliver")
    assert [m.identity for m in verdict.missing] == ["42"]
    assert not verdict.passed


async def test_refused_messages_are_sent_again_with_their_own_id() -> None:
    verdict = await experiment(lambda n: "refuse once" if n % 10 == 0 else "deliver")
    assert verdict.passed, verdict.reasons
    assert (verdict.accepted, verdict.retries) == (100, 10)


@pytest.mark.parametrize(
    ("what", "seen"),
    [("repeat", {"duplicates": 1, "passed": True}), ("rename", {"two_ids": ["42"], "passed": False}),
     ("forge", {"bad_signatures": 1, "passed": False})],
)  # fmt: skip
async def test_other_breaches_are_noticed(what: str, seen: dict[str, object]) -> None:
    verdict = await experiment(lambda n: what if n == 42 else "deliver")
    assert {name: getattr(verdict, name) for name in seen} == seen


async def test_a_failing_sink_has_taken_nothing() -> None:
    verdict = await experiment(lambda _: "deliver", fail_rate=0.2)
    assert 5 < len(verdict.missing) < 40  # the stand-in does not retry


def test_traffic_is_the_same_for_the_same_seed_and_tells_a_whole_story() -> None:
    one, two = (list(islice(traffic(random.Random(3), paid=0.5, run=9), 2000)) for _ in range(2))
    assert one == two
    assert [m.number for m in one] == list(range(1, 2001))
    by_key: dict[int, list[int]] = {}
    for message in one:
        by_key.setdefault(message.key, []).append(message.version)
    assert all([v for v in versions if v >= 0] == sorted(v for v in versions if v >= 0) for versions in by_key.values())
    payments = [m for m in one if m.provider == "stripe"]
    assert 150 < len(payments) < 300
    assert any(by_key[m.key][0] == -1 for m in payments)  # a payment before its order
    for message in one:
        event_type = "payment.captured" if message.provider == "stripe" else "order.updated"
        assert identify(event_type, message.body) == message.identity
    completed = dict(m.completes for m in one if m.completes)
    assert len(completed) > 100
    assert all(len(needs) == 2 and needs[0] != needs[1] for needs in completed.values())
    assert json.loads(payments[0].body)["data"]["object"]["metadata"]["order_id"] == str(9 + payments[0].key)


def test_a_released_order_is_known_by_its_key() -> None:
    order = next(m for m in traffic(random.Random(1), paid=0, run=0) if m.key == 3)
    assert identify(RELEASED, order.body) == "order.released 3"
    assert identify("order.updated", b"{}") is None


def test_a_plan_is_random_complete_and_repeatable() -> None:
    def make(seed: int) -> list[Fault]:
        rng = random.Random(seed)
        return plan(rng, processes=("a", "b"), kinds=("kill", "stop"), times=3, broker_kills=2, seconds=100)

    made = make(1)
    assert made == make(1) != make(2)
    assert [f.at for f in made] == sorted(f.at for f in made)
    assert made[0].at >= 5
    assert made[-1].at <= 95
    hits = sorted((f.kind, f.process) for f in made)
    wanted = [(k, p) for k in ("kill", "stop") for p in ("a", "b")] * 3 + [("kill", "broker")] * 2
    assert hits == sorted(wanted)
    assert plan(random.Random(1), processes=(), kinds=(), times=3, broker_kills=0, seconds=100) == []
    assert Settings(kills=5).planned()[1] == 160


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


async def test_a_fault_hits_the_process_and_waits_for_its_successor(tmp_path: Path) -> None:
    first, second = sleeper(), sleeper()
    said: list[str] = []
    (tmp_path / "run").mkdir()

    def running(pid: int) -> None:
        state = {"processes": [{"name": "kafka", "pid": pid, "state": "up", "port": 0}]}
        (tmp_path / "run" / "hub.json").write_text(json.dumps(state))

    running(first.pid)
    injector = Injector(Hub(os.getpid(), str(tmp_path), "", {}), stop_s=0.05, say=said.append)
    try:
        task = asyncio.create_task(injector.run([Fault(0, "kill", "broker")]))
        assert await asyncio.to_thread(first.wait, 5) == -signal.SIGKILL
        assert injector.done[0].back_s is None
        running(second.pid)
        await asyncio.wait_for(task, 5)
        await asyncio.wait_for(injector.run([Fault(0, "stop", "broker")]), 5)
    finally:
        second.communicate(b"\n", timeout=5)
        first.communicate()
    assert [(f.kind, f.pid) for f in injector.done] == [("kill", first.pid), ("stop", second.pid)]
    assert all(f.back_s is not None for f in injector.done)
    assert said[0] == f"kill broker (pid {first.pid})"


@pytest.mark.parametrize("wrong", [["--faults", "explode"], ["--processes", "moon"], ["--env", "X"], ["--safe", "--unsafe"]])
def test_the_command_names_a_wrong_option(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(wrong)
    assert wrong[1] in capsys.readouterr().err


def test_the_control_puts_another_program_in_the_place_of_the_processors() -> None:
    settings = HubSettings.from_env(command.UNSAFE)
    assert settings.processors_command == (sys.executable, "-m", "tests.unsafe_agent")
    around = recipes.Surroundings(home=Path("h"), host="127.0.0.1", environment={})
    assert recipes.stage(around, "processors", 1, settings.processors_command).name == "processors"
