"""What Kafka writes and what it keeps: the sizes of topics' folders on its disk, watched each second.

A log only grows, at the end of its newest segment; the cleaner rewrites older ones. So bytes written are the growth of the
newest segments, whatever is cleaned away meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Sizes = dict[str, dict[str, int]]
"""By partition folder, such as deliveries-0: sizes of its segments by name, which sort by age."""


class Written:
    """Adds up growth from one look to the next. Pure."""

    def __init__(self) -> None:
        self._before: Sizes | None = None
        self.bytes: dict[str, int] = defaultdict(int)

    def look(self, now: Sizes) -> None:
        """The sizes at a later time."""
        for folder, segments in now.items() if self._before is not None else ():
            known = (self._before or {}).get(folder, {})
            newest = max(known, default="")
            grown = sum(max(0, size - known.get(name, 0)) for name, size in segments.items() if name >= newest)
            self.bytes[folder.rpartition("-")[0]] += grown
        self._before = {folder: dict(segments) for folder, segments in now.items()}


def sizes(data: Path, prefix: str) -> Sizes:
    """Of all partitions whose topic begins with `prefix`."""
    found: Sizes = {}
    with os.scandir(data) as folders:
        for folder in folders:
            if folder.name.startswith(prefix) and folder.is_dir():
                with contextlib.suppress(FileNotFoundError), os.scandir(folder.path) as files:
                    found[folder.name] = {f.name: f.stat().st_size for f in files if f.name.endswith(".log")}
    return found


def totals(now: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Bytes kept, by topic."""
    kept: dict[str, int] = defaultdict(int)
    for folder, segments in now.items():
        kept[folder.rpartition("-")[0]] += sum(segments.values())
    return dict(kept)


class Growth:
    """Watches in a thread, as a context manager; `written` and `peak` are bytes by topic and at most."""

    def __init__(self, data: Path, prefix: str) -> None:
        self._data, self._prefix = data, prefix
        self._written = Written()
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()

    @property
    def written(self) -> dict[str, int]:
        return {topic: count for topic, count in sorted(self._written.bytes.items()) if count}

    def look(self) -> dict[str, int]:
        """Bytes kept now, by topic."""
        with contextlib.suppress(FileNotFoundError):  # a segment was deleted under us: the next look sees
            now = sizes(self._data, self._prefix)
            self._written.look(now)
            kept = totals(now)
            self.peak = max(self.peak, sum(kept.values()))
            return kept
        return {}

    def _run(self) -> None:
        while not self._over.wait(1.0):
            self.look()
