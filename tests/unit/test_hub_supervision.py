"""The parts of supervision that need no process: back-off, the folder's lock, the state file, ports, the environment."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hub import admin_key, ports, state
from hub.backoff import Backoff
from hub.environment import running_hub
from hub.errors import HubError
from hub.state import HubState, ProcessState
from hub.supervisor import Hub, Plan
from runtime.settings import HubSettings, Settings

if TYPE_CHECKING:
    from pathlib import Path

INGRESS = ProcessState(name="ingress", pid=7, state="up", port=8090, restarts=2, started_at=1)
STATE = HubState(
    pid=1, started_at=1, bootstrap="127.0.0.1:9", registry_url="http://127.0.0.1:8", kafka_version="4.4.0", processes=[INGRESS]
)


def test_waits_grow_and_are_forgotten_after_a_healthy_run() -> None:
    backoff = Backoff()
    assert [backoff.after(1.0) for _ in range(9)] == [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 15.0, 15.0]
    assert [backoff.after(lived) for lived in (29.9, 30.0, 0.0, 31.0)] == [15.0, 0.2, 0.5, 0.2]


def test_one_hub_a_folder_and_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    holder = f"""
import sys
from pathlib import Path
from hub import state
with state.sole_hub(Path({str(tmp_path)!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout
        assert first.stdout.readline() == b"held\n"
        state.write(tmp_path, STATE)
        assert state.running(tmp_path) == STATE
        with pytest.raises(HubError, match=rf"^A hub runs in {tmp_path} already \(pid {first.pid}\)"), state.sole_hub(tmp_path):
            pass
        first.kill()
    assert state.running(tmp_path) is None
    assert state.last(tmp_path) == STATE
    with state.sole_hub(tmp_path):
        pass


def test_no_state_and_a_broken_one_are_none(tmp_path: Path) -> None:
    assert (state.last(tmp_path), state.running(tmp_path)) == (None, None)
    (tmp_path / "run").mkdir()
    state.file(tmp_path).write_text("{")
    assert state.last(tmp_path) is None


def test_commands_learn_of_the_running_hub_and_what_is_set_wins(tmp_path: Path) -> None:
    mine = {"HUB_HOME": str(tmp_path), "SCHEMA_REGISTRY_URL": "http://mine", "KAFKA_BOOTSTRAP_SERVERS": ""}
    assert running_hub(mine) == mine
    key = admin_key.make(tmp_path)
    with state.sole_hub(tmp_path):
        state.write(tmp_path, STATE)
        assert running_hub(mine) == mine | {
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
            "HUB_INGRESS_PORT": "8090",
            "HUB_ADMIN_KEY": key,
        }
        assert running_hub(mine | {"HUB_INGRESS_PORT": "1"})["HUB_INGRESS_PORT"] == "1"
    assert running_hub(mine) == mine


def test_the_admin_key_is_its_owners_alone(tmp_path: Path) -> None:
    assert admin_key.kept(tmp_path) is None
    made = admin_key.make(tmp_path / "home")
    assert len(made) > 30
    assert admin_key.kept(tmp_path / "home") == made
    assert stat.S_IMODE((tmp_path / "home" / "admin.key").stat().st_mode) == 0o600


def test_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
        with pytest.raises(HubError, match=rf"^Port {port} on 127\.0\.0\.1 is taken: .* set HUB_X_PORT to another port"):
            ports.claim(port, "HUB_X_PORT")
    assert ports.claim(port, "HUB_X_PORT") == port
    assert ports.claim(0, "HUB_X_PORT") > 0


def test_addresses_last_over_restarts_unless_someone_has_them_now(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free, busy = ports.pick(), taken.getsockname()[1]
        for usual, wanted, expected in ((free, 0, free), (busy, 0, 0), (free, 4711, 4711)):
            kafka = ProcessState(name="kafka", pid=None, state="stopped", port=usual, restarts=0, started_at=None)
            state.write(tmp_path, HubState(**{f: getattr(STATE, f) for f in STATE.__struct_fields__} | {"processes": [kafka]}))
            hub = Hub(Plan(settings=Settings(home=tmp_path), own=HubSettings(), say=print))
            assert hub._usual_port(wanted, "kafka") == expected
