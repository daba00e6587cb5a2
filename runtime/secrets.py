"""Secrets at rest: Fernet (AES-128-CBC + HMAC, from `cryptography`) with several keys, newest first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.settings import Settings


class SecretKeyError(RuntimeError):
    """No key opens the ciphertext, or the key itself cannot be read."""


class SecretBox:
    """Encrypts with the newest key, decrypts with any."""

    def __init__(self, keys: list[str], origin: str = "HUB_SECRET_KEY") -> None:
        try:
            self._fernet = MultiFernet([Fernet(k) for k in keys])
        except ValueError as e:
            raise SecretKeyError(f"{origin} holds no usable key: {e}") from e

    @classmethod
    def open(cls, settings: Settings) -> SecretBox:
        """The deployment's box: keys of HUB_SECRET_KEY, else of HUB_HOME/secret.key, which is made when missing."""
        if settings.secret_key:
            return cls([k.strip() for k in settings.secret_key.split(",") if k.strip()])
        path = settings.home / "secret.key"
        return cls(_key_file(path), str(path))

    def encrypt(self, secret: str) -> str:
        """Ciphertext as text."""
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, ciphertext: str) -> str:
        """The secret. Raises SecretKeyError when no key opens it."""
        try:
            return self._fernet.decrypt(ciphertext.encode()).decode()
        except InvalidToken as e:
            raise SecretKeyError(
                "a stored secret was encrypted with another key: put the old key behind the new one in HUB_SECRET_KEY"
            ) from e


def _key_file(path: Path) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    while not path.exists():
        # Several processes may start at once: write aside, then link, so that exactly one wins.
        aside = path.with_suffix(f".{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_text(Fernet.generate_key().decode() + "\n")
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text().split()
