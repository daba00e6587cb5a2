"""Keys of stored secrets changed while everything runs, on real Kafka: what was sealed is opened before, during and after."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from cryptography.fernet import Fernet, InvalidToken
from typer.testing import CliRunner

from delivery.app import Worker
from hub.cli import app
from hub.errors import HubError
from runtime import config
from runtime.secrets import SecretBox
from schemas import auth, topics
from tests.console_lab import KEY, Console, delivery, until
from tests.lab import Lab
from tests.raw import LOOPBACK
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.integration


@pytest.fixture
def lab(bootstrap: str, tmp_path) -> Iterator[Lab]:
    lab = Lab(bootstrap, tmp_path / "home", admin_key=KEY, egress_allow=LOOPBACK)
    yield lab
    lab.close()


@pytest.fixture
def console(lab: Lab) -> Iterator[Console]:
    console = Console(lab)
    yield console
    console.close()


@pytest.fixture
def run(console: Console, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("HUB_HOME", str(lab.settings.home))
    monkeypatch.setenv("HUB_CONSOLE_URL", console.url)
    monkeypatch.setenv("HUB_ADMIN_KEY", KEY)

    def run(*words: str, text: bool = False) -> Any:
        answer = CliRunner().invoke(app, ["keys", *words] if text else ["keys", *words, "--json"])
        if answer.exception is not None:
            raise answer.exception
        return answer.output if text else json.loads(answer.output)

    return run


def keys_of(lab: Lab) -> list[str]:
    return (lab.settings.home / "secret.key").read_text().split()


def newest(lab: Lab, topic) -> dict[str, Any]:
    return {record.id: record for record in lab.read(topic)}


def sealed(lab: Lab) -> list[str]:
    """Every ciphertext of the newest records."""
    found = [
        s.ciphertext for r in (*newest(lab, topics.SOURCES).values(), *newest(lab, topics.ENDPOINTS).values()) for s in r.secrets
    ]
    endpoints = newest(lab, topics.ENDPOINTS).values()
    return [*found, *(v for e in endpoints for v in e.headers.values()), *(e.auth for e in endpoints if e.auth)]


def opened_by(keys: list[str], ciphertexts: list[str]) -> int:
    count = 0
    for text in ciphertexts:
        try:
            SecretBox(keys).decrypt(text)
            count += 1
        except Exception:  # noqa: BLE001 - counted by absence
            continue
    return count


def with_auth(lab: Lab, endpoint_id: str) -> None:
    """Credentials sealed as the API seals them."""
    old = newest(lab, topics.ENDPOINTS)[endpoint_id]
    text = lab.process.box.encrypt(auth.seal_text(auth.Bearer(token="the-t0ken")))
    lab.write(topics.ENDPOINTS, endpoint_id, msgspec.structs.replace(old, auth_kind="bearer", auth=text))
    lab.flush()


def test_new_rotate_retire_while_console_and_worker_run(lab: Lab, console: Console, run: Callable[..., Any]) -> None:
    with receiving() as receiver:
        console.post("/sources", {"id": "shop", "provider": "shopify", "secrets": ["shopify-secret"]}, status=201)
        for i in range(60):
            body = {"id": f"ep{i}", "url": f"{receiver.url}/{i}", "headers": {"X-Key": f"value-{i}"}}
            console.post("/endpoints", body, status=201)
        with_auth(lab, "ep0")
        worker = Worker(lab.process)
        worker.start()
        try:
            until(lambda: console.app is not None)
            send(lab, receiver, "before", 1)
            (old,) = keys_of(lab)

            assert run("new") == {"file": str(lab.settings.home / "secret.key"), "keys": 2}
            assert stat.S_IMODE((lab.settings.home / "secret.key").stat().st_mode) == 0o600
            new, also_old = keys_of(lab)
            assert also_old == old
            assert console.post("/secrets/reencrypt", {"limit": 0}) == {"records": 61, "rewritten": 0, "left": 61}
            with pytest.raises(HubError, match="61 sources and endpoints need an older key"):
                run("retire")

            before = newest(lab, topics.ENDPOINTS)
            said = run("rotate", text=True)
            assert re.findall(r"^(\d+) of 61", said, re.MULTILINE) == ["50", "61"]
            assert run("rotate") == {"records": 61, "rewritten": 0, "left": 0}

            texts = sealed(lab)
            assert len(texts) == 1 + 60 + 60 + 1
            assert opened_by([new], texts) == len(texts)
            assert opened_by([old], texts) == 0
            after = newest(lab, topics.ENDPOINTS)
            for endpoint_id, config_before in before.items():
                assert after[endpoint_id].updated_at == config_before.updated_at
                assert [s.id for s in after[endpoint_id].secrets] == [s.id for s in config_before.secrets]

            send(lab, receiver, "rotated", 2)
            assert run("retire") == {"file": str(lab.settings.home / "secret.key"), "retired": 1}
            assert keys_of(lab) == [new]
            made = console.post("/endpoints/ep1/rotate-secret", {"overlap_s": 0})
            assert made["secret"].startswith("whsec_")
            send(lab, receiver, "retired", 3)
        finally:
            worker.stop()
    arrivals = {a.headers["webhook-id"]: a for a in receiver.arrivals}
    assert len(arrivals) == 3 * 3
    assert {a.headers["x-key"] for a in receiver.arrivals if a.path == "/2"} == {"value-2"}
    assert {a.headers.get("authorization") for a in receiver.arrivals if a.path == "/0"} == {"Bearer the-t0ken"}


def send(lab: Lab, receiver, event: str, rounds: int) -> None:
    for i in range(3):
        lab.write(topics.DELIVERIES, f"ep{i}", delivery(event, f"ep{i}"))
    lab.flush()
    receiver.wait(3 * rounds)


def test_a_process_that_runs_takes_up_a_new_key_by_itself(lab: Lab) -> None:
    running = SecretBox.open(lab.settings)
    old = running.encrypt("old")
    path = lab.settings.home / "secret.key"
    new = Fernet.generate_key().decode()
    path.write_text(f"{new}\n{path.read_text()}")
    sealed_by_another = SecretBox.open(lab.settings).encrypt("new")
    with pytest.raises(InvalidToken):
        Fernet(keys_of(lab)[1]).decrypt(sealed_by_another)
    assert running.decrypt(sealed_by_another) == "new"
    assert running.decrypt(old) == "old"
    assert not running.current(old)


def test_keys_of_the_environment_are_changed_there(lab: Lab, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_SECRET_KEY", Fernet.generate_key().decode())
    made = run("new")
    assert made["kept"] is False
    Fernet(made["key"])
    assert len(keys_of(lab)) == 1
    with pytest.raises(HubError, match="leave only the first one there"):
        run("retire")


def test_old_keys_in_the_environment_go_on_opening(bootstrap: str, tmp_path) -> None:
    """A console under `new,old` reads what was sealed under `old`, seals with `new`, and rewrites the rest."""
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    first = Lab(bootstrap, tmp_path, admin_key=KEY, secret_key=old)
    try:
        console = Console(first)
        console.post("/sources", {"id": "shop", "provider": "shopify", "secrets": ["shopify-secret"]}, status=201)
        console.close()
        after = msgspec.structs.replace(first.settings, secret_key=f"{new},{old}")
        first.process = msgspec.structs.replace(first.process, settings=after, box=SecretBox.open(after))
        console = Console(first)
        try:
            assert console.post("/secrets/reencrypt") == {"records": 1, "rewritten": 1, "left": 0}
            assert opened_by([new], sealed(first)) == 1
            view = config.sources(first.kafka, first.codec, SecretBox([new]))
            view.start()
            view.wait_ready(10)
            assert [s.value for s in view.items["shop"].secrets] == ["shopify-secret"]
            view.close()
        finally:
            console.close()
    finally:
        first.close()


def test_the_limit_is_judged(console: Console) -> None:
    assert "limit" in console.post("/secrets/reencrypt", {"limit": -1}, status=422)["detail"]
    assert "limit" in console.post("/secrets/reencrypt", {"limit": 1001}, status=422)["detail"]
