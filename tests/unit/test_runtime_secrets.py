"""Secrets at rest: rotation by keys in a row, and one key file however many processes make it at once."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from runtime.secrets import SecretBox, SecretKeyError
from runtime.settings import Settings

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
ROOT = Path(__file__).parents[2]


def box(home: Path, keys: str | None = None) -> SecretBox:
    return SecretBox.open(Settings(home=home, secret_key=keys))


def test_a_secret_comes_back_and_its_ciphertext_says_nothing(tmp_path: Path) -> None:
    one = box(tmp_path)
    ciphertext = one.encrypt("whsec_ünïcode")
    assert one.decrypt(ciphertext) == "whsec_ünïcode"
    assert "whsec" not in ciphertext
    assert ciphertext != one.encrypt("whsec_ünïcode")


def test_a_new_key_in_front_opens_what_the_old_one_closed(tmp_path: Path) -> None:
    before = box(tmp_path, OLD).encrypt("s")
    during = box(tmp_path, f" {NEW} , {OLD}")
    assert during.decrypt(before) == "s"
    assert box(tmp_path, NEW).decrypt(during.encrypt("t")) == "t"


def test_without_the_old_key_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SecretKeyError, match="put the old key behind the new one in HUB_SECRET_KEY"):
        box(tmp_path, NEW).decrypt(box(tmp_path, OLD).encrypt("s"))


@pytest.mark.parametrize("ciphertext", ["", "plain text", "gAAAAA", "é" * 40])
def test_text_that_is_no_ciphertext_is_the_same_error(tmp_path: Path, ciphertext: str) -> None:
    with pytest.raises(SecretKeyError):
        box(tmp_path).decrypt(ciphertext)


@pytest.mark.parametrize("keys", ["short", ",", f"{OLD},short", "a" * 44])
def test_an_unusable_key_names_its_variable(tmp_path: Path, keys: str) -> None:
    with pytest.raises(SecretKeyError, match="HUB_SECRET_KEY holds no usable key") as raised:
        box(tmp_path, keys)
    assert OLD not in str(raised.value)


@pytest.mark.parametrize("content", ["", "\n", "damaged"])
def test_an_unusable_key_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret.key").write_text(content)
    with pytest.raises(SecretKeyError, match=r"secret\.key holds no usable key"):
        box(tmp_path)


def test_the_key_file_is_for_its_owner_only_and_kept(tmp_path: Path) -> None:
    first = box(tmp_path / "made").encrypt("s")
    path = tmp_path / "made" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert box(tmp_path / "made").decrypt(first) == "s"
    assert [p.name for p in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    """Each waits for the same file to appear, then opens the box and encrypts."""
    code = (
        "import sys, pathlib, time\n"
        "from runtime.secrets import SecretBox\n"
        "from runtime.settings import Settings\n"
        "home = pathlib.Path(sys.argv[1])\n"
        "print('up', flush=True)\n"
        "while not (home / 'go').exists(): time.sleep(0.001)\n"
        "print(SecretBox.open(Settings(home=home)).encrypt('s'))\n"
    )
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    racing = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environ, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for process in racing:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
    (tmp_path / "go").touch()
    ciphertexts = [process.communicate(timeout=30)[0].strip() for process in racing]
    assert [process.returncode for process in racing] == [0] * 6
    one = box(tmp_path)
    assert [one.decrypt(c) for c in ciphertexts] == ["s"] * 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["go", "secret.key"]
