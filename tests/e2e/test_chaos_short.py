"""One SIGKILL of each process under load loses nothing; `make chaos` is the long version, with its negative control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos import experiment
from tests.chaos.experiment import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.e2e
@pytest.mark.timeout(420)
async def test_a_kill_of_each_process_loses_nothing(tmp_path: Path) -> None:
    verdict = await experiment.run(Settings(kills=1, seconds=32, rate=100, sink_fail_rate=0.02), tmp_path / "hub")
    assert verdict.passed, (verdict.reasons, verdict.missing[:5], verdict.strangers[:5])
    assert verdict.accepted == verdict.sent > 3000
    assert verdict.derived > 100
    assert len(verdict.recoveries) == 4
    assert all(recovery.back_s is not None for recovery in verdict.recoveries)
