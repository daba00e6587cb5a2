"""Health by deadline: each component reports, and is well only while its last report is young enough."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from runtime import metrics

if TYPE_CHECKING:
    from runtime.clock import Clock


class Health:
    """Collects the components' reports of one process."""

    def __init__(self, process: str, clock: Clock) -> None:
        self.process = process
        self._clock = clock
        self._lock = threading.Lock()
        self._reports: dict[str, tuple[bool, str, float]] = {}

    def report(self, component: str, *, ok: bool, detail: str = "", good_for_s: float = float("inf")) -> None:
        """Component's state; without another report within `good_for_s` seconds it counts as not well."""
        with self._lock:
            self._reports[component] = (ok, detail, self._clock.monotonic() + good_for_s)

    def read(self) -> tuple[bool, dict[str, str]]:
        """Whether all is well, and each component's state in words."""
        now = self._clock.monotonic()
        with self._lock:
            reports = dict(self._reports)
        words = {
            name: f"no report for {now - deadline:.0f} s past its deadline"
            if now > deadline
            else detail or ("ok" if ok else "not ok")
            for name, (ok, detail, deadline) in reports.items()
        }
        well = bool(reports) and all(ok and now <= deadline for ok, _, deadline in reports.values())
        metrics.READY.labels(self.process).set(well)
        return well, words
