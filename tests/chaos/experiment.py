"""One experiment: a fresh hub under load, faults, quiet, and the verdict on its books."""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.bench import hub as hubs
from tests.chaos import sink as sinks
from tests.chaos.faults import Fault, Injector, plan
from tests.chaos.generator import Generator, Source
from tests.chaos.ledger import Ledger
from tests.chaos.messages import traffic
from tests.chaos.verdict import Verdict, judge

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.hub import Hub

RETRIES: Final = ",".join(["0", *["5s"] * 40])  # of the hub, so that a failing sink is asked again soon
_SECONDS_PER_FAULT: Final = 8.0
_LINGER_S: Final = 5.0
_IDLE_S: Final = 75.0  # longer than any consumer session: nothing more will come by itself
_FLOW_WITHIN_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One experiment's size. `seconds` None: 8 for each fault, at least 30."""

    rate: float = 200.0
    processes: tuple[str, ...] = hubs.STAGES
    kinds: tuple[str, ...] = ("kill",)
    kills: int = 5
    broker_kills: int = 0
    seconds: float | None = None
    seed: int = 1
    stop_s: float = 15.0
    sink_fail_rate: float = 0.0
    paid: float = 0.5
    quiesce_s: float = 240.0
    environment: dict[str, str] = field(default_factory=dict)

    def planned(self) -> tuple[list[Fault], float]:
        """The faults and the length of the run."""
        hits = len(self.processes) * len(self.kinds) * self.kills + self.broker_kills
        seconds = self.seconds or max(30.0, _SECONDS_PER_FAULT * hits)
        made = plan(
            random.Random(self.seed),
            processes=self.processes,
            kinds=self.kinds,
            times=self.kills,
            broker_kills=self.broker_kills,
            seconds=seconds,
        )
        return made, seconds


def say(text: str) -> None:
    """Progress, on stderr: the result alone goes to stdout."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


async def run(settings: Settings, home: Path) -> Verdict:
    """Start a hub in `home`, do it, stop the hub. Raises HubFailedError when the flow does not even work without faults."""
    environment = {"HUB_RETRY_SCHEDULE": RETRIES} | settings.environment
    hub = await asyncio.to_thread(hubs.start, home, environment)
    try:
        return await _on(hub, settings)
    finally:
        await asyncio.to_thread(hub.stop)


async def _on(hub: Hub, settings: Settings) -> Verdict:
    ledger, rng = Ledger(), random.Random(settings.seed)
    sink = sinks.Sink(ledger, random.Random(settings.seed), settings.sink_fail_rate)
    server = await sinks.serve(sink)
    port, run_id = server.sockets[0].getsockname()[1], time.time_ns() // 1_000_000
    sources = await asyncio.to_thread(_set_up, hub, sink, port)
    generator = Generator(ledger, hub.ports["ingress"], sources, run=run_id)
    messages = traffic(rng, paid=settings.paid, run=run_id)
    injector = Injector(hub, stop_s=settings.stop_s, say=say)
    faults, seconds = settings.planned()
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        for _ in range(20):
            generator.send(next(messages))
        await _flow(ledger, generator, hub)
        say(f"the flow works; {settings.rate:g} messages/s for {seconds:g} s, {len(faults)} faults, seed {settings.seed}")
        ticker = loop.create_task(_tick(ledger, generator))
        try:
            await asyncio.gather(generator.run(messages, rate=settings.rate, seconds=seconds), injector.run(faults))
            await generator.settle(settings.quiesce_s)
            await _quiesce(ledger, settings.quiesce_s)
        finally:
            ticker.cancel()
    finally:
        generator.close()
        server.close()
    return judge(ledger, injector.done, start=start)


def _set_up(hub: Hub, sink: sinks.Sink, port: int) -> dict[str, Source]:
    """Two sources and two endpoints: orders and payments go separate ways and meet again in a released order."""
    made = {}
    for provider in ("shopify", "stripe"):
        secret = f"whsec_{secrets.token_hex(16)}" if provider == "stripe" else secrets.token_hex(16)
        hub.api("POST", "/sources", {"id": f"chaos-{provider}", "provider": provider, "secrets": [secret]})
        made[provider] = Source(f"/in/chaos-{provider}", secret.encode())
    for kind in ("order", "payment"):
        path = f"/{kind}"
        body = {"url": f"http://127.0.0.1:{port}{path}", "event_types": [f"{kind}.*"]}
        created = hub.api("POST", "/endpoints", body)
        sink.secrets[path] = base64.b64decode(created["secret"].removeprefix("whsec_"))
    return made


async def _flow(ledger: Ledger, generator: Generator, hub: Hub) -> None:
    """Until the first messages have arrived: without faults everything has to work."""
    deadline = asyncio.get_running_loop().time() + _FLOW_WITHIN_S
    while generator.pending or ledger.outstanding():
        if asyncio.get_running_loop().time() > deadline:
            raise hubs.HubFailedError(
                f"before any fault, {ledger.accepted()} of {len(ledger.sent)} messages were accepted and "
                f"{ledger.distinct_arrived()} arrived within {_FLOW_WITHIN_S:.0f} s; answers: {dict(ledger.answers)}{hub.tail()}"
            )
        await asyncio.sleep(0.1)


async def _quiesce(ledger: Ledger, timeout_s: float) -> None:
    """Until all has arrived, or nothing more comes; then a little longer, for late duplicates."""
    loop = asyncio.get_running_loop()
    deadline, arrived, moved = loop.time() + timeout_s, -1, loop.time()
    while ledger.outstanding() and loop.time() < deadline and loop.time() - moved < _IDLE_S:
        if len(ledger.arrivals) != arrived:
            arrived, moved = len(ledger.arrivals), loop.time()
        await asyncio.sleep(0.25)
    await asyncio.sleep(_LINGER_S)


async def _tick(ledger: Ledger, generator: Generator) -> None:
    while True:
        await asyncio.sleep(10)
        say(
            f"sent {len(ledger.sent)}, accepted {ledger.accepted()}, arrived {ledger.distinct_arrived()}, "
            f"outstanding {ledger.outstanding()}, retrying {generator.pending}"
        )
