"""`hub up` and `hub status` as people run them: what dies comes back, what is stopped stops, what is left is recovered."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from hub import child, ports
from runtime.settings import HubSettings
from tests.kafka_fixture import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runtime.settings import Settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
NAMES = ["kafka", "registry", "ingress", "processors", "delivery", "console"]
STAGES = NAMES[2:]


class Running:
    """A `hub up` in a folder of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "KAFKA_", "SCHEMA_"))}
        cache = HubSettings.from_env().cache or ROOT / ".hub" / "cache"
        free = {f"HUB_{name.upper()}_PORT": "0" for name in STAGES}
        self.home = home
        self.env = {**kept, **free, "HUB_HOME": str(home), "HUB_CACHE": str(cache), **settings}
        self.output = home.with_name(f"{home.name}.out")
        with self.output.open("ab") as out:
            self.process = subprocess.Popen([sys.executable, "-m", "hub", "up"], cwd=ROOT, env=self.env, stdout=out, stderr=out)

    def hub(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hub", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def state(self) -> dict[str, Any]:
        path = self.home / "run" / "hub.json"
        state = json.loads(path.read_bytes()) if path.exists() else {"pid": None}
        return state if state["pid"] == self.process.pid else {"processes": []}

    def of(self, name: str) -> dict[str, Any]:
        return next(p for p in self.state()["processes"] if p["name"] == name)

    def pids(self) -> list[int]:
        return [p["pid"] for p in self.state()["processes"] if p["pid"]]

    def all_up(self, names: list[str]) -> bool:
        return [p["name"] for p in self.state()["processes"] if p["state"] == "up"] == names

    def wait(self, until: Callable[[], object], what: str, within_s: float = 90) -> None:
        deadline = time.monotonic() + within_s
        while not until():
            assert self.process.poll() is None, f"hub up ended while waiting for {what}:\n{self.output.read_text()}"
            assert time.monotonic() < deadline, f"{what}: not within {within_s} s:\n{self.output.read_text()}"
            time.sleep(0.05)

    def come_back(self, name: str) -> dict[str, Any]:
        """Kill a process without warning and wait until its successor is up."""
        before = self.of(name)
        os.kill(before["pid"], signal.SIGKILL)
        self.wait(lambda: self.of(name)["restarts"] > before["restarts"] and self.of(name)["state"] == "up", f"{name} is back")
        return before


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(home: str = "home", **settings: str) -> Running:
        started.append(Running(tmp_path / home, **settings))
        return started[-1]

    yield begin
    for hub in started:
        if hub.process.poll() is None:
            hub.process.terminate()
        hub.process.wait(60)


def test_the_whole_life_of_a_hub(start: Callable[..., Running]) -> None:
    hub = start()
    hub.wait(lambda: hub.all_up(NAMES), "everything is up")
    assert stat.S_IMODE((hub.home / "admin.key").stat().st_mode) == 0o600
    assert hub.output.read_text().count((hub.home / "admin.key").read_text().strip()) == 1

    second = hub.hub("up")
    assert (second.returncode, second.stdout) == (1, "")
    assert f"A hub runs in {hub.home} already (pid {hub.process.pid})" in second.stderr

    hub.wait(lambda: hub.hub("status").returncode == 0, "status says all is well", 30)
    status = json.loads(hub.hub("status", "--json").stdout)
    assert [(p["name"], p["state"], p["restarts"]) for p in status["processes"]] == [(name, "up", 0) for name in NAMES]
    assert status["broker"] == {"reachable": True, "bootstrap": hub.state()["bootstrap"], "embedded": True, "version": "4.4.0"}
    assert {"processors", "delivery"} <= set(status["lag"])
    assert hub.hub("topics", "check").returncode == 0

    before = hub.come_back("delivery")
    assert hub.of("delivery")["port"] == before["port"]
    assert "delivery ended (killed by SIGKILL); starting it again in 0.2 s (restart 1)" in hub.output.read_text()
    before = hub.come_back("kafka")
    assert hub.of("kafka")["port"] == before["port"]
    hub.wait(lambda: hub.all_up(NAMES), "everything is up again")

    pids, began = hub.pids(), time.monotonic()
    hub.process.terminate()
    assert hub.process.wait(40) == 0
    assert time.monotonic() - began < 30
    assert [pid for pid in pids if child.argv_of(pid)] == []
    told = hub.output.read_text()
    assert (
        told.index("stopping ingress, processors, delivery, console")
        < told.index("stopping registry")
        < told.index("stopping kafka")
    )
    assert list((hub.home / "run").glob("*.pid")) == []
    after = hub.hub("status", "--json")
    assert (after.returncode, json.loads(after.stdout)["processes"]) == (1, [])


def test_a_killed_hub_leaves_nothing_that_the_next_one_trips_over(
    start: Callable[..., Running], settings: Settings, tmp_path: Path
) -> None:
    shared = {
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap,
        "SCHEMA_REGISTRY_URL": settings.registry_url,
        "HUB_TOPIC_PREFIX": settings.topic_prefix,
    }
    hub = start(**shared)
    hub.wait(lambda: hub.all_up(STAGES), "the stages are up")
    pids = hub.pids()
    hub.process.kill()
    hub.process.wait()
    deadline = time.monotonic() + 20
    while any(child.argv_of(pid) for pid in pids):
        assert time.monotonic() < deadline, "processes outlive their killed supervisor"
        time.sleep(0.05)
    # What survives a kill where the kernel does not help: a process of the same name, recorded.
    sleeper = [sys.executable, "-c", "import time; time.sleep(100)"]
    left = child.Child(
        child.Command(
            name="delivery", argv=tuple(sleeper), env=os.environ, log=tmp_path / "x.log", record=hub.home / "run" / "delivery.pid"
        )
    )
    try:
        again = start(**shared)
        again.wait(lambda: again.all_up(STAGES), "the stages are up again")
        assert f"ended delivery (pid {left.pid}), left running by a hub that was killed" in again.output.read_text()
        assert left.exit_code() == -signal.SIGTERM
    finally:
        left.kill()


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"HUB_INGRESS_PORT": "{taken}"}, "Port {taken} on 127.0.0.1 is taken: stop what listens there, or set HUB_INGRESS_PORT"),
        ({"HUB_KAFKA_PORT": "{taken}"}, "Port {taken} on 127.0.0.1 is taken: stop what listens there, or set HUB_KAFKA_PORT"),
        ({"HUB_KAFKA_PORT": "ninety"}, "HUB_KAFKA_PORT='ninety' cannot be used: want a whole number"),
        (
            {"HUB_CACHE": "{home}/empty", "HUB_MAVEN_URL": "http://127.0.0.1:{free}"},
            "connect to the network once, or name a mirror",
        ),
        (
            {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:{free}"},
            "Kafka at 127.0.0.1:{free} does not answer: start it, or mend or unset",
        ),
        ({"HUB_HOME": "/proc/nothing"}, "/proc/nothing cannot be used (No such file or directory): set HUB_HOME"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence_with_its_setting(
    start: Callable[..., Running], tmp_path: Path, settings_: dict[str, str], words: str
) -> None:
    free = ports.pick()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known = {"taken": taken.getsockname()[1], "free": free, "home": tmp_path}
        hub = start(**{name: value.format(**known) for name, value in settings_.items()})
        assert hub.process.wait(60) == 1
    said = hub.output.read_text()
    assert words.format(**known) in said
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if line.startswith("hub: ")]) == 1
