"""Faust's consumer, handing records over in batches instead of one by one.

Faust spends five times as long on passing a record from its fetcher through tasks, locks and a queue to the agent as this hub
does on reading it. Here a whole fetch crosses at once, as one list of messages a topic; the group, rebalances, flow
control, offsets and commits stay Faust's own. Source: faust-streaming 0.15.3, `Consumer._drain_messages`,
`ConductorHandler`, which this follows step by step.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, ClassVar

import faust
from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableSet

    from faust.types import TP, ConsumerMessage
    from faust.types.transports import TransportT

    Batch = list[ConsumerMessage]
    Records = Mapping[TP, list[Any]]

log = logging.getLogger(__name__)


class BatchConsumer(aiokafka.Consumer):
    """Calls back once for the records of a topic, whatever their partitions; within a partition their order is kept."""

    async def _drain_messages(self, fetcher: Any) -> None:
        stopped, fetcher_stopped = self._stopped.is_set, fetcher._stopped.is_set  # noqa: SLF001 - Faust's way to ask
        try:
            while not (stopped() or fetcher_stopped()):
                records, active = await self._wait_next_records(1.0)
                await asyncio.sleep(0)
                if not records or self.should_stop:
                    continue
                if self.flow_active:
                    await self._hand_over(records, active or set())
                else:
                    await self._go_back()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _go_back(self) -> None:
        """A rebalance began while the records were on their way: forget them."""
        try:
            await self.perform_seek()
        except Exception as e:  # noqa: BLE001 - as Faust does: the rebalance seeks again
            log.warning("cannot seek during a rebalance", extra={"error": str(e)})

    async def _hand_over(self, records: Records, active: set[TP]) -> None:
        generation = self.app.consumer_generation_id
        batches: dict[str, Batch] = {}
        for tp, found in records.items():
            if tp in active:
                batches.setdefault(tp.topic, []).extend(await self._unread(tp, found))
        for batch in batches.values():
            if batch and self.flow_active and generation == self.app.consumer_generation_id:
                await self.wait_first(self.callback(batch), self.suspend_flow.wait())  # type: ignore[arg-type]  # a list of them

    async def _unread(self, tp: TP, found: Iterable[Any]) -> Batch:
        """Messages of the records that were not handed over before; holes between offsets are noted, commits pass them."""
        batch: Batch = []
        read = self._read_offset[tp]
        for record in found:
            offset = record.offset
            if read is not None and offset < read:
                continue
            if read and offset - read > 1:
                await self._add_gap(tp, read + 1, offset - 1)
            batch.append(self._to_message(tp, record))
            read = offset
        self._read_offset[tp] = read
        return batch


class BatchConductor(Conductor):
    """Puts each batch into the channel of the one agent that reads its topic."""

    def _compile_message_handler(self) -> Any:
        async def on_batch(batch: Batch) -> None:
            async with self._tp_to_callback_lock:
                deliver: Callable[[Batch], Awaitable[None]] = self._tp_to_callback[batch[0].tp]  # type: ignore[assignment]
            await deliver(batch)

        return on_batch

    def _build_handler(self, tp: TP, channels: MutableSet[Any]) -> Any:  # noqa: ARG002 - Faust's signature
        async def deliver(batch: Batch) -> None:
            await self.app.flow_control.acquire()
            for channel in channels:
                await channel.queue.put(batch)

        return deliver


class Transport(aiokafka.Transport):
    """Faust's aiokafka transport with these two."""

    Consumer: ClassVar[Any] = BatchConsumer
    Conductor: ClassVar[Any] = BatchConductor


class App(faust.App):
    """A Faust app whose agents iterate over batches: lists of messages of one topic."""

    def _new_transport(self) -> TransportT:
        return Transport(self.conf.broker_consumer, self)
