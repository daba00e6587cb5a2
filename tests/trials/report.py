"""Findings as a table: a row a check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.trials.finding import Finding


def table(findings: Iterable[Finding]) -> Table:
    """What was wanted, what was measured, and the verdict."""
    made = Table("trial", "what", "wanted", "measured", "", title="trials")
    for finding in findings:
        for check in finding.checks:
            made.add_row(
                finding.trial, check.what, check.wanted, check.measured, "[green]met[/]" if check.met else "[red]NOT MET[/]"
            )
        if not finding.checks:
            made.add_row(finding.trial, "it did not get to a measurement", "", "", "[red]NOT MET[/]")
        made.add_section()
    return made
