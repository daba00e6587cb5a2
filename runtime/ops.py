"""/metrics, /healthz and /readyz for processes that serve nothing else."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from runtime.health import Health


def respond(path: str, health: Health) -> tuple[int, str, bytes]:
    """Status, content type and body of an operations page; 404 for any other path."""
    well, words = health.read()
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest()
    if path == "/healthz":
        return 200, "application/json", json.dumps({"process": health.process, "alive": True}).encode()
    if path == "/readyz":
        body = {"process": health.process, "ready": well, "components": words}
        return (200 if well else 503), "application/json", json.dumps(body).encode()
    return 404, "text/plain", b"here are /metrics, /healthz and /readyz\n"


def serve(host: str, port: int, health: Health) -> ThreadingHTTPServer:
    """Answer operations pages from a daemon thread. Raises OSError when the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content_type, body = respond(self.path.split("?")[0], health)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Scrapes are not news."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="operations pages", daemon=True).start()
    return server
