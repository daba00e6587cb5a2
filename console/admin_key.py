"""The key that API and dashboard ask for: HUB_ADMIN_KEY, else one made once and kept in HUB_HOME/admin.key."""

from __future__ import annotations

import logging
import os
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from runtime.settings import Settings

log = logging.getLogger(__name__)
FILE: Final = "admin.key"


def admin_key(settings: Settings) -> str:
    """The deployment's admin key. One that is made here is logged this once."""
    if settings.admin_key:
        return settings.admin_key
    path = settings.home / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            kept = path.read_text().strip()
        except FileNotFoundError:
            kept = ""
        if kept:
            return kept
        # Several processes may start at once: write aside, then link, so that exactly one wins.
        made, aside = "hub_" + secrets.token_urlsafe(32), path.with_suffix(f".{os.getpid()}")
        path.unlink(missing_ok=True)  # empty
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(made + "\n")
        try:
            os.link(aside, path)
        except FileExistsError:
            continue
        finally:
            aside.unlink()
        log.warning("made an admin key, shown this once", extra={"admin_key": made, "kept_in": str(path)})
        return made
