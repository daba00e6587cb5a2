"""Writes to Kafka with its failures turned into problems that a caller can act on."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from console.config_writer import NotSeenError
from console.problems import InvalidError, UnavailableError
from runtime.publisher import PublishError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from console.deps import Deps
    from runtime.publisher import Ack
    from schemas.records import Delivery
    from schemas.topics import Topic


P = ParamSpec("P")
T = TypeVar("T")
SHOWN_WITHIN_S: Final = 2.0
LOOK_S: Final = 0.05


async def applied(write: Awaitable[None]) -> None:
    """Wait for a write of configuration. Raises UnavailableError, InvalidError for what does not fit its schema."""
    try:
        await write
    except PublishError as e:
        raise UnavailableError(f"Kafka did not take the change: {e}. It may still arrive; look before you repeat it") from e
    except NotSeenError as e:
        raise UnavailableError(str(e)) from e
    except ValueError as e:
        raise InvalidError([("body", str(e))]) from e


def one_at_a_time(
    change: Callable[Concatenate[Deps, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Deps, P], Coroutine[Any, Any, T]]:
    """Changes of configuration read what there is, then write: two at once would lose one."""

    @functools.wraps(change)
    async def alone(deps: Deps, /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with deps.config.turn:
            return await change(deps, *args, **kwargs)

    return alone


async def shown(deps: Deps, topic: Topic[Delivery], ack: Ack, patience_s: float = SHOWN_WITHIN_S) -> None:
    """Wait until the read model has a record, so that whoever looks next sees it; not for ever, for it is written."""
    deadline = deps.clock.monotonic() + patience_s
    while deps.clock.monotonic() < deadline:
        if await asyncio.to_thread(deps.queries.taken, topic.name, ack.partition, ack.offset):
            return
        await asyncio.sleep(LOOK_S)


async def publish(deps: Deps, topic: Topic[Delivery], delivery: Delivery) -> Ack:
    """Put a delivery on a topic. Raises UnavailableError."""
    try:
        return await deps.publisher.publish(topic, delivery.endpoint_id, deps.codec.encode(delivery), event_headers(delivery))
    except PublishError as e:
        raise UnavailableError(f"Kafka did not take the delivery: {e}. It may still arrive; look before you repeat it") from e


def event_headers(delivery: Delivery) -> list[tuple[str, str | bytes | None]]:
    """Headers of a delivery record."""
    return [("event-type", delivery.event_type.encode())]
