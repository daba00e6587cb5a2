"""Random ids for what nobody else has named."""

from __future__ import annotations

import base64
import secrets


def random_id(prefix: str) -> str:
    """A prefix and 130 random bits in base32, the shape of the derived ids."""
    return prefix + base64.b32encode(secrets.token_bytes(17))[:26].decode().lower()
