"""`hub status`: the supervisor's word on its processes, the broker's on itself and on its groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from confluent_kafka import KafkaException
from rich.table import Table

from hub import lag, state
from hub.environment import running_hub
from hub.probe import Probe, quiet_admin
from hub.state import UP
from runtime.settings import Settings

if TYPE_CHECKING:
    from hub.state import HubState

ANSWER_S = 5.0


def read() -> dict[str, Any]:
    """What runs, how the broker is, how far groups are behind."""
    settings = Settings.from_env(running_hub())
    hub = state.running(settings.home)
    broker, behind = _broker(settings, hub)
    return {
        "home": str(settings.home),
        "pid": hub.pid if hub else None,
        "processes": [msgspec.to_builtins(p) for p in hub.processes] if hub else [],
        "broker": broker,
        "registry": settings.registry_url,
        "lag": behind,
    }


def all_up(status: dict[str, Any]) -> bool:
    """Whether nothing is missing."""
    processes = status["processes"]
    return bool(processes) and all(p["state"] == UP for p in processes) and status["broker"]["reachable"]


def _broker(settings: Settings, hub: HubState | None) -> tuple[dict[str, Any], dict[str, int]]:
    reachable = Probe(settings.bootstrap).answers(ANSWER_S)
    behind: dict[str, int] = {}
    if reachable:
        try:
            behind = lag.by_group(quiet_admin(settings.bootstrap), settings.topic_prefix)
        except KafkaException:
            reachable = False
    embedded = hub is not None and hub.kafka_version is not None
    version = hub.kafka_version if hub else None
    return {"reachable": reachable, "bootstrap": settings.bootstrap, "embedded": embedded, "version": version}, behind


def table(status: dict[str, Any]) -> Table:
    """For people."""
    shown = Table("process", "pid", "state", "port", "restarts", box=None, pad_edge=False)
    for p in status["processes"]:
        colour = "green" if p["state"] == UP else "red"
        shown.add_row(p["name"], str(p["pid"] or "-"), f"[{colour}]{p['state']}[/]", str(p["port"] or "-"), str(p["restarts"]))
    return shown
