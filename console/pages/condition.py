"""How endpoints do, in one look: configuration and recent outcomes to one state. `condition` is pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from console.rows import Activity, Outcomes, Totals

if TYPE_CHECKING:
    from console.deps import Deps
    from schemas.records import EndpointConfig, EndpointStanding

BUCKET_S: Final = 300
PLACES: Final = 12  # an hour
RECENT: Final = 3  # places that decide: between 10 and 15 minutes
_NEVER: Final = Activity(None, None)
_NOTHING: Final = Totals()


class Condition(msgspec.Struct, frozen=True):
    """An endpoint and how it does."""

    config: EndpointConfig
    state: str  # paused or disabled, else failing or active
    outcomes: Outcomes  # of the last hour
    activity: Activity
    totals: Totals
    standing: EndpointStanding | None = None

    @property
    def waiting(self) -> int:
        """Deliveries that are not final."""
        return self.totals.queued + self.totals.retrying

    @property
    def success_rate(self) -> float | None:
        """Share of the attempts of the last hour that succeeded; None without attempts."""
        delivered, failed = sum(self.outcomes.delivered), sum(self.outcomes.failed)
        return delivered / (delivered + failed) if delivered + failed else None


def condition(state: str, outcomes: Outcomes, activity: Activity, standing: EndpointStanding | None = None, now: int = 0) -> str:
    """The state shown. Failing: the worker says so; or half of the recent attempts failed; without recent ones, the last did.

    When the worker has said of late that it answers again, the failures before that no longer count.
    """
    if state != "active":
        return state
    if standing is not None:
        if standing.failing_from_at is not None:
            return "failing"
        if standing.updated_at > now - RECENT * BUCKET_S * 1000:
            return "active"
    delivered, failed = sum(outcomes.delivered[-RECENT:]), sum(outcomes.failed[-RECENT:])
    if delivered + failed:
        return "failing" if failed >= delivered else "active"
    failed_last = activity.last_failure_at is not None and activity.last_failure_at > (activity.last_success_at or 0)
    return "failing" if failed_last else "active"


def conditions(deps: Deps) -> list[Condition]:
    """Every endpoint, those that need a look first. Three queries, however many there are. Blocks for a moment."""
    now = deps.clock.now_ms()
    bucket_ms = BUCKET_S * 1000
    since = now - now % bucket_ms - (PLACES - 1) * bucket_ms
    outcomes = deps.stats.outcomes(since, now + 1, BUCKET_S)
    activity = deps.stats.activity()
    totals = deps.stats.totals_by_endpoint()
    found = []
    for endpoint_id, endpoint in deps.endpoints.items.items():
        own = outcomes.get(endpoint_id) or Outcomes([0] * PLACES, [0] * PLACES)
        last = activity.get(endpoint_id, _NEVER)
        standing = deps.standings.items.get(endpoint_id)
        state = condition(endpoint.config.state, own, last, standing, now)
        found.append(Condition(endpoint.config, state, own, last, totals.get(endpoint_id, _NOTHING), standing))
    order = {"failing": 0, "disabled": 1, "paused": 2}
    return sorted(found, key=lambda c: (order.get(c.state, 3), -c.waiting, c.config.url, c.config.id))
