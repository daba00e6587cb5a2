"""Judges the books: promises 1 and 2 by comparing sets, and what the faults cost besides. Pure.

A loss, a stranger, a second id, a wrong signature or a message that was never accepted is a failure. Duplicates and
inversions are not: the hub promises at least once, and these endpoints ask for no order.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.ledger import Ledger, Sent


@dataclass(frozen=True)
class Missing:
    """An accepted event that never arrived; times in seconds since the first message, `after_fault` the last before it."""

    identity: str
    accepted_at: float
    tries: int
    after_fault: str


@dataclass(frozen=True, kw_only=True)
class FaultDone:
    """A fault that was inflicted. `back_s` until the process said it is ready again, None when it never did."""

    kind: str
    process: str
    pid: int
    at: float
    back_s: float | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.process}"


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How the flow took one fault: until an event sent after it arrived, and what there was before the next one."""

    fault: str
    at: float
    back_s: float | None
    flow_s: float | None
    worst_latency_s: float | None
    duplicates: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`reasons` say why it failed; empty means passed."""

    sent: int
    accepted: int
    derived: int
    arrived: int
    missing: list[Missing]
    never_accepted: list[str]
    strangers: list[str]
    two_ids: list[str]
    shared_ids: list[str]
    changed_bodies: list[str]
    bad_signatures: int
    duplicates: int
    duplicates_per_fault: float
    inversions: int
    unacknowledged_arrivals: int
    retries: int
    latency_p50_s: float | None
    latency_p99_s: float | None
    recoveries: list[Recovery]
    reasons: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        return {"passed": self.passed} | asdict(self)


def judge(ledger: Ledger, faults: Sequence[FaultDone], *, start: float = 0.0) -> Verdict:
    """The verdict on a finished experiment."""
    first: dict[str, float] = {}
    webhook_ids, identities, bodies = (defaultdict[str, set[Any]](set) for _ in range(3))
    seen: set[tuple[str, str]] = set()
    duplicates: list[float] = []
    for arrival in sorted(ledger.arrivals, key=lambda a: a.at):
        first.setdefault(arrival.identity, arrival.at)
        webhook_ids[arrival.identity].add(arrival.webhook_id)
        identities[arrival.webhook_id].add(arrival.identity)
        bodies[arrival.webhook_id].add(arrival.body)
        if (arrival.identity, arrival.webhook_id) in seen:
            duplicates.append(arrival.at)
        seen.add((arrival.identity, arrival.webhook_id))
    due = ledger.due()
    accepted = {s.identity: s for s in ledger.sent.values() if s.accepted_at is not None}
    latencies = sorted(first[i] - s.accepted_at for i, s in accepted.items() if i in first and s.accepted_at is not None)
    verdict = Verdict(
        sent=len(ledger.sent),
        accepted=len(accepted),
        derived=len(due),
        arrived=len(first),
        missing=_missing(ledger, [i for i in (*accepted, *due) if i not in first], faults, start),
        never_accepted=[i for i in ledger.sent if i not in accepted],
        strangers=[*ledger.unreadable, *sorted(i for i in first if i not in ledger.sent and i not in ledger.derived)],
        two_ids=sorted(i for i, ids in webhook_ids.items() if len(ids) > 1),
        shared_ids=sorted(w for w, ids in identities.items() if len(ids) > 1),
        changed_bodies=sorted(w for w, found in bodies.items() if len(found) > 1),
        bad_signatures=ledger.bad_signatures,
        duplicates=len(duplicates),
        duplicates_per_fault=round(len(duplicates) / len(faults), 1) if faults else 0.0,
        inversions=_inversions(list(accepted.values()), first),
        unacknowledged_arrivals=sum(i in first and i not in accepted for i in ledger.sent),
        retries=sum(s.tries - 1 for s in ledger.sent.values()),
        latency_p50_s=_quantile(latencies, 0.5),
        latency_p99_s=_quantile(latencies, 0.99),
        recoveries=_recoveries(ledger, first, duplicates, faults, start),
    )
    verdict.reasons.extend(_reasons(verdict))
    return verdict


def _reasons(v: Verdict) -> list[str]:
    found = {
        "accepted, never arrived": len(v.missing),
        "never accepted: the hub did not come back": len(v.never_accepted),
        "arrived, never sent": len(v.strangers),
        "under two webhook-ids": len(v.two_ids),
        "webhook-ids used for two events": len(v.shared_ids),
        "with a signature that does not match": v.bad_signatures,
    }
    reasons = [f"{count} {words}" for words, count in found.items() if count]
    return reasons if v.accepted else [*reasons, "nothing was accepted: the experiment says nothing"]


def _missing(ledger: Ledger, identities: list[str], faults: Sequence[FaultDone], start: float) -> list[Missing]:
    return [_one_missing(ledger, identity, faults, start) for identity in identities]


def _one_missing(ledger: Ledger, identity: str, faults: Sequence[FaultDone], start: float) -> Missing:
    """A derived event counts as accepted when the last of its needs was."""
    needs = ledger.derived.get(identity, (identity,))
    at = max(ledger.sent[need].accepted_at or 0.0 for need in needs)
    before = [fault for fault in faults if fault.at <= at]
    after = f"{before[-1]} {at - before[-1].at:.2f} s before" if before else "none"
    return Missing(identity, round(at - start, 3), sum(ledger.sent[need].tries for need in needs), after)


def _inversions(accepted: list[Sent], first: dict[str, float]) -> int:
    """Events of one object that arrived after a later one, though accepted before that was even sent."""
    by_key: dict[str, list[Sent]] = defaultdict(list)
    for sent in accepted:
        if sent.identity in first:
            by_key[sent.key].append(sent)
    return sum(any(_overtook(later, earlier, first) for later in history) for history in by_key.values() for earlier in history)


def _overtook(later: Sent, earlier: Sent, first: dict[str, float]) -> bool:
    before = earlier.accepted_at is not None and earlier.accepted_at < later.first_sent_at
    return before and first[later.identity] < first[earlier.identity]


def _recoveries(
    ledger: Ledger, first: dict[str, float], duplicates: list[float], faults: Sequence[FaultDone], start: float
) -> list[Recovery]:
    ordered = sorted(faults, key=lambda f: f.at)
    made = []
    for fault, following in zip_longest(ordered, ordered[1:]):
        end = following.at if following else float("inf")
        after = [s for s in ledger.sent.values() if s.first_sent_at >= fault.at and s.identity in first]
        waits = [first[s.identity] - s.first_sent_at for s in after if s.first_sent_at < end]
        flow = min((first[s.identity] - fault.at for s in after), default=None)
        made.append(
            Recovery(
                fault=str(fault),
                at=round(fault.at - start, 2),
                back_s=None if fault.back_s is None else round(fault.back_s, 2),
                flow_s=None if flow is None else round(flow, 2),
                worst_latency_s=round(max(waits), 2) if waits else None,
                duplicates=sum(fault.at <= at < end for at in duplicates),
            )
        )
    return made


def _quantile(ordered: list[float], q: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 3) if ordered else None
