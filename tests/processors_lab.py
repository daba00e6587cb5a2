"""A deployment with the real processors process, for the integration tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from processors.facts import fact
from processors.normalize import normalize
from processors.orders import apply
from processors.route import Index, Unrouted, route
from runtime.kafka import TopicPartition
from schemas import topics
from tests.lab import Lab
from tests.webhooks import HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from schemas.records import EndpointConfig, WebhookReceived
    from schemas.topics import Topic

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60


class ProcessorsLab(Lab):
    """`start` runs `python -m processors` (or another module in its place); `stop` ends what still runs."""

    def __init__(self, bootstrap: str, registry_url: str, home: Path) -> None:
        super().__init__(bootstrap, home, registry_url)
        self.log = home / "processors.log"
        self._asker = self.kafka.consumer(f"asker-{uuid.uuid4().hex}")
        self._member = self.kafka.consumer("processors")  # never subscribes: it only asks what is committed
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, instance: str = "1", module: str = "processors") -> subprocess.Popen[bytes]:
        env = self.environment() | {"HUB_INSTANCE": instance}
        with self.log.open("ab") as log:
            started = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=env, stdout=log, stderr=log)
        self._running.append(started)
        return started

    def stop(self) -> None:
        for running in self._running:
            if running.poll() is None:
                running.send_signal(signal.SIGKILL)
                running.wait(10)
        self._asker.close()
        self._member.close()
        self.close()

    def end(self, running: subprocess.Popen[bytes], number: signal.Signals) -> int:
        running.send_signal(number)
        return running.wait(30)

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            for running in self._running:
                assert running.poll() in (None, 0, -signal.SIGKILL), f"processors ended with {running.poll()}: {self.tail()}"
            assert time.monotonic() < deadline, f"{what} took more than {PATIENCE_S} s: {self.tail()}"
            time.sleep(0.05)

    def tail(self) -> str:
        return self.log.read_text()[-6000:] if self.log.exists() else ""

    def receive(self, webhooks: Iterable[WebhookReceived]) -> int:
        """Write raw webhooks as the ingress does; answers how many."""
        count = 0
        for found in webhooks:
            self.write(topics.RECEIVED, f"{found.tenant}/{found.source}/{found.object_id}", found)
            count += 1
            if count % 1000 == 0:
                self.flush()
        self.flush()
        return count

    def ends(self, topic: Topic) -> list[int]:
        """The end of each partition."""
        name = self.kafka.name(topic)
        partitions = self.kafka.partitions([name], self._asker)[name]
        return [self._end(self._asker, TopicPartition(name, p)) for p in partitions]

    def at(self, name: str, partition: int, offset: int) -> bytes | None:
        """The value at a place."""
        self._asker.assign([TopicPartition(name, partition, offset)])
        message = self._asker.poll(10)
        self._asker.unassign()  # or every later question would wait behind a fetch
        assert message is not None
        assert message.error() is None
        assert message.offset() == offset
        return message.value()

    def end_of(self, topic: Topic) -> int:
        """How many records a topic has had."""
        return sum(self.ends(topic))

    def done(self, topic: Topic) -> int:
        """How many records of a topic the processors have committed."""
        name = self.kafka.name(topic)
        spots = [TopicPartition(name, p) for p in self.kafka.partitions([name], self._member)[name]]
        return sum(max(s.offset, 0) for s in self._member.committed(spots, timeout=10))

    def all_done(self) -> bool:
        """Whether both agents have committed all there is."""
        return all(self.done(t) >= self.end_of(t) for t in (topics.RECEIVED, topics.ORDER_FACTS))


def expected(webhooks: Iterable[WebhookReceived], endpoints: Iterable[EndpointConfig]) -> set[str]:
    """Ids of the deliveries of these webhooks, by the same pure functions, without Kafka."""
    index = Index(endpoints)
    made: set[str] = set()
    states: dict[str, object] = {}
    for found in webhooks:
        events = list(normalize(found, HERE))
        for told in filter(None, map(fact, events)):
            step = apply(states.get(told.order_id), told)  # type: ignore[arg-type]
            states[told.order_id] = step.state
            events += [step.released] if step.released else []
        for event in events:
            there = route(event, index)
            made |= set() if isinstance(there, Unrouted) else {d.id for d in there}
    return made
