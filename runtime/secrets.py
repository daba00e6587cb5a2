"""Secrets at rest: Fernet (AES-128-CBC + HMAC, from `cryptography`) with several keys, newest first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.settings import Settings


KEY_FILE: Final = "secret.key"  # in HUB_HOME: keys, newest first


class SecretKeyError(RuntimeError):
    """No key opens the ciphertext, or the key itself cannot be read."""


class SecretBox:
    """Encrypts with the newest key, decrypts with any. Keys of a file are read again when none of those known fits."""

    def __init__(self, keys: list[str], origin: str = "HUB_SECRET_KEY", path: Path | None = None) -> None:
        self._origin, self._path = origin, path
        self._take(keys)

    @classmethod
    def open(cls, settings: Settings) -> SecretBox:
        """The deployment's box: keys of HUB_SECRET_KEY, else of HUB_HOME/secret.key, which is made when missing."""
        if settings.secret_key:
            return cls([k.strip() for k in settings.secret_key.split(",") if k.strip()])
        path = settings.home / KEY_FILE
        return cls(_key_file(path), str(path), path)

    def encrypt(self, secret: str) -> str:
        """Ciphertext as text."""
        return self._fernets[0].encrypt(secret.encode()).decode()

    def decrypt(self, ciphertext: str) -> str:
        """The secret. Raises SecretKeyError when no key opens it."""
        try:
            return self._all.decrypt(ciphertext.encode()).decode()
        except InvalidToken:
            known = self._keys
            self.refresh()
            if self._keys != known:
                return self.decrypt(ciphertext)
        raise SecretKeyError(
            "a stored secret was encrypted with another key: put the old key behind the new one in HUB_SECRET_KEY"
        ) from None

    def current(self, ciphertext: str) -> bool:
        """Whether the newest key encrypted it."""
        try:
            self._fernets[0].decrypt(ciphertext.encode())
        except InvalidToken:
            return False
        return True

    def refresh(self) -> None:
        """Read the key file again, where there is one: `hub keys new` may have put a key in front."""
        if self._path is not None:
            self._take(_key_file(self._path))

    def _take(self, keys: list[str]) -> None:
        try:
            self._fernets = [Fernet(k) for k in keys]
            self._all, self._keys = MultiFernet(self._fernets), keys
        except ValueError as e:
            raise SecretKeyError(f"{self._origin} holds no usable key: {e}") from e


def new_key() -> str:
    """A key for HUB_SECRET_KEY or the key file."""
    return Fernet.generate_key().decode()


def _key_file(path: Path) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    while not path.exists():
        # Several processes may start at once: write aside, then link, so that exactly one wins.
        aside = path.with_suffix(f".{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_text(new_key() + "\n")
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text().split()
