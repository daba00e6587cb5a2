"""The order workflow: released exactly once, never before it is paid, in any order of arrival, however often it is run."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.facts import fact
from processors.money import money
from processors.normalize import normalize
from processors.orders import CHANNEL, RELEASED, apply, merge
from schemas import ids
from schemas.records import OrderFact, OrderState
from tests.lab import fixed_codec
from tests.webhooks import HERE, shopify_order, stripe_payment

CODEC = fixed_codec()


def order(total="78.40", *, at=15, number=7, **body):
    (event, *_) = normalize(shopify_order(number, total_price=total, updated_at=f"2026-09-01T08:{at:02}:00Z", **body), HERE)
    return msgspec.structs.replace(fact(event), id=f"order-{at}-{body}")


def payment(amount, *, name="pi_1", at=1, currency="EUR"):
    return OrderFact(
        id=f"payment-{name}-{at}", tenant="acme", order_id="7", kind="payment", payment_id=name,
        occurred_at=1_788_250_600_000 + at, received_at=1_788_250_601_000 + at, captured=money(amount, currency),
    )  # fmt: skip


def stored(state):
    """The state as it is after it went through its topic."""
    return None if state is None else CODEC.decode(CODEC.encode(state), OrderState)


def run(facts, state=None):
    """Final state, and the releases made."""
    made = []
    for told in facts:
        step = apply(stored(state), told)
        state = step.state
        if step.released:
            made.append(step.released)
    return state, made


class TestRelease:
    @pytest.mark.parametrize(
        "facts", [[order(), payment("78.40")], [payment("78.40"), order()]], ids=["order first", "payment first"]
    )
    def test_once_it_is_paid(self, facts):
        state, (made,) = run(facts)
        assert made.id == ids.derived_event_id("acme", RELEASED, "7")
        assert (made.type, made.object_id, made.data.total.amount) == (RELEASED, "7", Decimal("78.40"))
        assert (made.raw_topic, made.raw_partition, made.raw_offset) == (HERE.topic, HERE.partition, HERE.offset)
        assert made.occurred_at == made.sequence == max(order().occurred_at, facts[-1].occurred_at)
        assert made.received_at == facts[-1].received_at
        assert (state.released_by, state.order, state.captures) == (facts[-1].id, None, [])

    def test_when_the_channel_says_so_itself(self):
        assert len(run([order(financial_status="paid")])[1]) == 1
        assert len(run([order(at=20, financial_status="partially_refunded")])[1]) == 1
        assert run([order(financial_status="authorized")])[1] == []

    def test_when_the_channels_word_arrives_after_a_newer_order(self):
        newer, older = order(at=30, financial_status="refunded"), order(at=15, financial_status="paid")
        assert len(run([newer, older])[1]) == 1

    def test_partial_captures_add_up_and_one_payment_counts_by_the_most_it_said(self):
        assert run([order(), payment("40.00"), payment("40.00", at=2), payment("38.39", name="pi_2")])[1] == []
        assert len(run([order(), payment("40.00"), payment("20.00", at=2), payment("38.40", name="pi_2")])[1]) == 1

    def test_money_of_another_currency_does_not_pay(self):
        assert run([order(), payment("1000", currency="USD")])[1] == []

    def test_the_same_money_is_not_counted_twice_by_the_channels_word(self):
        larger = order("100.00", at=30, financial_status="partially_paid")
        assert run([larger, payment("50"), order("50.00", at=15, financial_status="paid")])[1] == []

    def test_a_cancelled_order_is_not_released(self):
        cancelled = order(at=30, cancelled_at="2026-09-01T08:30:00Z")
        assert run([order(), cancelled, payment("78.40")])[1] == []
        assert run([cancelled, order(), payment("78.40")])[1] == []
        assert run([payment("78.40"), cancelled, order(financial_status="paid")])[1] == []

    def test_a_free_order_is_paid(self):
        assert len(run([order("0.00")])[1]) == 1

    def test_the_same_payment_from_two_events_of_it_counts_once(self):
        (event,) = normalize(stripe_payment(1, 7, cents=4000), HERE)
        told = fact(event)
        assert run([order(), told, msgspec.structs.replace(told, id="again")])[1] == []


class TestRunningAgain:
    def test_the_releasing_fact_makes_the_very_same_event_again(self):
        facts = [order(), payment("78.40")]
        state, (made,) = run(facts)
        again = apply(stored(state), facts[1]).released
        assert CODEC.encode(again) == CODEC.encode(made)

    def test_no_other_fact_does(self):
        state, _ = run([order(), payment("78.40")])
        assert run([order(), payment("90.00", at=9), order(at=40)], state)[1] == []


AMOUNTS = st.sampled_from(["10.00", "28.40", "40.00", "78.40"])
FACTS = st.lists(
    st.builds(order, at=st.integers(1, 5), financial_status=st.sampled_from(["pending", "pending", "authorized", "paid"]))
    | st.builds(payment, AMOUNTS, name=st.sampled_from(["pi_1", "pi_2", "pi_3"]), at=st.integers(1, 3)),
    min_size=1,
    max_size=7,
    unique_by=lambda f: f.id,
)


def is_paid(facts):
    """The rule in its plainest form, over all that was said, however it was ordered."""
    if not any(f.order for f in facts):
        return False
    if any(f.order and f.order.data.payment_status == "paid" for f in facts):
        return True
    most = {}
    for f in facts:
        if f.captured:
            most[f.payment_id] = max(most.get(f.payment_id, 0), f.captured.amount)
    return sum(most.values()) >= Decimal("78.40")


@settings(max_examples=150)
@given(facts=FACTS, data=st.data())
def test_any_order_any_repeats_any_crashes_release_once_and_only_when_paid(facts, data):
    arrival = data.draw(st.permutations(facts + data.draw(st.lists(st.sampled_from(facts), max_size=3))))
    # `states[i]`: what the state topic holds after fact i. A crash runs facts again from where offsets were committed,
    # on the state as far as it was written, which may be ahead of that.
    states, made, seen = [None], [], []
    for index, told in enumerate(arrival):
        step = apply(stored(states[-1]), told)
        states.append(step.state)
        seen.append(told)
        if step.released:
            made.append(step.released)
            assert is_paid(seen), "released before it was paid"
        if data.draw(st.integers(0, 3)) == 0:
            committed = data.draw(st.integers(0, index))
            written = data.draw(st.integers(committed, index + 1))
            state = states[written]
            for position in range(committed, index + 1):
                step = apply(stored(state), arrival[position])
                state = step.state
                if step.released:
                    made.append(step.released)
            states[-1] = state
    assert bool(made) is is_paid(facts)
    assert len({CODEC.encode(event) for event in made}) == (1 if made else 0)


@given(facts=FACTS, cut=st.integers(0, 7))
def test_merged_states_know_what_one_that_saw_everything_knows(facts, cut):
    """Two processes each saw a part, or one saw more than the other: nothing either knew is lost by merging."""
    whole, _ = run(facts)
    some, _ = run(facts[:cut])
    if some is None:
        return
    assert merge(some, whole) == merge(whole, some) == stored(whole)
    others = [f for f in facts[cut:] if not f.order]
    if not any(f.order for f in facts) and others:
        apart, _ = run(others)
        assert merge(some, apart) == merge(apart, some) == whole


def test_what_the_channel_said_is_kept_apart_from_payments():
    state, _ = run([order("100.00", at=30), order("50.00", at=15, financial_status="paid")])
    assert [c.payment_id for c in state.captures] == [CHANNEL]
