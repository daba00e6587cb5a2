"""The Kafka and the schema registry that tests run against. There always is one; a test is never skipped for want of it.

KAFKA_BOOTSTRAP_SERVERS if it is set, else a container if a Docker engine answers, else the embedded broker.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hub import ports
from hub.child import Child, Command, tail
from hub.embedded import PROPERTIES, Broker, BrokerConfig
from hub.probe import Probe, quiet_admin
from runtime.settings import HubSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka.admin import AdminClient

IMAGE = "apache/kafka:4.4.0"
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a broker, for the whole session."""
    own = HubSettings.from_env()
    if own.external_kafka:
        yield own.external_kafka
    elif docker_answers():
        with container() as address:
            yield address
    else:
        with embedded(tmp_path_factory.mktemp("kafka"), own) as address:
            yield address


@pytest.fixture(scope="session")
def registry_url(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a schema registry on that broker, for the whole session."""
    own = HubSettings.from_env()
    if own.external_registry:
        yield own.external_registry
    else:
        with registry(bootstrap, tmp_path_factory.mktemp("registry")) as url:
            yield url


@pytest.fixture
def topic_prefix(bootstrap: str) -> Iterator[str]:
    """A name space of its own; its topics are deleted afterwards, for a shared broker's sake."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    yield prefix
    delete_topics(quiet_admin(bootstrap), prefix)


@pytest.fixture
def settings(bootstrap: str, registry_url: str, topic_prefix: str, tmp_path: Path) -> Settings:
    """A deployment of its own on the shared broker: data in the test's folder, free ports."""
    return Settings(
        home=tmp_path, bootstrap=bootstrap, registry_url=registry_url, topic_prefix=topic_prefix,
        ingress_port=0, console_port=0, processors_port=0, delivery_port=0,
    )  # fmt: skip


@contextlib.contextmanager
def embedded(home: Path, own: HubSettings) -> Iterator[str]:
    """The broker that `hub up` starts; data in `home`, jars from the project's cache."""
    broker = Broker(BrokerConfig(home=home, cache=own.cache or ROOT / ".hub" / "cache", repository=own.maven_url))
    broker.start()
    try:
        yield broker.bootstrap
    finally:
        broker.stop()


@contextlib.contextmanager
def registry(bootstrap: str, home: Path, prefix: str = "") -> Iterator[str]:
    """The registry that `hub up` starts."""
    port = ports.pick()
    own = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "HUB_REGISTRY_PORT": str(port), "HUB_TOPIC_PREFIX": prefix}
    child = Child(
        Command(
            name="registry",
            argv=(sys.executable, "-m", "hub.registry"),
            env={**os.environ, "PYTHONPATH": str(ROOT), **own},
            log=home / "registry.log",
            record=home / "registry.pid",
        )
    )
    try:
        wait_for_http(f"http://127.0.0.1:{port}/subjects", child.exit_code, lambda: tail(home / "registry.log"))
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop()


def wait_for_http(url: str, exit_code, log, patience_s: float = 60.0) -> None:
    """Return when `url` answers 200. Fails with the log when the process ends or the patience does."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and exit_code() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"{url} did not answer (exit code {exit_code()}):\n{log()}")


def docker_answers() -> bool:
    """Whether a Docker engine is there: asked on its socket, for the client library leaves sockets open when none is."""
    scheme, _, rest = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("://")
    family = socket.AF_UNIX if scheme == "unix" else socket.AF_INET
    address = rest if scheme == "unix" else (rest.partition(":")[0], int(rest.partition(":")[2] or 2375))
    with contextlib.suppress(OSError), socket.socket(family) as engine:
        engine.settimeout(3)
        engine.connect(address)
        engine.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
        return b" 200 " in engine.recv(100)
    return False


@contextlib.contextmanager
def container() -> Iterator[str]:
    """Kafka's own image with the embedded broker's settings."""
    from testcontainers.core.container import DockerContainer

    port = ports.pick()
    kafka = DockerContainer(IMAGE).with_bind_ports(port, port).with_envs(**container_environment(port))
    with kafka:
        probe, deadline = Probe(f"127.0.0.1:{port}"), time.monotonic() + 60
        while not probe.answers(1):
            assert time.monotonic() < deadline, f"Kafka in the container did not answer within 60 s:\n{kafka.get_logs()}"
        yield f"127.0.0.1:{port}"


def container_environment(port: int) -> dict[str, str]:
    """`hub/server.properties` as the image takes it, with listeners for a published port."""
    lines = [line.partition("=") for line in PROPERTIES.read_text().splitlines() if line and not line.startswith("#")]
    settings = {key: value for key, _, value in lines} | {
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": "1@localhost:9093",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    return {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in settings.items()}


def delete_topics(admin: AdminClient, prefix: str) -> None:
    """Remove all topics of a prefix."""
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    for future in admin.delete_topics(names).values() if names else ():
        future.exception(30)  # a topic that another test deleted meanwhile is gone all the same
