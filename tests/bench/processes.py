"""What processes and all their children cost, read from /proc: CPU seconds, proportional memory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

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


class Memory(NamedTuple):
    """MB of one process or several. `pss`: proportional, shared pages count once over all sharers; `rss`: resident."""

    pss: float
    rss: float


def memory(pids: Iterable[int]) -> Memory:
    """What these have in memory; 0 of one that has ended."""
    kb = {"Pss:": 0, "Rss:": 0}
    for pid in pids:
        try:
            rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended between the listing and the reading
        for line in rollup.splitlines():
            words = line.split()
            if words[0] in kb:
                kb[words[0]] += int(words[1])
    return Memory(kb["Pss:"] / 1024, kb["Rss:"] / 1024)


def machine_cpu_seconds() -> float:
    """All CPU time the machine has spent, but idle and waiting for the disk."""
    ticks = [int(x) for x in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _HZ


class Others:
    """Cores that neither this process nor its descendants kept busy, on average; a context manager, then read `cores`."""

    def __init__(self) -> None:
        self.cores = 0.0
        self._began = self._before = 0.0

    def __enter__(self) -> Self:
        self._began, self._before = time.monotonic(), self._spent()
        return self

    def __exit__(self, *_: object) -> None:
        self.cores = max(0.0, (self._spent() - self._before) / (time.monotonic() - self._began))

    def _spent(self) -> float:
        return machine_cpu_seconds() - cpu_seconds(tree([os.getpid()]))


class PeakMemory:
    """Samples memory each second in a thread; use as a context manager, then read the peaks, in MB: `peak` of all (PSS),
    `pss_by_name`, `rss_by_name`.

    `names` tells which process is which; those it does not know go by the kernel's name.
    """

    def __init__(self, roots: Callable[[], Iterable[int]], names: Callable[[], Mapping[int, str]]) -> None:
        self.peak = 0.0
        self._by_name: dict[str, Memory] = {}
        self._roots, self._names = roots, names
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def pss_by_name(self) -> dict[str, float]:
        """The most each took, shared pages divided among their sharers."""
        return {name: round(peak.pss, 1) for name, peak in sorted(self._by_name.items())}

    def rss_by_name(self) -> dict[str, float]:
        """The most each had resident."""
        return {name: round(peak.rss, 1) for name, peak in sorted(self._by_name.items())}

    def _run(self) -> None:
        while not self._over.wait(1.0):
            names = self._names()
            groups: dict[str, list[int]] = {}
            for pid in tree(self._roots()):
                groups.setdefault(names.get(pid) or name(pid), []).append(pid)
            now = {label: memory(pids) for label, pids in groups.items()}
            self.peak = max(self.peak, sum(m.pss for m in now.values()))
            for label, found in now.items():
                before = self._by_name.get(label, Memory(0.0, 0.0))
                self._by_name[label] = Memory(max(before.pss, found.pss), max(before.rss, found.rss))
