"""Faults: which process is hit how and when (pure, from a seed), and the hitting."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tests.bench.processes import alive
from tests.chaos.verdict import FaultDone

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from tests.bench.hub import Hub

SIGNALS: Final = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}
_NAMES: Final = {"broker": "kafka"}  # what the supervisor calls it
_HAS_PID_WITHIN_S: Final = 90.0
_BACK_WITHIN_S: Final = 120.0
_QUIET_S: Final = 5.0  # at both ends of the run nothing is hit


@dataclass(frozen=True)
class Fault:
    """At `at` seconds into the run, do `kind` to `process`."""

    at: float
    kind: str
    process: str


def plan(
    rng: random.Random, *, processes: Sequence[str], kinds: Sequence[str], times: int, broker_kills: int, seconds: float
) -> list[Fault]:
    """Every kind on every process `times` times, in random order: each at a random moment of its own slot of the run."""
    hits = [(kind, process) for process in processes for kind in kinds for _ in range(times)]
    hits += [("kill", "broker")] * broker_kills
    rng.shuffle(hits)
    slot = (seconds - 2 * _QUIET_S) / len(hits) if hits else 0.0
    return [Fault(_QUIET_S + slot * (i + rng.random()), kind, process) for i, (kind, process) in enumerate(hits)]


class Injector:
    """Inflicts the faults of a plan on a running hub and waits, beside the next ones, for each process to be back."""

    def __init__(self, hub: Hub, *, stop_s: float, say: Callable[[str], None]) -> None:
        self._hub, self._stop_s, self._say = hub, stop_s, say
        self._loop = asyncio.get_running_loop()
        self._watching: set[asyncio.Task[None]] = set()
        self.done: list[FaultDone] = []

    async def run(self, faults: Sequence[Fault]) -> None:
        """Inflict each at its time; returns when all processes are back or were waited for in vain."""
        begun = self._loop.time()
        for fault in faults:
            await asyncio.sleep(max(0.0, begun + fault.at - self._loop.time()))
            await self._inflict(fault)
        if self._watching:
            await asyncio.wait(self._watching)

    async def _inflict(self, fault: Fault) -> None:
        name, pid = await self._find(fault.process)
        at = self._loop.time()
        os.kill(pid, SIGNALS[fault.kind])
        self._say(f"{fault.kind} {fault.process} (pid {pid})")
        self.done.append(FaultDone(kind=fault.kind, process=fault.process, pid=pid, at=at))
        task = self._loop.create_task(self._watch(len(self.done) - 1, name))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _find(self, process: str) -> tuple[str, int]:
        """The name and pid of a process that is alive: one hit just now has to be started again first."""
        name = _NAMES.get(process, process)
        deadline = self._loop.time() + _HAS_PID_WITHIN_S
        while self._loop.time() < deadline:
            pid = self._hub.processes().get(name, {}).get("pid")
            if pid and alive(pid):
                return name, int(pid)
            await asyncio.sleep(0.05)
        raise TimeoutError(f"{process} had no living process for {_HAS_PID_WITHIN_S:.0f} s{self._hub.tail()}")

    async def _watch(self, index: int, name: str) -> None:
        hit = self.done[index]
        if hit.kind == "stop":
            await asyncio.sleep(self._stop_s)
            with contextlib.suppress(ProcessLookupError):  # the supervisor may have ended it for its silence
                os.kill(hit.pid, signal.SIGCONT)
        deadline = self._loop.time() + _BACK_WITHIN_S
        while self._loop.time() < deadline:
            if await self._back(hit, name):
                self.done[index] = replace(hit, back_s=self._loop.time() - hit.at)
                return
            await asyncio.sleep(0.1)
        self._say(f"{hit} at pid {hit.pid}: not back within {_BACK_WITHIN_S:.0f} s")

    async def _back(self, hit: FaultDone, name: str) -> bool:
        """Another process is in its place (after a stop: any) and says that it is ready."""
        now = self._hub.processes().get(name, {})
        if not now.get("pid") or (hit.kind != "stop" and now["pid"] == hit.pid):
            return False
        if name in self._hub.ports:
            return await asyncio.to_thread(self._hub.ready, name)
        return str(now.get("state")) == "up"
