"""The re-drives of this process and how far they are. They live in memory: what one did is in the topics, and a
re-drive cut off by a restart is simply asked for again, since what it sent is no longer dead."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from console.forms import RedriveForm  # noqa: TC001 - msgspec resolves the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)
KEPT: Final = 50


class Redrive(msgspec.Struct, kw_only=True):
    """A re-drive. Changes while it runs; `matched` is the count at its start."""

    id: str
    wanted: RedriveForm
    state: Literal["counted", "running", "done", "cancelled", "failed"]
    matched: int
    sent: int = 0
    gone: int = 0  # no longer in Kafka
    skipped: int = 0  # the endpoint does not exist or is disabled
    error: str | None = None
    started_at: int
    finished_at: int | None = None


class Redrives:
    """Starts, lists and cancels re-drives."""

    def __init__(self) -> None:
        self._jobs: dict[str, Redrive] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, job: Redrive, work: Coroutine[None, None, None], now_ms: Callable[[], int]) -> None:
        """Run `work` in the background and keep the job's end."""
        for old in list(self._jobs)[: max(0, len(self._jobs) - KEPT + 1)]:
            if old not in self._tasks:
                del self._jobs[old]
        self._jobs[job.id] = job
        self._tasks[job.id] = asyncio.create_task(self._run(job, work, now_ms), name=f"redrive {job.id}")

    def get(self, job_id: str) -> Redrive | None:
        """One of them."""
        return self._jobs.get(job_id)

    def list(self) -> list[Redrive]:
        """All that are remembered, newest first."""
        return list(reversed(self._jobs.values()))

    def running(self, endpoint_id: str | None) -> Redrive | None:
        """One that runs and may touch deliveries of this endpoint (None: of any), if there is one."""
        return next((job for job in self._jobs.values() if job.state == "running" and _touches(job, endpoint_id)), None)

    def cancel(self, job_id: str) -> None:
        """Stop one; what it sent stays sent."""
        task = self._tasks.get(job_id)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop all and wait for their end."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: Redrive, work: Coroutine[None, None, None], now_ms: Callable[[], int]) -> None:
        try:
            await work
            job.state = "done"
        except asyncio.CancelledError:
            job.state = "cancelled"
        except Exception as e:
            log.exception("re-drive failed", extra={"redrive": job.id})
            job.state, job.error = "failed", str(e)
        finally:
            job.finished_at = now_ms()
            del self._tasks[job.id]


def _touches(job: Redrive, endpoint_id: str | None) -> bool:
    return endpoint_id is None or job.wanted.endpoint_id in {None, endpoint_id}
