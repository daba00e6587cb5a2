"""The composition root of the delivery worker: three lanes, one engine, one outbox."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final

from delivery import client
from delivery.engine import Engine
from delivery.lane import DRAIN_S, Lane, LaneSpec
from delivery.outbox import Outbox
from runtime import config
from schemas import topics

if TYPE_CHECKING:
    from runtime.process import Process

MIB: Final = 1024 * 1024


class Worker:
    """A delivery worker: `start`, then `stop` drains and commits."""

    def __init__(self, process: Process) -> None:
        settings = process.settings
        self._health = process.health
        self._endpoints = config.endpoints(process.kafka, process.codec, process.box)
        self._outbox = Outbox(process.kafka, process.codec)
        self._engine = Engine(
            http=client.build(settings, process.clock),
            outbox=self._outbox,
            endpoints=self._endpoints,
            clock=process.clock,
            jitter=lambda: random.uniform(-1, 1),  # noqa: S311 - spreads retries, guards nothing
            schedule=settings.retry_schedule,
            max_requests=settings.max_requests,
            pressed=self._live_is_crowded,
        )
        specs = (
            LaneSpec(name="live", group="delivery", topics=(topics.DELIVERIES,), window=settings.window, window_bytes=64 * MIB),
            LaneSpec(
                name="retry",
                group="delivery.retry",
                topics=tuple(t.topic for t in topics.TIERS),
                window=max(settings.window // 4, 1),
                window_bytes=8 * MIB,
            ),
            LaneSpec(
                name="replay",
                group="delivery.replay",
                topics=(topics.REPLAY,),
                window=max(settings.window // 20, 1),
                window_bytes=8 * MIB,
                room=self._live_is_calm,
            ),
        )
        self._lanes = {
            spec.name: Lane(spec, kafka=process.kafka, codec=process.codec, health=process.health, submit=self._engine.submit)
            for spec in specs
        }
        self._window = settings.window
        self._thread = threading.Thread(target=self._engine.run, name="engine", daemon=True)
        process.codec.prepare(*(t.record for t in (topics.DELIVERIES, topics.ATTEMPTS, topics.ENDPOINTS, topics.QUARANTINED)))

    def start(self) -> None:
        """Read the endpoints, then begin to deliver. Raises TimeoutError when Kafka does not answer."""
        self._endpoints.start()
        self._endpoints.wait_ready(30)
        self._outbox.warm()
        self._thread.start()
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
        self._endpoints.close()
        return drained

    def _live_is_calm(self) -> bool:
        """Replays are served with what live deliveries leave."""
        return self._lanes["live"].held < self._window // 4

    def _live_is_crowded(self) -> bool:
        return self._lanes["live"].held > self._window * 3 // 4
