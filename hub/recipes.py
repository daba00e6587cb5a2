"""How each process of the hub is started and asked whether it is ready."""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub import ports
from hub.child import Child, Command
from hub.unit import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hub.embedded import Broker

STAGES: Final = ("ingress", "processors", "delivery", "console")
SLOT: Final = "0"
GRACE_S: Final = 12.0
_CODE: Final = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the Python processes share: the folder, the address they listen on, their environment."""

    home: Path
    host: str
    environment: Mapping[str, str]


def broker(embedded: Broker) -> Recipe:
    """The embedded Kafka, prepared already."""
    return Recipe(
        name="kafka",
        port=embedded.port,
        log=embedded.log,
        start=embedded.spawn,
        is_ready=lambda: embedded.is_ready(0.5),
    )


def registry(around: Surroundings, port: int) -> Recipe:
    """The schema registry."""
    own = {"HUB_REGISTRY_PORT": str(port)}
    return _process(
        around, "registry", _module("hub.registry"), own, lambda: _answers(ports.LOOPBACK, port, "/subjects"), port=port
    )


def stage(around: Surroundings, name: str, port: int, command: tuple[str, ...] = ()) -> Recipe:
    """One of the four stages; with `command`, another program in its place."""
    own = {f"HUB_{name.upper()}_PORT": str(port), "HUB_INSTANCE": SLOT}
    host = ports.LOOPBACK if around.host in ports.ANY else around.host
    argv = command or _module(name)
    return _process(around, name, argv, own, lambda: _answers(host, port, "/readyz"), port=port)


def record(home: Path, name: str) -> Path:
    """Where the pid of a process is recorded."""
    return home / "run" / f"{name}.pid"


def _module(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


def _process(
    around: Surroundings, name: str, argv: tuple[str, ...], own: Mapping[str, str], is_ready: Callable[[], bool], *, port: int
) -> Recipe:
    log = around.home / "log" / f"{name}.log"
    path = os.pathsep.join(filter(None, (_CODE, around.environment.get("PYTHONPATH"))))
    command = Command(
        name=name,
        argv=argv,
        env={**around.environment, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **own},
        log=log,
        record=record(around.home, name),
        grace_s=GRACE_S,
    )
    return Recipe(name=name, port=port, log=log, start=lambda: Child(command), is_ready=is_ready)


def _answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=1.0)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        return connection.getresponse().status == 200
    return False
