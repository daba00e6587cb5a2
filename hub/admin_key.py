"""The bootstrap admin key: HUB_ADMIN_KEY, else one made at the first start and kept in HUB_HOME/admin.key, mode 0600."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hub.child import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def kept(home: Path) -> str | None:
    """The key of the file."""
    try:
        return (home / "admin.key").read_text().strip() or None
    except FileNotFoundError:
        return None


def make(home: Path) -> str:
    """A new key, kept."""
    key = f"hub_{secrets.token_urlsafe(24)}"
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / "admin.key", f"{key}\n".encode(), mode=0o600)
    return key
