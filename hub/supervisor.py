"""The whole hub on one machine, started in order, kept running, stopped in reverse.

Kafka and the registry first (unless others are named by KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL), then topics
and schemas, then the four stages at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from hub import admin_key, ports, recipes, state
from hub.child import end_leftover
from hub.embedded import KAFKA_VERSION, Broker, BrokerConfig
from hub.errors import HubError
from hub.probe import Probe
from hub.state import HubState
from hub.unit import Recipe, Unit
from runtime import process, topics
from runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hub.jars import Progress
    from runtime.settings import HubSettings, Settings

READY_S: Final = 60.0
FIRST_TRIES: Final = 3
_PORTS: Final = {name: (f"HUB_{name.upper()}_PORT", f"{name}_port") for name in recipes.STAGES}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run and whom to tell."""

    settings: Settings
    own: HubSettings
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    say: Callable[[str], None]
    progress: Progress = lambda _done, _total: None
    clock: Clock = field(default_factory=SystemClock)

    @property
    def home(self) -> Path:
        """HUB_HOME, absolute: processes may run elsewhere."""
        return self.settings.home.resolve()


class Hub:
    """Start it, wait on it, stop it; `state` says what runs."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._units: list[Unit] = []
        self._before = state.last(plan.home)
        self._bootstrap = self._registry_url = ""
        self._began = plan.clock.now_ms()
        self._halted = False
        self.admin_key = ""

    @property
    def state(self) -> HubState:
        """Everything that runs."""
        embedded = any(unit.name == "kafka" for unit in self._units)
        return HubState(
            pid=os.getpid(),
            started_at=self._began,
            bootstrap=self._bootstrap,
            registry_url=self._registry_url,
            kafka_version=KAFKA_VERSION if embedded else None,
            processes=[unit.snapshot() for unit in self._units],
        )

    def url(self, name: str) -> str:
        """Where people and programs of this machine reach a process that was started."""
        host = self._plan.settings.host
        port = next(unit.recipe.port for unit in self._units if unit.name == name)
        return f"http://{ports.LOOPBACK if host in ports.ANY else host}:{port}"

    async def start(self) -> None:
        """Return when all is ready. Raises HubError; call `stop` then, too."""
        self._changed()  # what a killed hub wrote last is history
        await asyncio.to_thread(self._end_leftovers)
        stage_ports = self._claim_ports()
        self.admin_key = self._admin_key()
        await self._start_kafka()
        await self._start_registry()
        self._plan.say(await asyncio.to_thread(self._apply_topics))
        around = self._surroundings()
        other = {"processors": self._plan.own.processors_command}
        units = [self._begin(recipes.stage(around, name, port, other.get(name, ()))) for name, port in stage_ports.items()]
        await asyncio.gather(*(self._ready(unit) for unit in units))

    async def stop(self) -> None:
        """Stages together, then the registry, then Kafka."""
        self._halted = True
        stages = [unit for unit in self._units if unit.name in recipes.STAGES]
        if stages:
            self._plan.say(f"stopping {', '.join(unit.name for unit in stages)}")
        await asyncio.gather(*(unit.stop() for unit in stages))
        for unit in reversed([unit for unit in self._units if unit not in stages]):
            self._plan.say(f"stopping {unit.name}")
            await unit.stop()

    def kill(self) -> None:
        """SIGKILL everything."""
        for unit in self._units:
            unit.kill()

    def _end_leftovers(self) -> None:
        for name in (*recipes.STAGES, "registry", "kafka"):
            pid = end_leftover(recipes.record(self._plan.home, name), grace_s=15.0 if name == "kafka" else 3.0)
            if pid is not None:
                self._plan.say(f"ended {name} (pid {pid}), left running by a hub that was killed")

    def _claim_ports(self) -> dict[str, int]:
        settings = self._plan.settings
        return {
            name: ports.claim(getattr(settings, attribute), variable, settings.host)
            for name, (variable, attribute) in _PORTS.items()
        }

    def _admin_key(self) -> str:
        home = self._plan.home
        known = self._plan.settings.admin_key or admin_key.kept(home)
        if known:
            return known
        made = admin_key.make(home)
        self._plan.say(f"admin key, shown this once and kept in {home / 'admin.key'}: {made}")
        return made

    async def _start_kafka(self) -> None:
        own = self._plan.own
        if own.external_kafka:
            self._bootstrap = own.external_kafka
            if not await asyncio.to_thread(Probe(own.external_kafka).answers, 10.0):
                raise HubError(
                    f"Kafka at {own.external_kafka} does not answer: start it, or mend or unset KAFKA_BOOTSTRAP_SERVERS."
                )
            return
        port = self._usual_port(own.kafka_port, "kafka")
        config = BrokerConfig(
            home=self._plan.home,
            cache=own.cache or self._plan.home / "cache",
            port=port,
            jit=own.kafka_jit,
            repository=own.maven_url,
            environment=dict(self._plan.environment),
        )
        broker = Broker(config)
        await asyncio.to_thread(broker.prepare, self._progress)
        self._bootstrap = broker.bootstrap
        unit = self._begin(recipes.broker(broker))
        await self._ready(unit, or_fail=broker.failure)

    async def _start_registry(self) -> None:
        own = self._plan.own
        if own.external_registry:
            self._registry_url = own.external_registry
            return
        port = ports.claim(self._usual_port(own.registry_port, "registry"), "HUB_REGISTRY_PORT")
        self._registry_url = f"http://{ports.LOOPBACK}:{port}"
        await self._ready(self._begin(recipes.registry(self._surroundings(), port)))

    def _usual_port(self, wanted: int, name: str) -> int:
        """The wanted port; for 0 the one of the last run, so that addresses last, unless another has it now."""
        before = self._before.processes if self._before else []
        usual = next((p.port for p in before if p.name == name and p.port), 0)
        return wanted or (usual if usual and ports.is_free(usual) else 0)

    def _surroundings(self) -> recipes.Surroundings:
        own = {
            "HUB_HOME": str(self._plan.home),
            "HUB_ADMIN_KEY": self.admin_key,
            "KAFKA_BOOTSTRAP_SERVERS": self._bootstrap,
            "SCHEMA_REGISTRY_URL": self._registry_url,
        }
        host = self._plan.settings.host
        return recipes.Surroundings(home=self._plan.home, host=host, environment={**self._plan.environment, **own})

    def _apply_topics(self) -> str:
        changes = {"home": self._plan.home, "bootstrap": self._bootstrap, "registry_url": self._registry_url}
        settings = msgspec.structs.replace(self._plan.settings, **changes)
        parts = process.build("hub", settings)
        changed = topics.apply(parts.kafka)
        topics.register(settings, parts.codec)
        return f"topics are as they should be ({len(changed)} changed), schemas are registered"

    def _begin(self, recipe: Recipe) -> Unit:
        unit = Unit(recipe, self._plan.clock, self._changed, self._plan.say)
        self._units.append(unit)
        unit.begin()
        return unit

    async def _ready(self, unit: Unit, or_fail: Callable[[str], HubError] | None = None) -> None:
        """Wait for the first readiness. What everything rests on fails the start; a stage goes on being tried."""
        deadline = self._plan.clock.monotonic() + READY_S
        while not unit.was_ready.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(unit.was_ready.wait(), 0.2)
            late = self._plan.clock.monotonic() > deadline
            if or_fail and (late or unit.restarts >= FIRST_TRIES):
                raise or_fail(f"gave no answer within {READY_S:.0f} s" if late else f"ended {unit.restarts} times at its start")
            if late:
                self._plan.say(f"{unit.name} is still not ready after {READY_S:.0f} s; its log is {unit.recipe.log}")
                return

    def _progress(self, done: int, total: int) -> None:
        if self._halted:
            raise HubError("stopped while Kafka's jars were being fetched")
        self._plan.progress(done, total)

    def _changed(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # the folder was removed under us: processes matter more
            state.write(self._plan.home, self.state)
