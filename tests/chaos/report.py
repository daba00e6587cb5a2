"""The verdict as tables a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from tests.chaos.verdict import Verdict

_SHOWN = 10


def show(console: Console, title: str, verdict: Verdict) -> None:
    """Books, recoveries, and every failure with its evidence."""
    console.print(_books(title, verdict))
    if verdict.recoveries:
        console.print(_recoveries(verdict))
    for missing in verdict.missing[:_SHOWN]:
        console.print(
            f"  missing {missing.identity}: accepted at {missing.accepted_at:.2f} s after {missing.tries} tries; "
            f"last fault: {missing.after_fault}"
        )
    for words, found in (("strangers", verdict.strangers), ("two ids", verdict.two_ids), ("shared ids", verdict.shared_ids)):
        if found:
            console.print(f"  {words}: {', '.join(found[:_SHOWN])}")
    console.print("[green]passed[/]" if verdict.passed else f"[red]failed[/]: {'; '.join(verdict.reasons)}")


def _books(title: str, v: Verdict) -> Table:
    made = Table(title=title, show_header=False)
    for words, value in (
        ("messages sent", f"{v.sent:,}"),
        ("accepted (2xx)", f"{v.accepted:,}"),
        ("released orders due", f"{v.derived:,}"),
        ("events arrived", f"{v.arrived:,}"),
        ("missing", f"{len(v.missing):,}"),
        ("never accepted", f"{len(v.never_accepted):,}"),
        ("strangers", f"{len(v.strangers):,}"),
        ("events under two webhook-ids", f"{len(v.two_ids):,}"),
        ("webhook-ids of two events", f"{len(v.shared_ids):,}"),
        ("webhook-ids with two bodies", f"{len(v.changed_bodies):,}"),
        ("signatures that do not match", f"{v.bad_signatures:,}"),
        ("duplicates", f"{v.duplicates:,} ({v.duplicates_per_fault:g} a fault)"),
        ("inversions within an object", f"{v.inversions:,}"),
        ("arrived though not acknowledged", f"{v.unacknowledged_arrivals:,}"),
        ("provider retries", f"{v.retries:,}"),
        ("latency from acceptance, p50 / p99 s", f"{v.latency_p50_s} / {v.latency_p99_s}"),
    ):
        made.add_row(words, value)
    return made


def _recoveries(v: Verdict) -> Table:
    made = Table("at s", "fault", "ready again s", "flow again s", "worst latency s", "duplicates")
    for r in v.recoveries:
        values = (r.back_s, r.flow_s, r.worst_latency_s)
        made.add_row(
            f"{r.at:.1f}", r.fault, *("never" if value is None else f"{value:.2f}" for value in values), f"{r.duplicates}"
        )
    return made
