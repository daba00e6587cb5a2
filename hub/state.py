"""What runs: HUB_HOME/run/hub.json, written by the supervisor at every change, read by everyone else.

The lock beside it is held while the supervisor lives; the kernel frees it however that ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from hub.child import write_atomically
from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UP: Final = "up"


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """One supervised process. `state`: starting, up, unready, restarting, stopping or stopped; times in ms."""

    name: str
    pid: int | None
    state: str
    port: int | None
    restarts: int
    started_at: int | None


class HubState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole hub. `kafka_version` is known for the embedded broker only."""

    pid: int
    started_at: int
    bootstrap: str
    registry_url: str
    kafka_version: str | None
    processes: list[ProcessState]


def file(home: Path) -> Path:
    """Where the state is."""
    return home / "run" / "hub.json"


def write(home: Path, state: HubState) -> None:
    """Replace the state."""
    write_atomically(file(home), msgspec.json.format(msgspec.json.encode(state)))


def last(home: Path) -> HubState | None:
    """The state that was written last, whether its hub still runs or not."""
    try:
        return msgspec.json.decode(file(home).read_bytes(), type=HubState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def running(home: Path) -> HubState | None:
    """The state of the hub that runs in `home` now."""
    try:
        with _lock_file(home).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return last(home)


@contextmanager
def sole_hub(home: Path) -> Iterator[None]:
    """Hold the folder. Raises HubError naming the pid of the hub that has it."""
    path = _lock_file(home)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except OSError as e:
        raise HubError(f"{home} cannot be used ({e.strerror}): set HUB_HOME to a folder you may write to.") from e
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            lock.seek(0)
            holder = lock.read().strip()
            raise HubError(f"A hub runs in {home} already (pid {holder}): stop it, or set HUB_HOME to another folder.") from e
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _lock_file(home: Path) -> Path:
    return home / "run" / "hub.lock"
