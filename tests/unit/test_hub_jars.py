"""Kafka's jars: fetched from a repository that serves, lies, lacks or is away."""

from __future__ import annotations

import errno
import gc
import hashlib
import http.server
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hub import jars, ports
from hub.errors import HubError
from hub.jars import Jar, fetch, locked

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = {f"part{i}": f"jar number {i}".encode() * 10_000 for i in range(8)}
WANTED = [Jar("org.example", name, "1.0", hashlib.sha256(c).hexdigest(), len(c)) for name, c in CONTENT.items()]


class Repository:
    """A Maven repository on loopback. `served` maps artifact to content; `asked` counts downloads of jars."""

    def __init__(self) -> None:
        self.served = dict(CONTENT)
        self.asked: list[str] = []


@pytest.fixture
def repository() -> Iterator[tuple[str, Repository]]:
    state = Repository()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = state.served.get(self.path.split("/")[-3]) if self.path.endswith(".jar") else None
            if content is not None:
                state.asked.append(self.path.split("/")[-3])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/maven2/", state
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetches_once_and_only_what_is_missing_or_damaged(tmp_path: Path, repository: tuple[str, Repository]) -> None:
    url, state = repository
    told: list[tuple[int, int]] = []
    paths = fetch(tmp_path / "cache", lambda done, total: told.append((done, total)), jars=WANTED, repository=url)
    assert {p.name: p.read_bytes() for p in paths} == {f"{name}-1.0.jar": content for name, content in CONTENT.items()}
    assert told[-1] == (sum(map(len, CONTENT.values())),) * 2
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == sorted([".lock", *(p.name for p in paths)])

    assert fetch(tmp_path / "cache", jars=WANTED, repository=url) == paths
    assert sorted(state.asked) == sorted(CONTENT)
    paths[2].write_bytes(b"damaged")
    paths[3].unlink()
    fetch(tmp_path / "cache", jars=WANTED, repository=url)
    assert sorted(state.asked[len(CONTENT) :]) == ["part2", "part3"]


def test_another_file_is_refused_by_name_with_both_hashes(tmp_path: Path, repository: tuple[str, Repository]) -> None:
    url, state = repository
    state.served["part5"] = b"something else"
    with pytest.raises(HubError) as refused:
        fetch(tmp_path, jars=WANTED, repository=url)
    other = hashlib.sha256(b"something else").hexdigest()
    assert f"org.example:part5:1.0 was refused: expected sha256 {WANTED[5].sha256}" in str(refused.value)
    assert f"seen {other} (14 bytes)" in str(refused.value)
    assert not (tmp_path / "part5-1.0.jar").exists()


# jgo leaves the answer open on any status but 200; collected here, it does not fail whichever test comes later.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_jar_that_the_repository_lacks_is_named(tmp_path: Path, repository: tuple[str, Repository]) -> None:
    url, state = repository
    del state.served["part7"]
    with pytest.raises(HubError, match=r"^org\.example:part7:1\.0 is not in the Maven repository: look at HUB_MAVEN_URL"):
        fetch(tmp_path, jars=WANTED, repository=url)
    gc.collect()


def test_without_network_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HubError) as refused:
        fetch(tmp_path, jars=WANTED[:1], repository=f"http://127.0.0.1:{ports.pick()}")
    message = str(refused.value)
    assert message.count("\n") == 0
    assert "connect to the network once, or name a mirror by HUB_MAVEN_URL" in message


def test_a_full_disk_names_the_folder_and_the_setting(
    tmp_path: Path, repository: tuple[str, Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(HubError, match=f"^No space left for Kafka's jars in {tmp_path}: free 1 MB or set HUB_CACHE"):
        fetch(tmp_path, jars=WANTED, repository=repository[0])
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HubError, match=r"cannot be kept in .*file/cache \(Not a directory\): set HUB_CACHE"):
        fetch(tmp_path / "file" / "cache", jars=WANTED)


def test_the_lock_holds_one_kafka_and_names_no_host() -> None:
    kafka = [jar for jar in locked() if jar.group == "org.apache.kafka"]
    assert len(kafka) >= 12
    assert {jar.version for jar in kafka} == {"4.4.0"}
    text = jars.LOCK.read_text()
    assert text == "".join(f"{j} sha256={j.sha256} size={j.size}\n" for j in sorted(locked()))
    assert "/" not in text


def test_a_lock_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "jars.lock").write_text(f"{WANTED[0]} sha256={WANTED[0].sha256} size=1\norg.example:a:1 sha256=short size=1\n")
    with pytest.raises(HubError, match=r"jars\.lock line 2 cannot be read"):
        locked(tmp_path / "jars.lock")
