"""The way back for a disabled endpoint: it is enabled, and what it missed is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from console.actions.deliveries import redrive, refuse_overlap
from console.actions.endpoints import found, resume_anyhow
from console.forms import RedriveForm
from console.views import EndpointEnabled

if TYPE_CHECKING:
    from console.deps import Deps

MISSED: Final = ("endpoint_disabled", "exhausted", "gone")
"""Causes of death that lie with the endpoint; what a person gave up stays given up."""


async def enable_endpoint(deps: Deps, endpoint_id: str, *, recover: bool | None = None) -> EndpointEnabled:
    """Send again, whatever stopped it. With `recover` a re-drive of all it missed is started; None: if the hub disabled it.

    Raises NotFoundError, UnavailableError; ConflictError while another re-drive of this endpoint runs.
    """
    config = found(deps, endpoint_id).config
    wanted = config.disabled_by == "hub" if recover is None else recover
    form = await asyncio.to_thread(missed, deps, endpoint_id)
    if wanted:
        refuse_overlap(deps, form)
    view = await resume_anyhow(deps, endpoint_id)
    job = await redrive(deps, form, late=("endpoint_disabled",)) if wanted else None
    return EndpointEnabled(
        **msgspec.structs.asdict(view),
        redrive_id=job.id if job is not None else None,
        recovering=job.matched if job is not None else 0,
    )


def missed(deps: Deps, endpoint_id: str) -> RedriveForm:
    """What an endpoint missed since it began to fail: the re-drive that sends it. Blocks for a moment. Raises NotFoundError.

    The earliest of what is known: its settings may have been changed while it was disabled, and an attempt that was under
    way then may have succeeded later.
    """
    config = found(deps, endpoint_id).config
    standing = deps.standings.items.get(endpoint_id)
    success = deps.stats.last_success(endpoint_id)
    known = [at for at in (standing.failing_from_at if standing else None, success, config.updated_at) if at is not None]
    return RedriveForm(endpoint_id=endpoint_id, causes=list(MISSED), died_from=min(known) if success is not None else None)
