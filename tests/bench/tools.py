"""The load generator and the sink as processes: ours, or Go binaries with the same options."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.bench import processes, target
from tests.bench.hub import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UP_WITHIN_S: Final = 10.0


@dataclass(frozen=True)
class Tools:
    """How to start either. `go_home` holds the binaries `load` and `sink`; None means ours."""

    go_home: Path | None = None

    def _command(self, name: str) -> list[str]:
        return [str(self.go_home / name)] if self.go_home else [sys.executable, "-m", f"tests.bench.{name}"]

    def publish(self, where: dict[str, Any], *, n: int, c: int, rate: float = 0.0) -> tuple[dict[str, Any], float]:
        """Run the load generator to its end: its figures, and the CPU seconds it took."""
        with tempfile.NamedTemporaryFile(suffix=".json") as template:
            template.write(where["body"].encode())
            template.flush()
            options = [*target.arguments(where, template.name), "-n", str(n), "-c", str(c), "-rate", str(rate)]
            process = subprocess.Popen([*self._command("load"), *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
            with process.stdout as answer:  # type: ignore[union-attr]  # it was asked for
                figures = answer.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the load generator ended with code {process.returncode}")
        return json.loads(figures), usage.ru_utime + usage.ru_stime

    @contextlib.contextmanager
    def sink(self, slow_s: float = 20.0) -> Iterator[SinkProcess]:
        """A sink on a free port, for as long as the context lasts."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        command = [*self._command("sink"), "-addr", address, "-slow", f"{slow_s:g}s"]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL if self.go_home else None)
        sink = SinkProcess(f"http://{address}", process.pid)
        try:
            sink.wait_up(process)
            yield sink
        finally:
            process.terminate()
            process.wait()


@dataclass(frozen=True)
class SinkProcess:
    """A running sink."""

    url: str
    pid: int

    def wait_up(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _UP_WITHIN_S
        while True:
            with contextlib.suppress(OSError):
                return self.reset()
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the sink does not answer on {self.url}")
            time.sleep(0.05)

    def reset(self) -> None:
        """Forget what arrived."""
        urllib.request.urlopen(f"{self.url}/reset", timeout=10).close()

    def stats(self, key: str, *, full: bool = False) -> dict[str, dict[str, Any]]:
        """Figures of the paths that are `key` or below it."""
        with urllib.request.urlopen(f"{self.url}/stats?key={key}&full={int(full)}", timeout=30) as answer:
            return dict(json.load(answer))

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds([self.pid])
