"""One raw record to everything that comes of it, poison included; one fact likewise."""

import pytest

from processors import workflow
from processors.app import create_faust
from processors.confirm import _count
from processors.facts import fact
from processors.money import money
from processors.normalize import normalize
from processors.output import LARGEST, InvalidRecordError, Output, Writer
from processors.receive import receive
from processors.route import Index
from runtime import metrics
from runtime.settings import Settings
from schemas import topics
from schemas.codec import SchemaUnavailableError
from schemas.records import Capture, Delivery, EventQuarantined, EventUnrouted, OrderFact, OrderState
from tests.lab import fixed_codec
from tests.unit.test_processors_route import endpoint
from tests.webhooks import AT, HERE, shopify_order, webhook

CODEC = fixed_codec()
WRITER = Writer(CODEC)
TRACE = [("traceparent", b"00-1-2-01")]


def take(value, *endpoints, trace=()):
    data = value if isinstance(value, bytes) or value is None else CODEC.encode(value)
    work = receive(data, HERE, AT, codec=CODEC, writer=WRITER, index=Index(endpoints), trace=list(trace))
    return work, list(work.outputs)


def by_topic(outputs, topic):
    return [CODEC.decode(o.value, topic.record) for o in outputs if o.topic is topic]


def test_an_order_becomes_event_fact_and_deliveries_each_under_its_key():
    work, outputs = take(shopify_order(7), endpoint("a"), endpoint("b"), trace=TRACE)
    assert (work.outcome, work.received_at) == ("routed", AT)
    assert [(o.topic.name, o.key, o.partition) for o in outputs] == [
        ("commerce.orders", "acme/7", None),
        ("workflows.orders", "acme/7", None),
        ("deliveries", "a", None),
        ("deliveries", "b", None),
    ]
    assert [o.headers for o in outputs] == [
        [("event-type", "order.created"), *TRACE],
        TRACE,
        [("event-type", "order.created"), *TRACE],
        [("event-type", "order.created"), *TRACE],
    ]
    assert by_topic(outputs, topics.ORDER_FACTS)[0].order == by_topic(outputs, topics.ORDERS)[0]


def test_what_is_encoded_once_and_used_twice_is_what_it_would_be_encoded_anew():
    _, outputs = take(shopify_order(7, financial_status="paid"), endpoint("a"))
    told = by_topic(outputs, topics.ORDER_FACTS)[0]
    assert outputs[1].value == CODEC.encode(told)
    found = step(told, None, endpoint("a"))
    assert found.state == CODEC.encode(CODEC.decode(found.state, OrderState))
    assert CODEC.decode(found.state, OrderState).released.type == "order.released"


def test_the_same_record_makes_the_same_bytes():
    assert take(shopify_order(7), endpoint("a"))[1] == take(shopify_order(7), endpoint("a"))[1]


def test_an_event_nobody_asks_for_is_kept_and_said_to_be_unrouted():
    work, outputs = take(shopify_order(7), endpoint("a", ["payment.*"]))
    assert work.outcome == "unrouted"
    (record,) = by_topic(outputs, topics.UNROUTED)
    assert (record.reason, record.reasons) == ("no_match", {"a": "asks for payment.*, not order.created"})
    assert len(by_topic(outputs, topics.ORDERS)) == 1


def test_a_topic_without_a_mapping_is_unrouted_under_the_webhooks_own_id():
    work, outputs = take(webhook("shopify", "products/update", {"id": 1}), endpoint("a"))
    (output,) = outputs
    record = CODEC.decode(output.value, EventUnrouted)
    assert (work.outcome, record.id, record.reason, record.type) == ("unrouted", "rcv_1", "unmapped", "products/update")


@pytest.mark.parametrize(
    ("value", "cause", "words"),
    [
        (None, "undecodable", "0 bytes"),
        (b"", "undecodable", "0 bytes"),
        (b"\x01garbage", "undecodable", "first byte is 1"),
        (b"\x00\x00\x00\xff\xff..", "undecodable", ""),
        (webhook("shopify", "orders/create", b"{"), "bad_json", "no JSON"),
        (webhook("shopify", "orders/create", {"id": 1}), "mapping_failed", "total_price"),
    ],
)
def test_poison_is_set_aside_with_its_cause_and_its_place(value, cause, words):
    work, (output,) = take(value, endpoint("a"))
    record = CODEC.decode(output.value, EventQuarantined)
    assert (work.outcome, output.topic, output.label) == ("quarantined", topics.QUARANTINED, cause)
    assert record.cause == cause
    assert words in record.detail
    assert (record.raw_topic, record.raw_partition, record.raw_offset) == (HERE.topic, HERE.partition, HERE.offset)
    assert record.received_at == AT


def test_an_event_too_large_for_kafka_is_set_aside():
    lines = [{"id": n, "price": "1"} for n in range(40_000)]
    _, (output,) = take(shopify_order(7, line_items=lines), endpoint("a"))
    record = CODEC.decode(output.value, EventQuarantined)
    assert record.cause == "invalid_event"
    assert f"at most {LARGEST} can be kept" in record.detail


def test_a_fault_of_our_own_in_a_pure_step_does_not_stop_the_flow(monkeypatch):
    monkeypatch.setattr("processors.receive.route", lambda *_: 1 / 0)
    work, (output,) = take(shopify_order(7))
    assert work.outcome == "quarantined"
    assert CODEC.decode(output.value, EventQuarantined).detail == "ZeroDivisionError: division by zero"


def test_a_registry_that_cannot_be_asked_is_no_reason_to_set_a_record_aside(monkeypatch):
    def away(*_):
        raise SchemaUnavailableError("no answer")

    monkeypatch.setattr(CODEC, "decode", away)
    with pytest.raises(SchemaUnavailableError):
        take(shopify_order(7))


def step(told, before, *endpoints):
    return workflow.advance(told, before, HERE, AT, codec=CODEC, writer=WRITER, index=Index(endpoints), trace=[])


class TestWorkflow:
    def told(self, **body):
        return fact(normalize(shopify_order(7, **body), HERE)[0])

    def test_the_state_goes_to_the_partition_of_its_fact(self):
        found = step(self.told(), None, endpoint("a"))
        (output,) = found.work.outputs
        assert (output.topic, output.key, output.partition) == (topics.ORDER_STATES, "acme/7", HERE.partition)
        assert output.headers == [("made-at", str(HERE.offset))]
        assert found.state == output.value
        assert CODEC.decode(found.state, OrderState).order.data.id == "7"
        assert (found.key, found.work.outcome) == ("acme/7", "state")

    def test_a_release_goes_out_with_its_state_and_its_deliveries(self):
        found = step(self.told(financial_status="paid"), None, endpoint("a"), endpoint("b"))
        outputs = list(found.work.outputs)
        assert [o.topic.name for o in outputs] == ["workflows.orders.state", "commerce.orders", "deliveries", "deliveries"]
        assert {d.event_type for d in by_topic(outputs, topics.DELIVERIES)} == {"order.released"}
        again = step(self.told(financial_status="paid"), found.state, endpoint("a"), endpoint("b"))
        assert [o.value for o in again.work.outputs] == [o.value for o in outputs[1:]]
        assert again.state is None

    def test_a_state_that_cannot_be_read_sets_the_fact_aside(self):
        found = step(self.told(), b"\x01garbage", endpoint("a"))
        (output,) = found.work.outputs
        record = CODEC.decode(output.value, EventQuarantined)
        assert (record.cause, record.id, record.source) == ("invalid_event", self.told().id, "shop")
        assert found.state is None

    def test_states_are_merged_whichever_was_written_last_and_a_broken_one_counts_for_nothing(self):
        paid = CODEC.encode(
            OrderState(tenant="acme", order_id="7", captures=[Capture(payment_id="p", captured=money("5", "EUR"))])
        )
        ordered = step(self.told(), None).state
        both = CODEC.decode(workflow.merge_states(paid, ordered, CODEC), OrderState)
        assert (both.order.data.id, both.captures[0].payment_id) == ("7", "p")
        assert workflow.merge_states(ordered, paid, CODEC) == workflow.merge_states(paid, ordered, CODEC)
        assert workflow.merge_states(paid, b"\x01broken", CODEC) == workflow.merge_states(b"\x01broken", paid, CODEC) == paid


def test_facts_and_states_have_as_many_partitions_and_the_same_key():
    assert topics.ORDER_FACTS.partitions == topics.ORDER_STATES.partitions
    assert topics.ORDER_FACTS.key == topics.ORDER_STATES.key
    assert topics.ORDER_STATES.compacted


def test_what_does_not_fit_its_schema_is_an_invalid_record():
    with pytest.raises(InvalidRecordError, match="OrderFact does not fit its schema"):
        WRITER.fact(OrderFact(id=1, tenant="t", order_id="o", kind="order", payment_id="", occurred_at=1), [])


@pytest.mark.parametrize(
    ("topic", "metric", "labels"),
    [
        (topics.DELIVERIES, metrics.ROUTED, ()),
        (topics.UNROUTED, metrics.UNROUTED, ("no_match",)),
        (topics.QUARANTINED, metrics.QUARANTINED, ("bad_json",)),
        (topics.PAYMENTS, metrics.EVENTS, ("payment.captured",)),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_each_output_is_counted(topic, metric, labels):
    def value():
        return (metric.labels(*labels) if labels else metric)._value.get()

    before = value()
    _count([Output(topic, "k", b"", [], *labels)] * 3)
    assert value() == before + 3


@pytest.mark.parametrize(("instance", "wanted"), [(None, None), ("", None), ("2", "pre.processors-2")])
def test_faust_is_set_up_to_lose_nothing(tmp_path, instance, wanted):
    conf = create_faust(Settings(home=tmp_path, topic_prefix="pre.", bootstrap="a:1,b:2", instance=instance)).conf
    assert (conf.id, conf.consumer_group_instance_id) == ("pre.processors", wanted)
    assert [str(url) for url in conf.broker] == ["aiokafka://a:1", "aiokafka://b:2"]
    assert conf.stream_wait_empty
    assert conf.processing_guarantee.value == "at_least_once"
    assert not (conf.topic_allow_declare)
    assert not (conf.web_enabled)
    assert not (conf.autodiscover)
    assert conf.topic_disable_leader
    assert conf.datadir == tmp_path / "run" / "faust"
    assert (conf.broker_session_timeout, conf.producer_request_timeout, conf.broker_commit_interval) == (30, 30, 1)


def test_a_delivery_is_what_its_record_says():
    (output,) = [o for o in take(shopify_order(7), endpoint("a"))[1] if o.topic is topics.DELIVERIES]
    assert CODEC.decode(output.value, Delivery).object_key == "order/7"
