"""Cursors of paged lists: the sort key of the last row, opaque to callers. Pure."""

from __future__ import annotations

import base64
import binascii


class CursorError(ValueError):
    """The text is no cursor of ours."""


def encode(time_ms: int, seq: int) -> str:
    """Cursor behind the row with this time and sequence number."""
    return base64.urlsafe_b64encode(f"{time_ms}.{seq}".encode()).decode().rstrip("=")


def decode(text: str) -> tuple[int, int]:
    """Time and sequence number of a cursor. Raises CursorError."""
    try:
        time_ms, _, seq = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode().partition(".")
        return int(time_ms), int(seq)
    except (ValueError, binascii.Error) as e:
        raise CursorError(f"{text!r} is no cursor: take next_cursor of the page before, unchanged") from e
