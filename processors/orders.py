"""The order workflow: an order is released once it is paid, exactly once, in whatever order its facts arrive. Pure.

Paid: what its payments captured in its currency (each counted by the most it ever said) reaches its total, or a channel
says so itself. The newest order event counts; a cancelled order is not released. The state keeps which fact released the
order and what came of it, so that a second run of that fact makes the very same event.

The released event carries the order as it stood; its raw pointer is that of the order event it carries, its times are
those of the fact that released it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from processors.money import ZERO, money
from schemas import ids
from schemas.records import Capture, Money, OrderEvent, OrderState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from schemas.records import OrderFact

RELEASED: Final = "order.released"
CHANNEL: Final = ""  # payment id under which the channel's own word "paid" is kept, as a capture of the total it then had
_PAID: Final = frozenset({"paid", "partially_refunded"})


class Step(msgspec.Struct, frozen=True):
    """What one fact does: the state after it, and the release where it makes, or once made, one."""

    state: OrderState
    released: OrderEvent | None


def apply(state: OrderState | None, fact: OrderFact) -> Step:
    """Take one fact in."""
    before = state or OrderState(tenant=fact.tenant, order_id=fact.order_id, captures=[])
    if before.released is not None:
        return Step(before, before.released if before.released_by == fact.id else None)
    after = _learn(before, fact)
    if after.order is None or after.order.data.status == "cancelled" or not _paid(after.order, after.captures):
        return Step(after, None)
    released = _release(after.order, fact)
    # What led to it is not needed any more: the state of a released order stays small.
    return Step(msgspec.structs.replace(after, order=None, captures=[], released_by=fact.id, released=released), released)


def merge(one: OrderState, other: OrderState) -> OrderState:
    """What two states of one order know together, whichever was written last.

    A process that lost its partition without noticing may write a state after its successor wrote a newer one. What both
    learnt is kept; the release, once made, is the same in both.
    """
    for state in (one, other):
        if state.released is not None:
            return state
    captures = one.captures
    for capture in other.captures:
        captures = _count(captures, capture.payment_id, capture.captured)
    orders = [state.order for state in (one, other) if state.order is not None]
    return msgspec.structs.replace(one, order=max(orders, key=_age) if orders else None, captures=captures)


def _learn(state: OrderState, fact: OrderFact) -> OrderState:
    order, captures = state.order, state.captures
    if fact.order is not None:
        order = fact.order if order is None else max(order, fact.order, key=_age)
        if fact.order.data.payment_status in _PAID:
            captures = _count(captures, CHANNEL, fact.order.data.total)
    elif fact.captured is not None:
        captures = _count(captures, fact.payment_id or fact.id, fact.captured)
    return msgspec.structs.replace(state, order=order, captures=captures)


def _age(order: OrderEvent) -> tuple[int, bool, str]:
    """Newer is larger; of two at the same moment the cancelled one counts, then the id: never the order of arrival."""
    return order.sequence, order.data.status == "cancelled", order.id


def _count(captures: list[Capture], payment_id: str, captured: Money) -> list[Capture]:
    """The captures with this one; of one payment and currency the largest is kept."""
    key = (payment_id, captured.currency)
    by_key = {(c.payment_id, c.captured.currency): c for c in captures}
    known = by_key.get(key)
    if known is None or known.captured.amount < captured.amount:
        by_key[key] = Capture(payment_id=payment_id, captured=money(captured.amount, captured.currency))
    return [by_key[k] for k in sorted(by_key)]


def _paid(order: OrderEvent, captures: list[Capture]) -> bool:
    total = order.data.total
    same = [c for c in captures if c.captured.currency == total.currency]
    payments = _sum(c.captured.amount for c in same if c.payment_id != CHANNEL)
    channel = _sum(c.captured.amount for c in same if c.payment_id == CHANNEL)
    return max(payments, channel) >= total.amount


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def _release(order: OrderEvent, fact: OrderFact) -> OrderEvent:
    at = max(order.occurred_at, fact.occurred_at)
    return msgspec.structs.replace(
        order,
        id=ids.derived_event_id(order.tenant, RELEASED, order.object_id),
        type=RELEASED,
        occurred_at=at,
        received_at=order.received_at if fact.received_at is None else fact.received_at,
        sequence=at,
    )
