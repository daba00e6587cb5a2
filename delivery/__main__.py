"""Starts a delivery worker: `python -m delivery`."""

from __future__ import annotations

import logging
import signal
import sys
import threading

from delivery.app import Worker
from runtime import ops, process
from runtime.kafka import PartitionsDifferError
from runtime.startup import wait_for_kafka

log = logging.getLogger("delivery")


def main() -> int:
    """Run until SIGTERM or SIGINT. Exit code 0 after a clean stop, 1 when something was still under way."""
    parts = process.start("delivery")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    parts.health.report("worker", ok=False, detail="starting")
    try:
        server = ops.serve(parts.settings.host, parts.settings.delivery_port, parts.health)
    except OSError as e:
        sys.exit(f"delivery: cannot listen on port {parts.settings.delivery_port} ({e.strerror}): set HUB_DELIVERY_PORT")
    wait_for_kafka(parts.kafka, "delivery")
    worker = Worker(parts)
    try:
        worker.start()
    except (TimeoutError, PartitionsDifferError) as e:
        sys.exit(f"delivery: {e}")
    parts.health.report("worker", ok=True)
    log.info("delivering", extra={"port": server.server_address[1]})
    stop.wait()
    log.info("stopping: no new attempts, waiting for those under way")
    clean = worker.stop()
    server.shutdown()
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
