"""The embedded broker: real Kafka that survives kills, keeps its address, and says why when it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from hub.embedded import Broker, BrokerConfig
from hub.errors import HubError
from hub.probe import Probe, quiet_admin
from runtime.settings import HubSettings
from tests.kafka_fixture import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.integration
CACHE = HubSettings.from_env().cache or ROOT / ".hub" / "cache"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    made = []

    def broker(**changes: object) -> Broker:
        made.append(Broker(BrokerConfig(**{"home": tmp_path, "cache": CACHE, **changes})))
        return made[-1]

    yield broker
    for one in made:
        one.stop()


def test_what_was_acknowledged_survives_a_kill_and_the_address_stays(make: Callable[..., Broker], tmp_path: Path) -> None:
    broker = make()
    broker.start()
    address = broker.bootstrap
    admin = quiet_admin(address)
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
    produce(address, [b"one", b"two"])

    os.kill(broker.child.pid, signal.SIGKILL)
    broker.child.kill()
    assert not Probe(address).answers(0.2)
    broker.start()
    assert (broker.bootstrap, read(address, 2)) == (address, [b"one", b"two"])
    with pytest.raises(HubError, match="HUB_KAFKA_PORT"):
        make(home=tmp_path / "other", port=broker.port).start()

    broker.stop()
    properties = tmp_path / "kafka" / "data" / "meta.properties"
    properties.write_text(properties.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(HubError) as failed:
        broker.start()
    message = str(failed.value)
    assert message.startswith("Kafka ended at its start (exit code 1). Its log,")
    assert str(tmp_path / "log" / "kafka.log") in message
    assert "Stored node id 7 doesn't match previous node id 1" in message
    assert not (tmp_path / "run" / "kafka.pid").exists()


def test_it_listens_on_loopback_only(make: Callable[..., Broker]) -> None:
    broker = make()
    broker.start()
    listening = listening_addresses(broker.child.pid)
    assert f"{broker.port:04X}" in {address.partition(":")[2] for address in listening}
    assert {address.partition(":")[0][-8:] for address in listening} == {"0100007F"}


def test_what_cannot_be_formatted_is_said_with_javas_words(make: Callable[..., Broker], tmp_path: Path) -> None:
    with pytest.raises(HubError, match=rf"^Kafka's folder {tmp_path}/kafka cannot be made ready:(.|\n)*heap"):
        make(heap_mb=1).start()


def test_a_probe_of_nothing_answers_no_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not Probe(f"127.0.0.1:{unused.getsockname()[1]}").answers(0.3)
    assert capfd.readouterr() == ("", "")


def listening_addresses(pid: int) -> list[str]:
    """Addresses in hexadecimal that the process listens on, from /proc; IPv4 ones may be mapped into IPv6."""
    links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:")}
    tables = [Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    rows = [line.split() for lines in tables for line in lines]
    return [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]


def produce(address: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all"})
    for value in values:
        producer.produce("kept", value)
    assert producer.flush(10) == 0


def read(address: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("kept", 0, 0)])
    found, deadline = [], time.monotonic() + 10
    while len(found) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            found.append(message.value())
    consumer.close()
    return found
