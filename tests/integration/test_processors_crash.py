"""Killed in full swing, stopped in full swing, joined by another: nothing is lost and no identity changes."""

import itertools
import signal

import pytest

from schemas import topics
from tests.processors_lab import ProcessorsLab, expected
from tests.webhooks import shopify_order, stripe_payment

pytestmark = pytest.mark.integration
ORDERS = 1000


@pytest.fixture
def lab(bootstrap, registry_url, tmp_path):
    lab = ProcessorsLab(bootstrap, registry_url, tmp_path)
    yield lab
    lab.stop()


def webhooks():
    """Orders and their payments, 2,000 in all; each order is released by its payment or the other way round."""
    orders = [shopify_order(n) for n in range(ORDERS)]
    payments = [stripe_payment(n, n) for n in range(ORDERS)]
    return list(itertools.chain.from_iterable(zip(orders, payments, strict=True)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_ended_in_the_middle_and_started_again_nothing_is_missing(lab, number):
    endpoint = lab.endpoint("all", "http://x.example/", tenant="acme")
    sent = webhooks()
    lab.receive(sent)
    running = lab.start()
    lab.until(lambda: lab.end_of(topics.DELIVERIES) > 300, "the first deliveries")
    assert lab.end(running, number) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    assert not lab.all_done(), "it was through before it was hit: there was nothing to prove"

    lab.start()
    lab.until(lab.all_done, "the rest")
    found = [d.id for d in lab.read(topics.DELIVERIES)]
    assert set(found) == expected(sent, [endpoint])
    assert len(set(found)) == 3 * ORDERS  # created, captured, released
    if number == signal.SIGTERM:
        assert len(found) == len(set(found)), "a clean stop commits what it has done"
    released = [e for e in lab.read(topics.ORDERS) if e.type == "order.released"]
    assert len({lab.codec.encode(e) for e in released}) == ORDERS


def test_states_survive_the_process(lab):
    endpoint = lab.endpoint("all", "http://x.example/", tenant="acme", event_types=["order.released"])
    orders, payments = [shopify_order(n) for n in range(20)], [stripe_payment(n, n) for n in range(20)]
    running = lab.start()
    lab.receive(orders)
    lab.until(lambda: lab.end_of(topics.ORDER_STATES) == 20, "the orders' states")
    lab.end(running, signal.SIGKILL)

    lab.receive(payments)
    lab.start()
    lab.until(lab.all_done, "the payments")
    found = [d.id for d in lab.read(topics.DELIVERIES)]
    assert set(found) == expected([*orders, *payments], [endpoint])
    assert len(set(found)) == 20


def test_states_lie_beside_their_facts(lab):
    lab.start()
    lab.receive([shopify_order(n) for n in range(30)])
    lab.until(lambda: lab.end_of(topics.ORDER_STATES) == 30, "the orders' states")
    assert lab.ends(topics.ORDER_STATES) == lab.ends(topics.ORDER_FACTS)
    assert sum(1 for end in lab.ends(topics.ORDER_FACTS) if end) > 3, "all facts in one place prove nothing"


def test_a_second_process_takes_over_a_part_under_load_and_nothing_is_lost(lab):
    endpoint = lab.endpoint("all", "http://x.example/", tenant="acme")
    numbers, sent = itertools.count(), []

    def feed():
        batch = list(
            itertools.chain.from_iterable((shopify_order(n), stripe_payment(n, n)) for n in itertools.islice(numbers, 20))
        )
        sent.extend(batch)
        return lab.receive(batch)

    first = lab.start("1")
    lab.until(lambda: feed() and lab.end_of(topics.DELIVERIES) > 100, "the first deliveries")
    second = lab.start("2")
    lab.until(lambda: feed() and lab.tail().count('"partitions": 6') == 2, "a part for each")
    for _ in range(10):
        feed()
    lab.until(lab.all_done, "all")
    assert {d.id for d in lab.read(topics.DELIVERIES)} == expected(sent, [endpoint])
    first.terminate()
    second.terminate()
    assert [first.wait(30), second.wait(30)] == [0, 0]
    assert lab.all_done()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_the_negative_control_loses_events(lab, number):
    endpoint = lab.endpoint("all", "http://x.example/", tenant="acme")
    sent = [shopify_order(n) for n in range(3 * ORDERS)]
    lab.receive(sent)
    running = lab.start(module="tests.unsafe_agent")
    lab.until(lambda: lab.done(topics.RECEIVED) > 0, "the first commit")
    lab.end(running, number)
    assert not lab.all_done(), "it was through before it was hit: there was nothing to lose"

    lab.start()
    lab.until(lab.all_done, "the rest, by the real processors")
    missing = expected(sent, [endpoint]) - {d.id for d in lab.read(topics.DELIVERIES)}
    assert missing, "the harness sees no loss where there is some"
