"""The verdict notices every way in which a hub can break its word, and nothing else."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.chaos import report
from tests.chaos.ledger import Arrival, Ledger
from tests.chaos.verdict import FaultDone, judge


def books(count: int = 5) -> Ledger:
    """Messages 1 to `count` of one object: sent at 1, 2, …, accepted half a second later, arrived a second later."""
    ledger = Ledger()
    for n in range(1, count + 1):
        ledger.send(f"{n}", "key", n, float(n))
        ledger.accept(f"{n}", n + 0.5)
        arrive(ledger, f"{n}", n + 1.5)
    return ledger


def arrive(ledger: Ledger, identity: str, at: float, webhook_id: str | None = None, body: int = 0) -> None:
    ledger.arrive(Arrival(identity, webhook_id or f"msg_{identity}", at, body))


def test_clean_books_pass() -> None:
    verdict = judge(books(), [])
    assert verdict.passed
    assert (verdict.sent, verdict.accepted, verdict.arrived, verdict.duplicates, verdict.inversions) == (5, 5, 5, 0, 0)
    assert (verdict.latency_p50_s, verdict.latency_p99_s) == (1.0, 1.0)


def test_a_loss_is_a_failure_with_evidence() -> None:
    ledger = books()
    ledger.send("6", "key", 6, 6.0)
    ledger.retry("6")
    ledger.accept("6", 6.5)
    assert ledger.outstanding() == 1
    faults = [
        FaultDone(kind="kill", process="delivery", pid=1, at=6.25),
        FaultDone(kind="kill", process="console", pid=1, at=9.0),
    ]
    verdict = judge(ledger, faults)
    assert not verdict.passed
    assert verdict.reasons == ["1 accepted, never arrived"]
    (missing,) = verdict.missing
    assert (missing.identity, missing.accepted_at, missing.tries) == ("6", 6.5, 2)
    assert missing.after_fault == "kill delivery 0.25 s before"


def test_a_message_that_was_never_accepted_need_not_arrive_but_is_no_success() -> None:
    ledger = books()
    ledger.send("6", "key", 6, 6.0)
    verdict = judge(ledger, [])
    assert verdict.never_accepted == ["6"]
    assert verdict.missing == []
    assert not verdict.passed


def test_an_unacknowledged_message_may_arrive() -> None:
    ledger = books()
    ledger.send("6", "key", 6, 6.0)
    arrive(ledger, "6", 7.0)
    assert judge(ledger, []).unacknowledged_arrivals == 1
    assert judge(ledger, []).strangers == []


def test_arriving_before_being_accepted_leaves_nothing_outstanding() -> None:
    ledger = books()
    ledger.send("6", "key", 6, 6.0)
    arrive(ledger, "6", 6.1)
    ledger.accept("6", 6.2)
    assert ledger.outstanding() == 0
    assert judge(ledger, []).passed


def test_a_duplicate_is_counted_not_condemned() -> None:
    ledger = books()
    arrive(ledger, "2", 9.0)
    arrive(ledger, "2", 9.1)
    verdict = judge(ledger, [FaultDone(kind="kill", process="delivery", pid=1, at=3.0)] * 2)
    assert (verdict.passed, verdict.duplicates, verdict.duplicates_per_fault) == (True, 2, 1.0)


def test_one_event_under_two_ids_is_a_failure_and_no_duplicate() -> None:
    ledger = books()
    arrive(ledger, "2", 9.0, "msg_other")
    verdict = judge(ledger, [])
    assert (verdict.two_ids, verdict.duplicates, verdict.passed) == (["2"], 0, False)


def test_two_events_under_one_id_are_a_failure() -> None:
    ledger = books()
    ledger.send("6", "key", 6, 6.0)
    ledger.accept("6", 6.5)
    arrive(ledger, "6", 7.0, "msg_2")
    assert judge(ledger, []).shared_ids == ["msg_2"]
    assert not judge(ledger, []).passed


def test_a_stranger_is_a_failure() -> None:
    ledger = books()
    arrive(ledger, "77", 9.0)
    ledger.unreadable.append("no type at /order: b'?'")
    verdict = judge(ledger, [])
    assert verdict.strangers == ["no type at /order: b'?'", "77"]
    assert not verdict.passed


def test_a_wrong_signature_is_a_failure() -> None:
    ledger = books()
    ledger.bad_signatures = 1
    assert not judge(ledger, []).passed


def test_another_body_under_the_same_id_is_shown() -> None:
    ledger = books()
    arrive(ledger, "2", 9.0, body=1)
    assert judge(ledger, []).changed_bodies == ["msg_2"]


def test_an_inversion_needs_a_certain_order() -> None:
    """Overlapping requests have none: whichever came first at the ingress is first."""
    ledger = Ledger()
    for identity, key, sent, accepted, arrived in (
        ("1", "a", 1.0, 1.5, 5.0),
        ("2", "a", 2.0, 2.5, 4.0),  # sent after 1 was accepted, arrived before it
        ("3", "b", 1.0, 2.5, 5.0),
        ("4", "b", 2.0, 2.2, 4.0),  # sent while 3 was under way
        ("5", "c", 1.0, 1.5, 5.0),
        ("6", "d", 2.0, 2.5, 4.0),  # another object
    ):
        ledger.send(identity, key, 0, sent)
        ledger.accept(identity, accepted)
        arrive(ledger, identity, arrived)
    verdict = judge(ledger, [])
    assert (verdict.inversions, verdict.passed) == (1, True)


def test_a_derived_event_is_due_once_all_it_needs_was_accepted() -> None:
    ledger = books()
    ledger.derive("order.released 1", ("1", "2"))
    ledger.derive("order.released 2", ("1", "99"))
    assert ledger.due() == ["order.released 1"]
    assert ledger.outstanding() == 1
    verdict = judge(ledger, [])
    assert [m.identity for m in verdict.missing] == ["order.released 1"]
    assert verdict.missing[0].accepted_at == 2.5
    arrive(ledger, "order.released 1", 8.0)
    assert judge(ledger, []).passed
    arrive(ledger, "order.released 1", 8.5, "msg_other")
    assert judge(ledger, []).two_ids == ["order.released 1"]


def test_nothing_accepted_is_no_pass() -> None:
    assert not judge(Ledger(), []).passed


def test_recovery_is_measured_from_the_fault_to_what_was_sent_after_it() -> None:
    ledger = books(3)
    ledger.send("4", "key", 4, 4.0)
    ledger.accept("4", 7.0)
    arrive(ledger, "4", 9.0)
    arrive(ledger, "4", 9.5)
    faults = [
        FaultDone(kind="stop", process="ingress", pid=1, at=20.0),
        FaultDone(kind="kill", process="delivery", pid=1, at=3.5, back_s=1.25),
    ]
    first, second = judge(ledger, faults, start=1.0).recoveries
    assert (first.fault, first.at, first.back_s, first.flow_s, first.worst_latency_s) == ("kill delivery", 2.5, 1.25, 5.5, 5.0)
    assert (first.duplicates, second.duplicates) == (1, 0)
    assert (second.back_s, second.flow_s, second.worst_latency_s) == (None, None, None)


@pytest.mark.parametrize("lost", [False, True])
def test_the_report_shows_the_verdict_and_its_evidence(*, lost: bool) -> None:
    ledger = books()
    if lost:
        ledger.send("6", "key", 6, 6.0)
        ledger.accept("6", 6.5)
    verdict = judge(ledger, [FaultDone(kind="kill", process="delivery", pid=1, at=3.5)])
    console = Console(file=io.StringIO(), width=160)
    report.show(console, "chaos", verdict)
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above
    assert "kill delivery" in shown
    assert ("passed" in shown, "missing 6: accepted at 6.50 s" in shown) == (not lost, lost)
    assert verdict.as_dict()["passed"] is not lost
