"""Child processes: their end is noticed, asked for, forced; what a killed parent left is found and nothing else is hit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from hub import child
from hub.child import Child, Command, Record, end_leftover, is_running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Command]:
    def make(code: str, **changes: object) -> Command:
        fields = {"name": "x", "env": dict(os.environ), "log": tmp_path / "log" / "x.log", "record": tmp_path / "run" / "x.pid"}
        return Command(argv=(sys.executable, "-c", code), **{**fields, **changes})

    return make


def wait(until: Callable[[], object], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stop_asks_first_and_forgets(command: Callable[..., Command]) -> None:
    started = Child(command(SLEEP))
    assert started.exit_code() is None
    assert started.command.record.exists()
    assert started.stop() == -signal.SIGTERM
    assert not started.command.record.exists()
    assert child.describe_exit(-9) == "killed by SIGKILL"
    assert child.describe_exit(3) == "exit code 3"


def test_the_deaf_are_killed_after_their_grace(command: Callable[..., Command]) -> None:
    started = Child(command(STUBBORN, grace_s=0.3))
    wait(lambda: "deaf" in child.tail(started.command.log))
    began = time.monotonic()
    assert started.stop() == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 5


def test_the_log_of_the_run_before_is_kept(command: Callable[..., Command]) -> None:
    for word in ("one", "two", "three"):
        started = Child(command(f"print('{word}')"))
        wait(lambda: started.exit_code() is not None)  # noqa: B023 - called within the turn
    log = started.command.log
    assert (child.tail(log), child.tail(log.with_name("x.log.1"))) == ("three", "two")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's promise is Linux's")
def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, time
from hub.child import Child, Command
p = pathlib.Path({str(tmp_path)!r})
c = Child(Command(name="x", argv=({sys.executable!r}, "-c", {SLEEP!r}), env=dict(os.environ), log=p / "l", record=p / "r"))
print(c.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        left = msgspec.json.decode((tmp_path / "r").read_bytes(), type=Record)
        assert (left.pid, is_running(left)) == (pid, True)
        parent.kill()
    wait(lambda: not is_running(left))


def test_a_leftover_is_ended_and_the_record_removed(command: Callable[..., Command]) -> None:
    started = Child(command(STUBBORN))
    wait(lambda: "deaf" in child.tail(started.command.log))
    assert end_leftover(started.command.record, grace_s=0.2) == started.pid
    assert started.exit_code() == -signal.SIGKILL
    assert end_leftover(started.command.record) is None


@pytest.mark.parametrize("change", [{"started": "1"}, {"argv": ["another", "program"]}])
def test_no_signal_reaches_a_process_that_only_has_the_number(command: Callable[..., Command], change: dict[str, object]) -> None:
    """The pid was given to someone else meanwhile."""
    started = Child(command(SLEEP))
    record = started.command.record
    known = msgspec.json.decode(record.read_bytes(), type=Record)
    record.write_bytes(msgspec.json.encode(msgspec.structs.replace(known, **change)))
    assert end_leftover(record, grace_s=0.1) is None
    assert not record.exists()
    assert started.exit_code() is None
    started.stop()


def test_a_record_of_nothing_or_nonsense_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("nonsense")
    assert end_leftover(tmp_path / "r") is None
    assert end_leftover(tmp_path / "none") is None
