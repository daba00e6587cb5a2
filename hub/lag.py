"""How far each consumer group is behind: messages between what it committed and the end of its partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # the package re-exports without saying so

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

TIMEOUT_S: Final = 10.0
_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
Spot = tuple[str, int]


def by_group(admin: AdminClient, prefix: str) -> dict[str, int]:
    """Lag of every group of the deployment, by its name without the prefix. Raises KafkaException."""
    listed = admin.list_consumer_groups(request_timeout=TIMEOUT_S).result(TIMEOUT_S).valid
    groups = sorted(g.group_id for g in listed if g.group_id.startswith(prefix))
    committed = {group: _committed(admin, group) for group in groups}
    assigned = _assigned(admin, groups) if groups else {}
    spots = {spot for group in groups for spot in (*committed[group], *assigned.get(group, ()))}
    first, last = _offsets(admin, spots, _EARLIEST), _offsets(admin, spots, _LATEST)
    return {
        group.removeprefix(prefix): sum(
            max(last[spot] - max(committed[group].get(spot, 0), first[spot]), 0)
            for spot in {*committed[group], *assigned.get(group, ())}
            if spot in last and spot in first
        )
        for group in groups
    }


def _committed(admin: AdminClient, group: str) -> dict[Spot, int]:
    answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_S)
    found = answer[group].result(TIMEOUT_S).topic_partitions or []
    return {(tp.topic, tp.partition): tp.offset for tp in found if tp.offset >= 0 and not tp.error}


def _assigned(admin: AdminClient, groups: list[str]) -> dict[str, set[Spot]]:
    """Partitions that members hold now, for those that no offset was committed of yet."""
    described = admin.describe_consumer_groups(groups, request_timeout=TIMEOUT_S)
    return {
        group: {
            (tp.topic, tp.partition)
            for member in future.result(TIMEOUT_S).members
            if member.assignment
            for tp in member.assignment.topic_partitions
        }
        for group, future in described.items()
    }


def _offsets(admin: AdminClient, spots: set[Spot], which: OffsetSpec) -> dict[Spot, int]:
    if not spots:
        return {}
    futures = admin.list_offsets({TopicPartition(*spot): which for spot in spots}, request_timeout=TIMEOUT_S)
    found = {}
    for tp, future in futures.items():
        if future.exception(TIMEOUT_S) is None:  # a topic deleted meanwhile has no end
            found[tp.topic, tp.partition] = future.result().offset
    return found
