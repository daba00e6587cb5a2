"""`hub up`: the hub in the foreground, told on the terminal, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from hub import recipes, state
from hub.supervisor import Hub, Plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from hub.jars import Progress as OnBytes
    from runtime.settings import HubSettings, Settings

FOLLOW_S = 0.2


async def run(
    settings: Settings,
    own: HubSettings,
    *,
    verbose: bool = False,
    environment: Mapping[str, str] | None = None,
    then: Callable[[Hub], Awaitable[None]] | None = None,
    out: Console | None = None,
) -> None:
    """Start the hub, do `then` (wait, by default) and stop it; SIGTERM and Ctrl-C cut each short. Raises HubError."""
    out = out or Console(highlight=False, soft_wrap=True)
    stop = asyncio.Event()
    with state.sole_hub(settings.home.resolve()), _download_bar(out) as progress:
        env = dict(os.environ if environment is None else environment)
        hub = Hub(Plan(settings=settings, own=own, environment=env, say=out.print, progress=progress))
        _on_signals(stop, hub)
        follower = asyncio.create_task(_follow(settings.home / "log", out)) if verbose else None
        try:
            await _unless(stop, hub.start())
            if not stop.is_set():
                await _unless(stop, (then or _wait(out))(hub))
        finally:
            await hub.stop()
            if follower:
                follower.cancel()
            out.print("stopped")


def _wait(out: Console) -> Callable[[Hub], Awaitable[None]]:
    async def wait(hub: Hub) -> None:
        out.print(f"[bold green]the hub is up[/], the dashboard is at {hub.url('console')}; stop it with Ctrl-C")
        await asyncio.Event().wait()

    return wait


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Do the work until it is done, fails, or a stop is wanted."""
    task, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _on_signals(stop: asyncio.Event, hub: Hub) -> None:
    def asked() -> None:
        if stop.is_set():
            hub.kill()  # asked twice: at once
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked)


@contextlib.contextmanager
def _download_bar(out: Console) -> Iterator[OnBytes]:
    """A bar on a terminal, a line elsewhere, and nothing when nothing is fetched."""
    columns = (TextColumn("fetching Kafka"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
    task = bar.add_task("fetch", total=None)
    told = False

    def progress(done: int, total: int) -> None:
        nonlocal told
        if not told:
            out.print(f"fetching Kafka, {total >> 20} MB, once")
            bar.start()
        told = True
        bar.update(task, completed=done, total=total)
        if done >= total:
            bar.stop()

    try:
        yield progress
    finally:
        bar.stop()


async def _follow(folder: Path, out: Console) -> None:
    """Print what the processes write to their logs, each line with its writer's name."""
    names = ("kafka", "registry", *recipes.STAGES)
    places = dict.fromkeys(names, 0)
    while True:
        await asyncio.sleep(FOLLOW_S)
        for name in names:
            path = folder / f"{name}.log"
            size = path.stat().st_size if path.exists() else 0
            if size < places[name]:
                places[name] = 0  # rotated
            if size > places[name]:
                with path.open("rb") as log:
                    log.seek(places[name])
                    lines = log.read().splitlines(keepends=True)
                whole = [line for line in lines if line.endswith(b"\n")]
                places[name] += sum(map(len, whole))
                for line in whole:
                    out.out(f"{name:10} {line.decode(errors='replace').rstrip()}", highlight=False)
