"""Kafka's jars: pinned by sha256 and size in `jars.lock`, fetched once from Maven Central, verified, kept in a cache.

`python -m hub.jars lock` writes the lock anew. It names no host: the repository's address is jgo's.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import re
import shutil
import sys
import tempfile
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import requests
from jgo.maven import MavenContext, PythonResolver

from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jgo.maven import Artifact

    Progress = Callable[[int, int], None]
    """Told (bytes here, bytes in all) after each piece."""

LOCK: Final = Path(__file__).with_name("jars.lock")
ROOTS: Final = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")
PARALLEL: Final = 6
TRIES: Final = 3
_LINE: Final = re.compile(r"(\S+):(\S+):(\S+) sha256=([0-9a-f]{64}) size=(\d+)")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, order=True)
class Jar:
    """One file of the class path."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def filename(self) -> str:
        """Its name in the cache and in the repository."""
        return f"{self.artifact}-{self.version}.jar"


def locked(lock: Path = LOCK) -> tuple[Jar, ...]:
    """The jars of the lock file."""
    lines = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    found = [_LINE.fullmatch(line) for line in lines]
    if not all(found):
        raise HubError(f"{lock.name} line {found.index(None) + 1} cannot be read; write it anew: python -m hub.jars lock")
    return tuple(Jar(m[1], m[2], m[3], m[4], int(m[5])) for m in found if m)


def fetch(
    folder: Path,
    progress: Progress = lambda _done, _total: None,
    *,
    jars: Sequence[Jar] | None = None,
    repository: str | None = None,
) -> list[Path]:
    """Paths of all jars in `folder`, each verified just now; those missing or damaged are downloaded first."""
    wanted = locked() if jars is None else tuple(jars)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(PARALLEL) as pool, _exclusive(folder):
            present = list(pool.map(lambda jar: _matches(folder / jar.filename, jar), wanted))
            missing = [jar for jar, here in zip(wanted, present, strict=True) if not here]
            if missing:
                _download(missing, folder, _Counter(wanted, missing, progress), pool, repository)
    except requests.RequestException as e:
        raise HubError(
            f"Kafka's jars cannot be fetched from Maven Central ({type(e).__name__}): connect to the network once, "
            "or name a mirror by HUB_MAVEN_URL, or a running Kafka by KAFKA_BOOTSTRAP_SERVERS."
        ) from e
    except OSError as e:
        raise _disk_error(e, folder, sum(jar.size for jar in wanted)) from e
    return [folder / jar.filename for jar in wanted]


def _disk_error(error: OSError, folder: Path, size: int) -> HubError:
    if error.errno in _FULL:
        return HubError(
            f"No space left for Kafka's jars in {folder}: free {(size >> 20) + 1} MB or set HUB_CACHE to a larger disk."
        )
    return HubError(f"Kafka's jars cannot be kept in {folder} ({error.strerror}): set HUB_CACHE to a folder you may write to.")


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """One process fetches at a time; the next finds the jars there. Also what a killed fetch left is ours to remove."""
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in folder.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


class _Counter:
    """Adds up the bytes that several downloads report."""

    def __init__(self, wanted: Sequence[Jar], missing: Sequence[Jar], progress: Progress) -> None:
        self._total = sum(jar.size for jar in wanted)
        self._done = self._total - sum(jar.size for jar in missing)
        self._progress = progress
        self._lock = Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._progress(self._done, self._total)

    @contextmanager
    def __call__(self, _filename: str, _size: int) -> Iterator[Callable[[int], None]]:
        """As jgo wants its progress callback."""
        yield self.add


def _download(missing: Sequence[Jar], folder: Path, counter: _Counter, pool: ThreadPoolExecutor, repository: str | None) -> None:
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder, ignore_cleanup_errors=True) as part:
        context = MavenContext(
            repo_cache=Path(part),
            remote_repos=None if repository is None else {"mirror": repository.rstrip("/")},
            resolver=PythonResolver(progress_callback=counter),
            timeout=30,
        )
        fetching = [pool.submit(_one, context, jar, folder) for jar in missing]
        wait(fetching, return_when=FIRST_EXCEPTION)
        for future in fetching:
            future.cancel()
        wait(fetching)  # before their folder goes
        for future in fetching:
            if not future.cancelled():
                future.result()


def _one(context: MavenContext, jar: Jar, folder: Path) -> None:
    """Download into the temporary repository, verify, move into place."""
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for attempt in range(1, TRIES + 1):
        try:
            path = artifact.resolve()
            break
        except requests.RequestException:
            if artifact.cached_path is not None:
                artifact.cached_path.unlink(missing_ok=True)
            if attempt == TRIES:
                raise
        except RuntimeError as e:  # jgo's answer to any status but 200
            raise HubError(f"{jar} is not in the Maven repository: look at HUB_MAVEN_URL, or write jars.lock anew.") from e
    seen, size = _digest(path), path.stat().st_size
    if (seen, size) != (jar.sha256, jar.size):
        raise HubError(
            f"{jar} was refused: expected sha256 {jar.sha256} ({jar.size} bytes), seen {seen} ({size} bytes); "
            "the repository or a proxy on the way serves another file."
        )
    path.replace(folder / jar.filename)


def _matches(path: Path, jar: Jar) -> bool:
    try:
        return path.stat().st_size == jar.size and _digest(path) == jar.sha256
    except FileNotFoundError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lock(lock: Path = LOCK) -> int:
    """Resolve Kafka's runtime class path anew and pin it; the number of jars."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder))
        jars = []
        for artifact in _resolve(context):
            path = artifact.resolve()
            jars.append(Jar(artifact.groupId, artifact.artifactId, artifact.version, _digest(path), path.stat().st_size))
    lock.write_text("".join(f"{jar} sha256={jar.sha256} size={jar.size}\n" for jar in sorted(jars)))
    return len(jars)


def _resolve(context: MavenContext) -> list[Artifact]:
    roots = [context.create_dependency(root) for root in ROOTS]
    for root in roots:
        root.raw = True  # else jgo imports Kafka's pom as a BOM and takes kafka-clients 3.8.0 from it
    inputs, transitive = context.resolver.resolve(roots)
    found = [d.artifact for d in (*inputs, *transitive) if not d.optional]
    kafka = roots[0].version
    foreign = [str(a) for a in found if a.groupId == "org.apache.kafka" and a.version != kafka]
    if foreign:
        raise HubError(f"The resolution mixes Kafka versions: {', '.join(foreign)} beside {kafka}.")
    return found


if __name__ == "__main__":
    if sys.argv[1:] != ["lock"]:
        sys.exit("usage: python -m hub.jars lock")
    sys.stdout.write(f"{write_lock()} jars pinned in {LOCK.name}\n")
