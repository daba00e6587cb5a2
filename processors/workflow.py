"""One fact of the order workflow to everything that comes of it: the new state, the release and its deliveries. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processors import quarantine
from processors.orders import apply, merge
from processors.output import Work, followed_by
from processors.route import Unrouted, route, unrouted
from schemas.codec import DecodeError, SchemaUnavailableError
from schemas.records import OrderFact, OrderState

if TYPE_CHECKING:
    from processors.normalize import Pointer
    from processors.output import Headers, Writer
    from processors.route import Index
    from schemas.codec import Codec


class Advance(NamedTuple):
    """The work of one fact, and the encoded state to keep from now on under `key`; None where nothing changed."""

    work: Work
    key: str = ""
    state: bytes | None = None


def key_of(fact: OrderFact) -> str:
    """Key of the facts and of the state of one order."""
    return f"{fact.tenant}/{fact.order_id}"


def read(value: bytes | None, codec: Codec) -> OrderFact:
    """The fact of a record's value. Raises DecodeError, LookupError."""
    return codec.decode(value, OrderFact)


def advance(
    fact: OrderFact,
    before: bytes | None,
    at: Pointer,
    written_at: int,
    *,
    codec: Codec,
    writer: Writer,
    index: Index,
    trace: Headers,
) -> Advance:
    """Take one fact in, given the encoded state of its order."""
    received_at = written_at if fact.received_at is None else fact.received_at
    try:
        state = None if before is None else codec.decode(before, OrderState)
        step = apply(state, fact)
        released = None if step.released is None else writer.event(step.released, trace)
        written = [] if step.state is state else [writer.state(step.state, at.partition, at.offset, released)]
        if step.released is None or released is None:
            return Advance(Work(written, "state", received_at), key_of(fact), written[0].value if written else None)
        first = [*written, released]
        there = route(step.released, index)
        if isinstance(there, Unrouted):
            first.append(writer.unrouted(unrouted(step.released, there), trace))
            there = []
        else:
            first.append(writer.delivery(there[0], trace))
    except SchemaUnavailableError:
        raise  # the state may be good: it is read again when the registry answers
    except Exception as e:  # noqa: BLE001 - all of this is pure: what fails once fails always, and must not stop the flow
        return Advance(quarantine.fact(writer, at, fact, written_at, e))
    work = Work(followed_by(first, there[1:], writer, trace), "routed" if there else "unrouted", received_at)
    return Advance(work, key_of(fact), written[0].value if written else None)


def merge_states(one: bytes, other: bytes, codec: Codec) -> bytes:
    """Two encoded states of one order as one. A state that cannot be read counts for nothing beside one that can."""
    if one == other:
        return one
    try:
        earlier = codec.decode(one, OrderState)
    except DecodeError:
        return other
    try:
        later = codec.decode(other, OrderState)
    except DecodeError:
        return one
    return codec.encode(merge(earlier, later))
