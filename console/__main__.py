"""Starts the console: `python -m console`."""

from __future__ import annotations

import logging
import signal
import socket
import sys

import uvicorn

from console.app import create_app
from runtime import process
from runtime.startup import wait_for_kafka, wait_for_schemas
from schemas import topics

log = logging.getLogger("console")
GRACE_S = 10


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parts = process.start("console")
    listener = _listen(parts.settings.host, parts.settings.console_port)
    # uvicorn hands a signal on when it has stopped: a clean stop is exit code 0. Until it runs, this is what stops us.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    wait_for_kafka(parts.kafka, "console")
    wait_for_schemas(parts.codec, "console", list(dict.fromkeys(t.record for t in topics.ALL)))
    log.info("console", extra={"port": listener.getsockname()[1]})
    app = create_app(parts)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as e:
        sys.exit(f"console: cannot listen on {host}:{port} ({e.strerror}): set HUB_CONSOLE_PORT to a free port")


if __name__ == "__main__":
    main()
