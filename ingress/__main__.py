"""Starts the ingress: `python -m ingress`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import uvloop

from ingress import server
from ingress.app import create_app
from runtime import config, process
from runtime.kafka import MESSAGE_MAX, KafkaException
from runtime.publisher import Publisher
from runtime.startup import wait_for_kafka, wait_for_schemas
from schemas import topics
from schemas.records import SourceConfig, WebhookReceived, WebhookRejected

if TYPE_CHECKING:
    import socket

    from runtime.process import Process

log = logging.getLogger("ingress")
ACK_S: Final = 7  # a record without acknowledgement by then is given up, so that the answer comes within 10 s
FLUSH_S: Final = 3
READ_S: Final = 30  # to read config.sources to its end


def main() -> int:
    """Run until SIGTERM or SIGINT, then finish what is under way and answer 0."""
    parts = process.start("ingress")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # nothing is under way until the loop runs
    address = _bind(parts)
    if parts.settings.body_cap > MESSAGE_MAX - 128 * 1024:
        sys.exit(f"ingress: HUB_BODY_CAP={parts.settings.body_cap} is more than Kafka takes: at most {MESSAGE_MAX - 128 * 1024}")
    wait_for_kafka(parts.kafka, "ingress")
    wait_for_schemas(parts.codec, "ingress", [WebhookReceived, WebhookRejected, SourceConfig])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(parts, address))


def _bind(parts: Process) -> socket.socket:
    settings = parts.settings
    try:
        return server.bind(settings.host, settings.ingress_port)
    except OSError as e:
        sys.exit(
            f"ingress: cannot listen on {settings.host}:{settings.ingress_port} ({os.strerror(e.errno or 0)}): set HUB_INGRESS_PORT"
        )


async def serve(parts: Process, address: socket.socket) -> int:
    """Serve on an address until a signal, then finish what is under way."""
    sources = config.sources(parts.kafka, parts.codec, parts.box)
    publisher = Publisher(parts.kafka, delivery_timeout_ms=ACK_S * 1000)
    sources.start()
    publisher.start()
    try:
        await asyncio.get_running_loop().run_in_executor(None, sources.wait_ready, READ_S)
        await publisher.warm([topics.RECEIVED, topics.REJECTED])
    except (TimeoutError, KafkaException) as e:
        sys.exit(f"ingress: Kafka at {parts.kafka.bootstrap} went away during the start: {e}")
    running = server.make(
        create_app(
            settings=parts.settings,
            sources=sources,
            publisher=publisher,
            codec=parts.codec,
            clock=parts.clock,
            health=parts.health,
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: setattr(running, "should_exit", True))
    sweeping = asyncio.create_task(running.sweep())
    await running.serve(sockets=[address])
    sweeping.cancel()
    left = await publisher.close(FLUSH_S)
    sources.close()
    log.info("stopped", extra={"unacknowledged": left})  # nobody was told 2xx for those
    return 0


if __name__ == "__main__":
    sys.exit(main())
