"""One supervised process: started, watched, asked whether it is ready, started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hub.backoff import Backoff
from hub.child import Child, describe_exit, tail
from hub.errors import HubError
from hub.state import UP, ProcessState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runtime.clock import Clock

POLL_S: Final = 0.05
PROBE_S: Final = 1.0
PROBE_STARTING_S: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to run it. `start` is called in the event loop's thread, `is_ready` in another and may block for a second."""

    name: str
    port: int | None
    log: Path
    start: Callable[[], Child]
    is_ready: Callable[[], bool]


class Unit:
    """Runs a recipe until told to stop. `changed` is called at every change of state, `say` with what people should know."""

    def __init__(self, recipe: Recipe, clock: Clock, changed: Callable[[], None], say: Callable[[str], None]) -> None:
        self.recipe = recipe
        self.name = recipe.name
        self.was_ready = asyncio.Event()
        self.restarts = 0
        self._clock, self._changed, self._say = clock, changed, say
        self._backoff = Backoff()
        self._stopping = asyncio.Event()
        self._child: Child | None = None
        self._state = "starting"
        self._started_at: int | None = None
        self._task: asyncio.Task[None] | None = None

    def snapshot(self) -> ProcessState:
        """For the state file."""
        return ProcessState(
            name=self.name,
            pid=self._child.pid if self._child else None,
            state=self._state,
            port=self.recipe.port,
            restarts=self.restarts,
            started_at=self._started_at,
        )

    def begin(self) -> None:
        """Start, and keep it running."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """SIGTERM, its grace, SIGKILL; returns when it is gone."""
        self._stopping.set()
        child = self._child
        if child:
            self._set("stopping")
            child.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone(child), child.command.grace_s)
            child.kill()
            child.forget()
        if self._task:
            await self._task
        self._child = None
        self._set("stopped")

    def kill(self) -> None:
        """SIGKILL at once, and no new start."""
        self._stopping.set()
        if self._child:
            self._child.kill()

    async def _gone(self, child: Child) -> None:
        while child.exit_code() is None:  # noqa: ASYNC110 - a process sets no event when it ends
            await asyncio.sleep(POLL_S)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            why = await self._live()
            if self._stopping.is_set():
                return
            delay = self._backoff.after(self._clock.monotonic() - began)
            self.restarts += 1
            self._set("restarting")
            self._say(f"{self.name} {why}; starting it again in {delay:g} s (restart {self.restarts})")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _live(self) -> str:
        """One life, from start to end; how it ended."""
        try:
            child = self._child = self.recipe.start()
        except (HubError, OSError) as e:
            return f"could not be started: {e}"
        self._started_at = self._clock.now_ms()
        self._set("starting")
        probing = asyncio.create_task(self._probe(self._clock.monotonic()))
        await self._gone(child)
        probing.cancel()
        self._child = None
        code = child.exit_code() or 0
        last = tail(self.recipe.log, 1) if self._state == "starting" else ""
        return f"ended ({describe_exit(code)})" + (f", its log ends: {last}" if last else "")

    async def _probe(self, began: float) -> None:
        known, where = False, f" on port {self.recipe.port}" if self.recipe.port else ""
        while True:
            ready = await asyncio.to_thread(self.recipe.is_ready)
            if self._stopping.is_set():
                return
            if ready != known:
                known = ready
                since = "again" if self._state == "unready" else f"after {self._clock.monotonic() - began:.1f} s"
                self._set(UP if ready else "unready")
                self._say(f"{self.name} is ready{where} {since}" if ready else f"{self.name} says it is not ready")
                if ready:
                    self.was_ready.set()
            await asyncio.sleep(PROBE_S if known else PROBE_STARTING_S)

    def _set(self, state: str) -> None:
        self._state = state
        self._changed()
