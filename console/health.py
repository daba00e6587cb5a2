"""How an endpoint does: what the worker that serves it says, its backlog, and figures of its last hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from console.actions.endpoints import found
from console.rows import EndpointHealth

if TYPE_CHECKING:
    from console.deps import Deps


class EndpointCondition(EndpointHealth, frozen=True, kw_only=True):
    """How an endpoint does, with its state. `failures` and the last one are as of the worker's last word."""

    state: str  # active, paused or disabled
    state_reason: str | None
    disabled_by: str | None  # hub or person
    breaker: str  # closed, open or half_open
    failing_from_at: int | None  # start of the first attempt since which all failed
    failures: int  # attempts that failed one after another
    probe_at: int | None  # when an open breaker lets an attempt through
    last_status: int | None  # of the last failure
    last_error: str | None


def health(deps: Deps, endpoint_id: str) -> EndpointCondition:
    """How it does now. Blocks for a moment. Raises NotFoundError."""
    config = found(deps, endpoint_id).config
    figures = msgspec.structs.asdict(deps.stats.endpoint_health(endpoint_id))
    standing = deps.standings.items.get(endpoint_id)
    return EndpointCondition(
        **figures,
        state=config.state,
        state_reason=config.state_reason,
        disabled_by=config.disabled_by,
        breaker=standing.breaker if standing else "closed",
        failing_from_at=standing.failing_from_at if standing else None,
        failures=standing.failures if standing else 0,
        probe_at=standing.probe_at if standing else None,
        last_status=standing.last_status if standing else None,
        last_error=standing.last_error if standing else None,
    )
