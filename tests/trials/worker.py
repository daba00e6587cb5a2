"""One more delivery worker beside the hub's own: the same group, the same Kafka, its own slot and port."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.hub import ROOT
from tests.trials.wire import Wire

if TYPE_CHECKING:
    from tests.bench.hub import Hub

_STOPS_WITHIN_S = 30.0


class Worker:
    """Started when made."""

    def __init__(self, hub: Hub, slot: str, environment: dict[str, str]) -> None:
        with Wire.of(hub) as wire:
            own = {
                "HUB_HOME": hub.home, "KAFKA_BOOTSTRAP_SERVERS": wire.bootstrap, "SCHEMA_REGISTRY_URL": wire.registry_url,
                "HUB_INSTANCE": slot, "HUB_EGRESS_ALLOW": "127.0.0.0/8,::1/128", "HUB_DELIVERY_PORT": "0",
            }  # fmt: skip
        self.log = Path(hub.home) / f"delivery-{slot}.log"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "delivery"], cwd=ROOT, env=inherited | environment | own,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def leave(self) -> int:
        """SIGTERM and wait; SIGKILL if it takes too long. Its exit code."""
        self._process.terminate()
        try:
            return self._process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
