"""The composition root of the delivery worker: three lanes, one engine, one outbox, two readers of what is held."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final

from delivery import client
from delivery.backlog import Backlog
from delivery.engine import Engine, Limits
from delivery.held_reader import HeldReader
from delivery.lane import DRAIN_S, Lane, LaneSpec
from delivery.outbox import Outbox
from delivery.roster import Roster
from runtime import config
from schemas import topics

if TYPE_CHECKING:
    from delivery.held_reader import Answer
    from runtime.process import Process

MIB: Final = 1024 * 1024
WRITES: Final = (
    topics.DELIVERIES, topics.ATTEMPTS, topics.ENDPOINTS, topics.QUARANTINED, topics.STANDINGS, topics.RECEIVED,
)  # fmt: skip


class Worker:
    """A delivery worker: `start`, then `stop` drains and commits."""

    def __init__(self, process: Process) -> None:
        settings, kafka = process.settings, process.kafka
        self._kafka, self._clock = kafka, process.clock
        self._window = settings.window
        self._endpoints = config.endpoints(kafka, process.codec, process.box)
        self._standings = config.standings(kafka, process.codec)
        self._outbox = Outbox(kafka, process.codec)
        roster = Roster(self._endpoints, self._standings, process.clock)
        self._readers = {name: HeldReader(name, kafka, self._deliver) for name in ("restore held", "fetch held")}
        self._engine = Engine(
            sender=client.build(settings, process.clock),
            outbox=self._outbox,
            roster=roster,
            backlog=Backlog(
                outbox=self._outbox,
                codec=process.codec,
                clock=process.clock,
                restorer=self._readers["restore held"],
                fetcher=self._readers["fetch held"],
                names=(kafka.name(topics.DELIVERIES), kafka.name(topics.HELD)),
                receiver=roster.get,
            ),
            clock=process.clock,
            jitter=lambda: random.uniform(-1, 1),  # noqa: S311 - spreads retries, guards nothing
            limits=Limits(
                schedule=settings.retry_schedule,
                requests=settings.max_requests,
                window=settings.window,
                disable_after_s=settings.disable_after_s,
            ),
            pressed=self._live_is_crowded,
        )
        self._endpoints.on_change(self._engine.nudge)
        self._lanes = {spec.name: self._lane(process, spec) for spec in self._specs(settings.window)}
        self._thread = threading.Thread(target=self._engine.run, name="engine", daemon=True)
        process.codec.prepare(*(t.record for t in WRITES))

    def _specs(self, window: int) -> tuple[LaneSpec, ...]:
        return (
            LaneSpec(name="live", group="delivery", topics=(topics.DELIVERIES,), window=window, window_bytes=64 * MIB, owns=True),
            LaneSpec(
                name="retry",
                group="delivery.retry",
                topics=tuple(t.topic for t in topics.TIERS),
                window=max(window // 4, 1),
                window_bytes=8 * MIB,
            ),
            LaneSpec(
                name="replay",
                group="delivery.replay",
                topics=(topics.REPLAY,),
                window=max(window // 20, 1),
                window_bytes=8 * MIB,
                room=self._live_is_calm,
            ),
        )

    def _lane(self, process: Process, spec: LaneSpec) -> Lane:
        return Lane(spec, kafka=process.kafka, codec=process.codec, health=process.health, submit=self._engine.submit)

    def _deliver(self, answer: Answer) -> None:
        self._engine.submit([answer])

    def start(self) -> None:
        """Read the endpoints, then begin to deliver. Raises TimeoutError when Kafka does not answer, PartitionsDifferError."""
        self._kafka.check_beside(topics.DELIVERIES, topics.HELD, "what waits for an endpoint lies beside its deliveries")
        for view in (self._endpoints, self._standings):
            view.start()
        for view in (self._endpoints, self._standings):
            view.wait_ready(30)
        self._outbox.warm()
        self._thread.start()
        for reader in self._readers.values():
            reader.start()
        for lane in self._lanes.values():
            lane.start()

    def stop(self) -> bool:
        """Take nothing more, let attempts under way end, commit, leave. Answers whether everything ended in time."""
        for lane in self._lanes.values():
            lane.stop()
        self._engine.stop()
        drained = self._engine.idle.wait(DRAIN_S)
        for lane in self._lanes.values():
            lane.finish()
        for reader in self._readers.values():
            reader.close()
        for view in (self._endpoints, self._standings):
            view.close()
        return drained

    def _live_is_calm(self) -> bool:
        """Replays are served with what live deliveries leave."""
        return self._lanes["live"].held < self._window // 4

    def _live_is_crowded(self) -> bool:
        return self._lanes["live"].held > self._window * 3 // 4
