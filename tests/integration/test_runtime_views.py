"""Live views of compacted topics against a real broker: complete at the start, current from then on."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from runtime import config
from runtime import topics as admin
from runtime.kafka import Kafka
from runtime.secrets import SecretBox
from runtime.settings import Settings
from runtime.views import LiveView
from schemas import topics
from schemas.codec import Codec, FixedIds, schema_text
from schemas.records import EndpointConfig, SecretValue, SourceConfig

pytestmark = pytest.mark.integration
CODEC = Codec(FixedIds({1: schema_text(SourceConfig), 2: schema_text(EndpointConfig)}))


class Deployment:
    """A prefix of its own with the two configuration topics, and a way to write them."""

    def __init__(self, bootstrap: str, home: Path) -> None:
        self.settings = Settings(home=home, bootstrap=bootstrap, topic_prefix=f"t{uuid.uuid4().hex[:8]}.")
        self.kafka = Kafka(self.settings)
        self.box = SecretBox.open(self.settings)
        self.views: list[LiveView] = []

    def write(self, *records: tuple[str, bytes | None], topic: topics.Topic = topics.SOURCES, **overrides: object) -> int:
        """Write records; answers the offset of the last."""
        offsets: list[int] = []
        producer = self.kafka.producer(**overrides)
        for key, value in records:
            producer.produce(self.kafka.name(topic), value, key.encode(), on_delivery=lambda _, m: offsets.append(m.offset()))
        assert producer.flush(20) == 0
        return max(offsets)

    def source(self, source_id: str, **changes: object) -> tuple[str, bytes]:
        fields = {
            "tenant": "default", "provider": "shopify", "description": "", "ip_allowlist": [], "options": {},
            "enabled": True, "created_at": 1, "updated_at": 1, "secrets": [self.secret("s3cret")],
        }  # fmt: skip
        return source_id, CODEC.encode(SourceConfig(id=source_id, **fields | changes))

    def secret(self, value: str) -> SecretValue:
        return SecretValue(id=f"sec_{value}", ciphertext=self.box.encrypt(value), created_at=1)

    def view(self, view: LiveView | None = None) -> LiveView:
        """A started view, of the sources' descriptions unless another is given."""
        view = view or LiveView(self.kafka, CODEC, topics.SOURCES, lambda record: record.description)
        self.views.append(view)
        view.start()
        return view


@pytest.fixture
def hub(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setattr(topics, "ALL", (topics.SOURCES, topics.ENDPOINTS))
    deployment = Deployment(bootstrap, tmp_path)
    admin.apply(deployment.kafka)
    yield deployment
    for view in deployment.views:
        view.close()
        assert not view._thread.is_alive()


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.01)


def test_a_view_of_an_empty_topic_is_ready_and_empty(hub: Deployment) -> None:
    view = hub.view()
    view.wait_ready(10)
    assert (view.items, view.ready) == ({}, True)


def test_ready_means_all_that_was_there_has_been_read(hub: Deployment) -> None:
    count = 3000
    hub.write(*(hub.source(f"s{i}", description=str(i)) for i in range(count)))
    view = hub.view()
    assert view.ready is False
    view.wait_ready(20)
    assert view.items == {f"s{i}": str(i) for i in range(count)}


def test_the_newest_value_of_a_key_wins_and_a_tombstone_removes_it(hub: Deployment) -> None:
    hub.write(
        hub.source("a", description="old"), hub.source("b"), hub.source("a", description="new"), ("b", None), ("never", None)
    )
    view = hub.view()
    view.wait_ready(20)
    assert view.items == {"a": "new"}


def test_changes_arrive_and_each_is_a_new_mapping(hub: Deployment) -> None:
    view = hub.view()
    view.wait_ready(10)
    before, version, heard = view.items, view.version, []
    view.on_change(lambda: heard.append(dict(view.items)))
    assert view.wait_offset(hub.write(hub.source("a", description="1")), 10)
    assert (before, view.items) == ({}, {"a": "1"})
    assert view.version > version
    assert view.wait_offset(hub.write(("a", None)), 10)
    until(lambda: heard[-1:] == [{}])
    assert heard[0] == {"a": "1"}


def test_a_failing_listener_stops_neither_the_view_nor_the_others(hub: Deployment) -> None:
    view, heard = hub.view(), []
    view.on_change(lambda: 1 / 0)
    view.on_change(lambda: heard.append(1))
    assert view.wait_offset(hub.write(hub.source("a", description="1")), 10)
    assert view.wait_offset(hub.write(hub.source("a", description="2")), 10)
    assert view.items == {"a": "2"}
    assert heard


def test_a_record_that_cannot_be_read_keeps_the_previous_value(hub: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    bad = [b"", b"no avro", b"\x00\x00\x00\x00\x09unknown id", b"\x00\x00\x00\x00\x01\xff\xff"]
    records = [("a", b) for b in bad] + [("b", b) for b in bad]
    offset = hub.write(hub.source("a", description="good"), *records, hub.source("c", description="after"))
    view = hub.view()
    view.wait_ready(20)
    assert view.items == {"a": "good", "c": "after"}
    assert view.wait_offset(offset, 1)
    assert [r.key for r in caplog.records if r.message == "configuration record ignored"] == ["a"] * 4 + ["b"] * 4


def test_a_loader_may_raise_what_it_likes(hub: Deployment) -> None:
    hub.write(hub.source("a"), hub.source("b", description="fine"))

    def load(record: SourceConfig) -> str:
        return {"b": "fine"}[record.id] if record.id == "b" else record.tenant.no_such_attribute

    view = hub.view(LiveView(hub.kafka, CODEC, topics.SOURCES, load))
    view.wait_ready(20)
    assert view.items == {"b": "fine"}


def test_nothing_readable_at_the_end_of_the_topic_does_not_hold_readiness_back(hub: Deployment) -> None:
    """Compaction and aborted transactions leave offsets without a record; the end is reached all the same."""
    hub.write(hub.source("a", description="kept"))
    producer = Producer({"bootstrap.servers": hub.settings.bootstrap, "transactional.id": hub.settings.topic_prefix})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(hub.kafka.name(topics.SOURCES), hub.source("b")[1], b"b")
    assert producer.flush(20) == 0
    producer.abort_transaction(20)
    view = hub.view()
    view.wait_ready(10)
    assert view.items == {"a": "kept"}


async def test_catch_up_reads_what_is_there_now(hub: Deployment) -> None:
    view = hub.view()
    view.wait_ready(10)
    for number in range(5):
        hub.write(hub.source("a", description=str(number)))
        await view.catch_up(5)
        assert view.items == {"a": str(number)}


async def test_reached_waits_for_ones_own_write_and_gives_up_in_time(hub: Deployment) -> None:
    view = hub.view()
    offset = hub.write(hub.source("a", description="mine"))
    assert await view.reached(offset, 10) is True
    assert view.items == {"a": "mine"}
    started = time.monotonic()
    assert await view.reached(offset + 1, 0.2) is False
    assert time.monotonic() - started < 2


def test_a_topic_that_appears_later_is_read_then(hub: Deployment) -> None:
    late = topics.Topic(name="config.late", key="id", record=SourceConfig, partitions=1, compacted=True)
    view = hub.view(LiveView(hub.kafka, CODEC, late, lambda record: record.description))
    with pytest.raises(TimeoutError, match=r"could not read t[0-9a-f]{8}\.config\.late within 1 s"):
        view.wait_ready(1)
    topics.ALL = (late,)  # the fixture's monkeypatch puts the catalogue back
    admin.apply(hub.kafka)
    hub.write(hub.source("a", description="there"), topic=late)
    view.wait_ready(20)
    until(lambda: view.items == {"a": "there"})


def test_sources_come_with_their_secrets_opened(hub: Deployment) -> None:
    hub.write(hub.source("shop", secrets=[hub.secret("new"), hub.secret("old")]))
    view = hub.view(config.sources(hub.kafka, CODEC, hub.box))
    view.wait_ready(20)
    secrets = view.items["shop"].secrets
    assert [(s.id, s.value) for s in secrets] == [("sec_new", "new"), ("sec_old", "old")]
    assert "new" not in repr(secrets).replace("sec_new", "")


def test_endpoints_come_with_their_headers_opened(hub: Deployment) -> None:
    endpoint = EndpointConfig(
        id="ep", tenant="default", url="https://a.example/", description="", event_types=["*"], channels=[],
        headers={"x-token": hub.box.encrypt("t0ken")}, secrets=[hub.secret("whsec")], timeout_s=15.0, max_in_flight=8,
        retry_schedule=[], state="active", created_at=1, updated_at=1,
    )  # fmt: skip
    hub.write(("ep", CODEC.encode(endpoint)), topic=topics.ENDPOINTS)
    view = hub.view(config.endpoints(hub.kafka, CODEC, hub.box))
    view.wait_ready(20)
    assert view.items["ep"].headers == {"x-token": "t0ken"}
    assert view.items["ep"].secrets[0].value == "whsec"


def test_a_source_whose_secret_no_key_opens_keeps_its_previous_state(hub: Deployment, tmp_path: Path) -> None:
    stranger = SecretBox.open(Settings(home=tmp_path / "other"))
    foreign = SecretValue(id="sec_x", ciphertext=stranger.encrypt("x"), created_at=1)
    hub.write(hub.source("shop"), hub.source("shop", secrets=[foreign]), hub.source("other", secrets=[foreign]))
    view = hub.view(config.sources(hub.kafka, CODEC, hub.box))
    view.wait_ready(20)
    assert {source_id: s.secrets[0].value for source_id, s in view.items.items()} == {"shop": "s3cret"}
