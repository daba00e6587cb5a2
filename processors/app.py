"""The composition root of the processors: two agents in the order of the flow.

webhooks.received -> normalize, facts, route -> commerce.*, workflows.orders, deliveries
workflows.orders  -> order workflow, route   -> workflows.orders.state, commerce.orders, deliveries
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from processors import quarantine, workflow
from processors.confirm import ConfirmedAgent
from processors.intake import App
from processors.normalize import Pointer
from processors.output import Writer
from processors.receive import receive
from processors.route import Index
from processors.state import Store
from runtime import config
from runtime.sender import Sender
from schemas import topics
from schemas.codec import DecodeError, SchemaUnavailableError

if TYPE_CHECKING:
    from processors.confirm import Incoming
    from processors.output import Headers, Work
    from runtime.process import Process
    from runtime.settings import Settings

log = logging.getLogger(__name__)
GROUP: Final = "processors"
FETCHED: Final = 500  # records Faust hands over at once
FETCH_BYTES: Final = 256 * 1024  # of a partition; the next one waits until they are read, and larger records come alone
LINGER_MS: Final = 1  # as long as the records of a lot for one topic take to be handed over


def create_faust(settings: Settings) -> App:
    """A Faust app with the settings under which it loses nothing; each is there for a measured reason."""
    group = settings.topic_prefix + GROUP
    return App(
        group,
        broker=[f"aiokafka://{server.strip()}" for server in settings.bootstrap.split(",")],
        consumer_group_instance_id=f"{group}-{settings.instance}" if settings.instance else None,
        consumer_auto_offset_reset="earliest",
        processing_guarantee="at_least_once",
        stream_wait_empty=True,
        broker_max_poll_records=FETCHED,
        consumer_max_fetch_size=FETCH_BYTES,
        broker_session_timeout=30.0,
        broker_max_poll_interval=300.0,
        broker_commit_interval=1.0,
        producer_request_timeout=30.0,
        producer_acks=-1,
        store="memory://",
        datadir=settings.home / "run" / "faust",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
    )


class Processors:
    """The processors of one process: `start` on a running loop, then `stop` drains and commits."""

    def __init__(self, process: Process) -> None:
        self.app = create_faust(process.settings)
        self.sender = Sender(process.kafka, linger_ms=LINGER_MS)
        self._kafka, self._health = process.kafka, process.health
        self.endpoints = config.endpoints(process.kafka, process.codec, process.box)
        self._codec, self._writer = process.codec, Writer(process.codec)
        self._index, self._version = Index(()), -1
        self.received = self._agent(process, topics.RECEIVED, "webhooks", self._on_webhook)
        self.facts = self._agent(process, topics.ORDER_FACTS, "orders", self._on_fact)
        self._states = Store(
            process.kafka,
            topics.ORDER_STATES,
            merge=lambda one, other: workflow.merge_states(one, other, process.codec),
            alive=self.facts.touch,
        )
        self.assigned: frozenset[tuple[str, int]] = frozenset()
        self.app.on_partitions_assigned.connect(self._on_assigned)
        self.app.on_partitions_revoked.connect(self._on_revoked)

    def _agent(self, process: Process, topic: topics.Topic[Any], name: str, transform: Any) -> ConfirmedAgent:
        return ConfirmedAgent(
            app=self.app,
            topic=process.kafka.name(topic),
            name=name,
            transform=transform,
            sender=self.sender,
            clock=process.clock,
        )

    async def start(self) -> None:
        """Begin to consume. Raises PartitionsDifferError."""
        self._kafka.check_beside(topics.ORDER_FACTS, topics.ORDER_STATES, "a state lies beside its facts")
        self.app.conf.datadir.mkdir(parents=True, exist_ok=True)
        self.sender.start()
        await self.sender.warm([*topics.COMMERCE.values(), topics.ORDER_FACTS, topics.ORDER_STATES, topics.DELIVERIES])
        await self.app.start()

    async def stop(self) -> None:
        """Take nothing more, wait for what is under way, commit, leave."""
        await self.app.stop()
        await self.sender.close()
        self.endpoints.close()

    async def _on_webhook(self, message: Incoming) -> Work:
        return receive(
            message.value,
            _pointer(message),
            _written_at(message),
            codec=self._codec,
            writer=self._writer,
            index=self._endpoints_index(),
            trace=_trace(message),
        )

    async def _on_fact(self, message: Incoming) -> Work:
        at = _pointer(message)
        try:
            fact = workflow.read(message.value, self._codec)
        except SchemaUnavailableError:
            raise  # the record may be good: it is read again when the registry answers
        except (DecodeError, LookupError) as e:
            return quarantine.undecodable(self._writer, at, _written_at(message), e)
        states = await self._states.part(message.partition)
        step = workflow.advance(
            fact,
            states.get(workflow.key_of(fact)),
            at,
            _written_at(message),
            codec=self._codec,
            writer=self._writer,
            index=self._endpoints_index(),
            trace=_trace(message),
        )
        if step.state is not None:
            states[step.key] = step.state
        return step.work

    def _endpoints_index(self) -> Index:
        version = self.endpoints.version  # before the items: a change in between is seen the next time
        if version != self._version:
            self._index = Index(e.config for e in self.endpoints.items.values())
            self._version = version
        return self._index

    async def _on_assigned(self, *args: Any, **_: Any) -> None:
        self.assigned = frozenset(args[-1])  # Faust's signal: the app, then a set of (topic, partition)
        self._health.report("agents", ok=True, detail=f"{len(self.assigned)} partitions")
        log.info("partitions assigned", extra={"partitions": len(self.assigned)})

    async def _on_revoked(self, *args: Any, **_: Any) -> None:
        revoked = args[-1]
        self.assigned -= revoked
        for agent in (self.received, self.facts):
            agent.revoke(revoked)
        self._states.drop(tp.partition for tp in revoked if tp.topic == self.facts.topic)


def _pointer(message: Incoming) -> Pointer:
    return Pointer(message.topic, message.partition, message.offset)


def _written_at(message: Incoming) -> int:
    return round((message.timestamp or 0) * 1000)


def _trace(message: Incoming) -> Headers:
    return [(name, value) for name, value in message.headers or () if name == "traceparent"]
