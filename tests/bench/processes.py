"""What processes and all their children cost, read from /proc: CPU seconds, proportional memory."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_HZ: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat after the name (which may hold anything): state, ppid, …; None when it has ended."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def alive(pid: int) -> bool:
    """Whether it runs or is stopped; a zombie is dead."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def tree(roots: Iterable[int]) -> set[int]:
    """The roots and all that descend from them and live."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return found


def name(pid: int) -> str:
    """The kernel's short name of a process."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "ended"


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these, including children that ended and were waited for."""
    stats = [fields for pid in pids if (fields := _stat(pid))]
    return sum(int(ticks) for fields in stats for ticks in fields[11:15]) / _HZ


def cpu_by_pid(pids: Iterable[int]) -> dict[int, float]:
    """`cpu_seconds` of each."""
    return {pid: cpu_seconds([pid]) for pid in pids}


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional set size: shared pages count once over all sharers."""
    total_kb = 0
    for pid in pids:
        try:
            rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended between the listing and the reading
        total_kb += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total_kb / 1024


def machine_cpu_seconds() -> float:
    """All CPU time the machine has spent, but idle and waiting for the disk."""
    ticks = [int(x) for x in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _HZ


class PeakMemory:
    """Samples memory each second in a thread; use as a context manager, then read `peak` and `by_name`, in MB.

    `names` tells which process is which; those it does not know go by the kernel's name.
    """

    def __init__(self, roots: Callable[[], Iterable[int]], names: Callable[[], Mapping[int, str]]) -> None:
        self.peak = 0.0
        self.by_name: dict[str, float] = {}
        self._roots, self._names = roots, names
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(1.0):
            names = self._names()
            now: dict[str, float] = {}
            for pid in tree(self._roots()):
                label = names.get(pid) or name(pid)
                now[label] = now.get(label, 0.0) + pss_mb([pid])
            self.peak = max(self.peak, sum(now.values()))
            self.by_name = {n: max(self.by_name.get(n, 0.0), now.get(n, 0.0)) for n in self.by_name | now}
