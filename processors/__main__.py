"""Starts the processors: `python -m processors`."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import Final

import uvloop

from processors.app import GROUP, Processors
from processors.confirm import die
from runtime import ops, process
from runtime.kafka import PartitionsDifferError
from runtime.lag import LagWatch
from runtime.startup import wait_for_kafka, wait_for_schemas
from schemas import topics

log = logging.getLogger("processors")
DRAIN_S: Final = 10.0
ENDPOINTS_S: Final = 30.0
RECORDS: Final = tuple(dict.fromkeys(t.record for t in topics.ALL))


def main() -> int:
    """Run until SIGTERM or SIGINT. Exit code 0 after a clean stop; 70 where the supervisor is to restart."""
    parts = process.start("processors")
    parts.health.report("agents", ok=False, detail="starting")
    try:
        server = ops.serve(parts.settings.host, parts.settings.processors_port, parts.health)
    except OSError as e:
        sys.exit(f"processors: cannot listen on port {parts.settings.processors_port} ({e.strerror}): set HUB_PROCESSORS_PORT")
    wait_for_kafka(parts.kafka, "processors")
    wait_for_schemas(parts.codec, "processors", RECORDS)
    log.info("processing", extra={"port": server.server_address[1]})
    return uvloop.run(_run(parts))


async def _run(parts: process.Process) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    processors = Processors(parts)
    processors.endpoints.start()
    try:
        await loop.run_in_executor(None, processors.endpoints.wait_ready, ENDPOINTS_S)
        await processors.start()
    except (TimeoutError, PartitionsDifferError) as e:
        sys.exit(f"processors: {e}")
    watch = LagWatch(
        kafka=parts.kafka,
        group=GROUP,
        progress={topics.RECEIVED: processors.received.read_progress, topics.ORDER_FACTS: processors.facts.read_progress},
        owned=lambda: processors.assigned,
        health=parts.health,
        on_stall=die,
    )
    watch.start()
    waiting = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(processors.app.wait_until_stopped())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        die(f"Faust stopped by itself: {processors.app.crash_reason!r}")
    parts.health.report("agents", ok=False, detail="stopping")
    watch.close()
    try:
        await asyncio.wait_for(processors.stop(), DRAIN_S)
    except TimeoutError:
        die(f"not drained within {DRAIN_S:g} s: what was not committed is processed again")
    log.info("stopped, all committed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
