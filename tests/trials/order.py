"""order: an endpoint that asks for order, a receiver that fails and hangs at random, workers that die, join and leave.

Events of each object are published one after the other, each when the one before was accepted, so their order is beyond
doubt. What the receiver saw is judged by `history`. The same harness on an endpoint without order has to find disorder.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from hub import recipes
from schemas import topics
from tests.bench.client import Head, Pool
from tests.bench.receiver import FAILED, OK
from tests.chaos.faults import Fault, Injector
from tests.chaos.sink import HANG
from tests.trials.finding import Finding
from tests.trials.history import Arrival, History, examine, judge
from tests.trials.traffic import Listening, configure, until
from tests.trials.wire import Wire, name_for, partition_of
from tests.trials.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.hub import Hub
    from tests.chaos.verdict import FaultDone

NAME: Final = "order"
ABOUT: Final = "order per object while the receiver fails at random, workers are killed, and another one joins and leaves"
ENVIRONMENT: Final[dict[str, str]] = {}
SLOT: Final = "trial"
FAIL: Final = 0.10
HANG_: Final = 0.01
SCHEDULE: Final = [*[0.5] * 30, *[1.0] * 60]  # so long that nothing is given up; the next event of a hot object comes before
HOT: Final = 0.5  # of the events are of one object in ten
_IDENTITY: Final = re.compile(rb'"object":\s*"(k\d+)",\s*"n":\s*(\d+)')
_TENANTS: Final = ("ordered", "control")
_STAYS_S: Final = 12.0
_HANDED_OVER_S: Final = 32.0  # a static member's partitions are its own until its session ends, though it has left
_JOINED_WITHIN_S: Final = 45.0
_STUCK_S: Final = 60.0  # longer than a worker's session, after which another one takes over


@dataclass(frozen=True, kw_only=True)
class Size:
    """`events` over `keys` objects at `rate` a second; `joins`: how often the second worker comes and goes."""

    keys: int = 200
    events: int = 20_000
    rate: float = 100.0
    kills: int = 10
    joins: int = 2
    control: int = 2000
    seed: int = 1


QUICK: Final = Size(keys=50, events=6500, kills=3, joins=1, control=500)


class Receiver:
    """Fails and hangs at random, and notes everything."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.histories = {f"/{name}": History() for name in _TENANTS}

    def take(self, path: str, headers: dict[bytes, bytes], body: bytes, _at: float) -> bytes:
        found = _IDENTITY.search(body)
        if found is None:
            return OK
        dice = self._rng.random()
        answer = FAILED if dice < FAIL else HANG if dice < FAIL + HANG_ else OK
        webhook_id = headers.get(b"webhook-id", b"").decode()
        self.histories[path].arrive(Arrival(found[1].decode(), int(found[2]), webhook_id, taken=answer is OK))
        return answer


class Publisher:
    """Publishes histories of objects: of each, the next event when the last was accepted."""

    def __init__(self, hub: Hub, history: History, tenant: str, rng: random.Random) -> None:
        self._history, self._tenant, self._rng = history, tenant, rng
        self._pool = Pool("127.0.0.1", hub.ports["ingress"], timeout_s=10, limit=64)
        headers = [("Content-Type", "application/json"), ("Authorization", f"Bearer {hub.admin_key}")]
        self._head = Head("POST", "/v1/events", f"127.0.0.1:{hub.ports['ingress']}", headers, lambda: b"")

    async def run(self, *, keys: int, events: int, rate: float) -> None:
        """All of them, evenly over time; a tenth of the objects is hot."""
        loop = asyncio.get_running_loop()
        begun, numbers = loop.time(), iter(range(events))

        async def objects(mine: list[str]) -> None:
            # One after the other, so an object's next event leaves after its last was accepted.
            counts = dict.fromkeys(mine, 0)
            while (number := next(numbers, None)) is not None:
                await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))
                key = mine[0] if self._rng.random() < HOT else self._rng.choice(mine)
                await self._insist(key, counts[key])
                counts[key] += 1

        names = [f"k{i}" for i in range(keys)]
        workers = max(1, keys // 10)
        await asyncio.gather(*(objects(names[i::workers]) for i in range(workers)))

    def close(self) -> None:
        self._pool.close()

    async def _insist(self, key: str, n: int) -> None:
        event = {"type": "trial.step", "tenant": self._tenant, "key": key, "data": {"object": key, "n": n}}
        event["idempotency_key"] = f"{self._tenant} {key} {n}"
        request = self._head.build(json.dumps(event).encode())
        while True:
            status, _ = await self._pool.request(request)
            if 200 <= status < 300:
                self._history.accept(key, n)
                return
            await asyncio.sleep(0.2)


@dataclass
class Hands:
    """Which worker has had the endpoint from when on."""

    seen: list[tuple[float, str]] = field(default_factory=list)

    def see(self, at: float, owner: str | None) -> None:
        if owner is not None and (not self.seen or owner != self.seen[-1][1]):
            self.seen.append((at, owner))

    def at(self, moment: float) -> str | None:
        """Who had it then."""
        return next((owner for at, owner in reversed(self.seen) if at <= moment), None)


@dataclass(frozen=True)
class Troubles:
    """When what happens, in seconds of the run: stays of the second worker, kills of the first."""

    stays: list[tuple[float, float]]
    kills: list[float]


def troubles(rng: random.Random, *, kills: int, joins: int, seconds: float) -> Troubles:
    """Stays spread evenly; kills at random moments when the hub's own worker has the endpoint to itself."""
    stays = [(i * seconds / joins, i * seconds / joins + _STAYS_S) for i in range(joins)]
    free, at = [], 0.0
    for joined, left in [*stays, (seconds, seconds)]:
        free.append((at, max(at, joined)))
        at = left + _HANDED_OVER_S
    total = sum(end - start for start, end in free)
    moments = []
    for i in range(kills):
        place = (i + 0.2 + 0.8 * rng.random()) * total / kills
        for start, end in free:
            if place <= end - start:
                moments.append(start + place)
                break
            place -= end - start
    return Troubles(stays, moments)


async def run(hub: Hub, size: Size, say: Callable[[str], None]) -> Finding:
    """The trial on a running hub."""
    receiver = Receiver(random.Random(size.seed))
    # Without joins there is nothing to choose; with them, the endpoint is to be one that goes to the worker that joins.
    worker = await _join(hub, say) if size.joins else None
    try:
        hits, hands = await _both(hub, receiver, size, worker, say)
    finally:
        if worker is not None:
            await asyncio.to_thread(worker.leave)
    found, other = (examine(receiver.histories[f"/{name}"]) for name in _TENANTS)
    serving = sum(hands.at(hit.at) == recipes.SLOT for hit in hits)
    survived = sum(hit.back_s is not None for hit in hits)
    changes = len(hands.seen) - 1
    checks = judge(
        found, control=other, wanted=size.events, kills=size.kills, survived=survived, serving=serving, joins=size.joins, changes=changes
    )  # fmt: skip
    figures = found.figures() | {"changed_workers": changes, "kills_of_the_serving_worker": serving, "control": other.figures()}
    return Finding(trial=NAME, checks=checks, figures=figures)


async def _both(
    hub: Hub, receiver: Receiver, size: Size, worker: Worker | None, say: Callable[[str], None]
) -> tuple[list[FaultDone], Hands]:
    """The control in peace, then the ordered endpoint with all its troubles."""
    ordered, control = await asyncio.to_thread(_names, hub, size)
    async with Listening(receiver) as server:
        fields: dict[str, object] = {"timeout_s": 1.0, "retry_schedule": SCHEDULE}
        made = [
            (control, f"{server.urls[0]}/control", fields | {"tenant": "control", "ordering": "none"}),
            (ordered, f"{server.urls[0]}/ordered", fields | {"tenant": "ordered", "ordering": "key"}),
        ]
        await configure(hub, made)
        say(f"negative control: {size.control:,} events of {size.keys} objects, `ordering: none`")
        calm = replace(size, events=size.control, kills=0, joins=0)
        await _part(hub, receiver, "control", calm, None, control, say)
        say(f"{size.events:,} events of {size.keys} objects, `ordering: key`, {size.kills} kills, {size.joins} joins")
        return await _part(hub, receiver, "ordered", size, worker, ordered, say)


async def _part(
    hub: Hub, receiver: Receiver, name: str, size: Size, worker: Worker | None, endpoint: str, say: Callable[[str], None]
) -> tuple[list[FaultDone], Hands]:
    """Publish one endpoint's events while everything goes wrong; the kills, and who had the endpoint when."""
    history, seconds = receiver.histories[f"/{name}"], size.events / size.rate
    publisher, injector, hands = (
        Publisher(hub, history, name, random.Random(size.seed)),
        Injector(hub, stop_s=0, say=say),
        Hands(),
    )
    planned = troubles(random.Random(size.seed), kills=size.kills, joins=size.joins, seconds=seconds)
    watching = asyncio.create_task(_watch(hub, history, endpoint, hands, say))
    try:
        await asyncio.gather(
            publisher.run(keys=size.keys, events=size.events, rate=size.rate),
            injector.run([Fault(at, "kill", "delivery") for at in planned.kills]),
            _come_and_go(hub, worker, planned.stays, say),
        )
        await _drained(history)
    finally:
        watching.cancel()
        publisher.close()
    return injector.done, hands


async def _drained(history: History) -> None:
    """Until everything has been taken, or nothing is any more; then a little longer, for late duplicates."""
    while left := history.outstanding():
        if not await until(lambda left=left: history.outstanding() < left, _STUCK_S):
            return
    await asyncio.sleep(2)


async def _come_and_go(hub: Hub, worker: Worker | None, stays: list[tuple[float, float]], say: Callable[[str], None]) -> None:
    """The second worker comes and goes; `worker` is there already."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for joins, leaves in stays:
        await asyncio.sleep(max(0.0, begun + joins - loop.time()))
        worker = worker or await _join(hub, say)
        try:
            await asyncio.sleep(max(0.0, begun + leaves - loop.time()))
        finally:
            code = await asyncio.to_thread(worker.leave)
            say(f"the second worker has left (exit code {code})")
        worker = None


async def _join(hub: Hub, say: Callable[[str], None]) -> Worker:
    """A second worker, once it has partitions."""
    worker = await asyncio.to_thread(Worker, hub, SLOT, {})
    with Wire.of(hub) as wire:
        joined = await until(lambda: SLOT in wire.owners("delivery", topics.DELIVERIES).values(), _JOINED_WITHIN_S)
    if not joined:
        await asyncio.to_thread(worker.leave)
        raise RuntimeError(f"the second worker got no partition within {_JOINED_WITHIN_S:g} s; its log is {worker.log}")
    say("a second worker has joined")
    return worker


def _names(hub: Hub, size: Size) -> tuple[str, str]:
    """Ids of the ordered endpoint and the control; the first lies in a partition of the worker that has joined."""
    with Wire.of(hub) as wire:
        owners = wire.owners("delivery", topics.DELIVERIES)
    moved = [partition for partition, owner in sorted(owners.items()) if owner == SLOT]
    return name_for(moved[0] if moved else 0, topics.DELIVERIES, "ordered-"), "control-0"


async def _watch(hub: Hub, history: History, endpoint: str, hands: Hands, say: Callable[[str], None]) -> None:
    """Follow who serves the endpoint, and tell how far it is."""
    with Wire.of(hub) as wire:
        where = partition_of(endpoint, topics.DELIVERIES)
        for second in range(1 << 30):
            owners = await asyncio.to_thread(wire.owners, "delivery", topics.DELIVERIES)
            hands.see(asyncio.get_running_loop().time(), owners.get(where))
            if second % 10 == 9:
                say(f"{sum(history.accepted.values()):,} accepted, {history.outstanding():,} of them not taken yet")
            await asyncio.sleep(1)
