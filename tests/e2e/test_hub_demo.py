"""`hub demo --once`: the first thing a newcomer runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runtime.settings import HubSettings
from tests.kafka_fixture import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_one_round_delivers_every_order_and_exits_0(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "KAFKA_", "SCHEMA_"))}
    cache = HubSettings.from_env().cache or ROOT / ".hub" / "cache"
    ports = {f"HUB_{name}_PORT": "0" for name in ("INGRESS", "CONSOLE", "PROCESSORS", "DELIVERY")}
    done = subprocess.run(
        [sys.executable, "-m", "hub", "demo", "--once"],
        cwd=ROOT, env={**kept, **ports, "HUB_HOME": str(tmp_path / "home"), "HUB_CACHE": str(cache)},
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "101 of 101 orders received, 101 delivered, every signature valid" in done.stdout
    assert re.search(r"latency: first \d+ ms, then p50 \d+ ms, p99 \d+ ms", done.stdout)
    assert re.search(r"dashboard  http://127\.0\.0\.1:\d+\nadmin key  hub_\S+", done.stdout)
    assert done.stdout.rstrip().endswith("stopped")
