"""A fresh hub for one experiment: its own folder and ports, started by `hub up`, asked through its public API."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.bench import processes

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parents[2]
STAGES: Final = ("ingress", "processors", "delivery", "console")
_SHARED: Final = ("KAFKA_BOOTSTRAP_SERVERS", "SCHEMA_REGISTRY_URL", "DATABASE_URL")  # never an experiment's own
_STARTED: Final[dict[int, subprocess.Popen[bytes]]] = {}  # by pid; a Popen that is dropped while its process runs warns
_READY_WITHIN_S: Final = 240.0  # the first start on a machine fetches Kafka's jars
_STOPPED_WITHIN_S: Final = 60.0


class HubFailedError(Exception):
    """The hub did not do what the experiment needs; the message holds the end of its log."""


@dataclass(frozen=True)
class Hub:
    """A running hub. `ports` by stage."""

    pid: int
    home: str
    admin_key: str
    ports: dict[str, int]

    @property
    def ingress(self) -> str:
        return f"http://127.0.0.1:{self.ports['ingress']}"

    @property
    def log(self) -> Path:
        return Path(self.home) / "up.log"

    def processes(self) -> dict[str, dict[str, Any]]:
        """What the supervisor runs, by name; empty while it has not said so."""
        try:
            state = json.loads((Path(self.home) / "run" / "hub.json").read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return {p["name"]: p for p in state["processes"]}

    def pids(self) -> list[int]:
        """Roots of everything it runs: the supervisor and, should one not be its child, each process it names."""
        return [self.pid, *(p["pid"] for p in self.processes().values() if p.get("pid"))]

    def names(self) -> dict[int, str]:
        """Which process is which."""
        return {p["pid"]: name for name, p in self.processes().items() if p.get("pid")} | {self.pid: "supervisor"}

    def ready(self, stage: str) -> bool:
        """Whether the stage says so."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.ports[stage]}/readyz", timeout=2).status_code == 200
        return False

    def api(self, method: str, path: str, body: object = None) -> Any:
        """One call of the control plane. Raises HubFailedError with the answer when it is refused."""
        url, headers = f"http://127.0.0.1:{self.ports['console']}/api/v1{path}", {"authorization": f"Bearer {self.admin_key}"}
        answer = httpx.request(method, url, json=body, headers=headers, timeout=30)
        if answer.status_code >= 300:
            raise HubFailedError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to whatever outlives its time."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOPPED_WITHIN_S
        while _alive(self.pid):
            if time.monotonic() > deadline:
                for pid in self.pids():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                raise HubFailedError(f"hub up did not stop within {_STOPPED_WITHIN_S:.0f} s of SIGTERM{self.tail()}")
            time.sleep(0.05)

    def tail(self, lines: int = 40) -> str:
        """The end of its log, to be put into a message."""
        text = "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else "(none)"
        return f"; its log, {self.log}, ends with:\n{text}"

    def dump(self) -> str:
        """For `load`."""
        return json.dumps(asdict(self))


def load(text: str) -> Hub:
    """A hub started by another process."""
    return Hub(**json.loads(text))


def start(home: Path, environment: Mapping[str, str] | None = None) -> Hub:
    """Start a hub in `home` and wait until every stage is ready. Raises HubFailedError with its log's end."""
    home.mkdir(parents=True, exist_ok=True)
    ports = dict(zip(STAGES, _free_ports(len(STAGES)), strict=True))
    key = secrets.token_urlsafe(24)
    own = {"HUB_HOME": str(home), "HUB_ADMIN_KEY": key, "HUB_EGRESS_ALLOW": "127.0.0.0/8,::1/128"}
    own |= {f"HUB_{stage.upper()}_PORT": str(port) for stage, port in ports.items()}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HUB_") and k not in _SHARED}
    inherited["HUB_CACHE"] = os.environ.get("HUB_CACHE") or str(ROOT / ".hub" / "cache")
    with (home / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub", "up"], cwd=ROOT, env=inherited | own | dict(environment or {}),
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    _STARTED[process.pid] = process
    hub = Hub(process.pid, str(home), key, ports)
    deadline = time.monotonic() + _READY_WITHIN_S
    for stage in STAGES:
        while not hub.ready(stage):
            if process.poll() is not None:
                raise HubFailedError(f"hub up ended with code {process.returncode}{hub.tail()}")
            if time.monotonic() > deadline:
                hub.stop()
                raise HubFailedError(f"{stage} was not ready within {_READY_WITHIN_S:.0f} s{hub.tail()}")
            time.sleep(0.1)
    return hub


def _alive(pid: int) -> bool:
    own = _STARTED.get(pid)
    return processes.alive(pid) if own is None else own.poll() is None  # ours: reaped, or its pid stays taken


def _free_ports(count: int) -> list[int]:
    """Free ports of loopback, all different: each is held until the last was found."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
