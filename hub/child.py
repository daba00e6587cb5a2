"""One child process: its log, its recorded pid, its end.

It dies with its parent on Linux. Where that fails, the record in HUB_HOME/run lets the next start find and end it;
no signal is sent before the pid is seen to be the very process that was recorded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEASH: Final = Path(__file__).with_name("leash.py")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run. `with_parent` is the signal the kernel sends it when the starting thread dies."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    record: Path
    with_parent: signal.Signals = signal.SIGKILL
    grace_s: float = 15.0


class Record(msgspec.Struct, frozen=True):
    """A started process, unmistakable: its pid, when it started (clock ticks since boot), its arguments."""

    pid: int
    started: str
    argv: list[str]


class Child:
    """A running command. Start it from a thread that lives as long as the child should."""

    def __init__(self, command: Command) -> None:
        self.command = command
        rotate(command.log)
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(
                _leashed(command),
                env=dict(command.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C reaches the supervisor alone, which stops in order
            )
        self.pid = self._process.pid
        command.record.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(command.record, msgspec.json.encode(Record(self.pid, _started(self.pid), list(command.argv))))

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to stop."""
        if self.exit_code() is None:
            self._process.terminate()

    def stop(self) -> int:
        """SIGTERM, wait for the grace, then SIGKILL. Its exit code."""
        self.terminate()
        try:
            code = self._process.wait(self.command.grace_s)
        except subprocess.TimeoutExpired:
            code = self.kill()
        self.forget()
        return code

    def kill(self) -> int:
        """SIGKILL at once."""
        if self.exit_code() is None:
            self._process.kill()
        return self._process.wait()

    def forget(self) -> None:
        """Remove the record of an ended process."""
        self.command.record.unlink(missing_ok=True)


def end_leftover(record: Path, grace_s: float = 15.0) -> int | None:
    """End the process of `record` if it still runs; its pid, or None when there was nothing to end."""
    try:
        left = msgspec.json.decode(record.read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    found = None
    deadline = time.monotonic() + grace_s
    if is_running(left):
        found = left.pid
        _signal(left, signal.SIGTERM)
        while is_running(left) and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal(left, signal.SIGKILL)
        while is_running(left):
            time.sleep(0.01)
    record.unlink(missing_ok=True)
    return found


def is_running(left: Record) -> bool:
    """Whether the pid is alive and still that process, not a later one with its number."""
    shown = argv_of(left.pid)
    return shown is not None and shown[-len(left.argv) :] == left.argv and _started(left.pid) == left.started


def _signal(left: Record, number: signal.Signals) -> None:
    if is_running(left):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left.pid, number)


def argv_of(pid: int) -> list[str] | None:
    """Arguments of a live process, None for a dead one or a zombie."""
    if sys.platform == "linux":
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return raw.decode(errors="surrogateescape").split("\0")[:-1] if raw else None
    shown = _ps(pid, "command=")
    return shown.split(" ") if shown else None


def _started(pid: int) -> str:
    """Start time of a process as the system words it."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except OSError:
            return ""
    return _ps(pid, "lstart=")


def _ps(pid: int, field: str) -> str:
    shown = subprocess.run(["/bin/ps", "-p", str(pid), "-o", field], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def _leashed(command: Command) -> tuple[str, ...]:
    if sys.platform != "linux":
        return command.argv
    leash = (sys.executable, "-I", "-S", str(_LEASH), str(int(command.with_parent)), str(os.getpid()))
    return (*leash, *command.argv)


def rotate(log: Path) -> None:
    """Keep the last run's log as `.1`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size:
        log.replace(log.with_name(log.name + ".1"))


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Readers see the old file or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
