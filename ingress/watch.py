"""Keeps /readyz honest: asks the broker at a steady pace and reports what it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from runtime.kafka import KafkaException
from schemas import topics

if TYPE_CHECKING:
    from runtime.config import Sources
    from runtime.health import Health
    from runtime.publisher import Publisher

EVERY_S: Final = 5.0
GOOD_FOR_S: Final = 20.0
ANSWER_S: Final = 2.0  # short, because a stop waits for the question under way


async def watch(publisher: Publisher, sources: Sources, health: Health) -> None:
    """Report for ever; cancel to end."""
    while True:
        await look(publisher, sources, health)
        await asyncio.sleep(EVERY_S)


async def look(publisher: Publisher, sources: Sources, health: Health) -> None:
    """Ask once and report."""
    health.report("sources", ok=sources.ready, detail="" if sources.ready else "config.sources is not read yet")
    try:
        await publisher.warm([topics.RECEIVED], ANSWER_S)
    except KafkaException as e:
        health.report("kafka", ok=False, detail=f"the broker does not answer: {e.args[0].str()}")
    else:
        health.report("kafka", ok=True, good_for_s=GOOD_FOR_S)
