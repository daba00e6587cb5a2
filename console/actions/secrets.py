"""Secrets of sources and endpoints: made, put in front of the old ones, old ones given an end."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from schemas.records import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.secrets import SecretBox


def new_id(prefix: str) -> str:
    """A random id, such as ep_3f0c…"""
    return f"{prefix}_{secrets.token_hex(8)}"


def sealed(box: SecretBox, value: str, now_ms: int) -> SecretValue:
    """A secret as it is kept."""
    return SecretValue(id=new_id("sec"), ciphertext=box.encrypt(value), created_at=now_ms)


def rotated(old: Iterable[SecretValue], new: SecretValue, now_ms: int, overlap_s: float) -> list[SecretValue]:
    """The new secret before the old ones, which end after the overlap; those that ended already are dropped."""
    end = now_ms + round(overlap_s * 1000)
    kept = [
        msgspec.structs.replace(s, expires_at=end if s.expires_at is None else min(s.expires_at, end))
        for s in old
        if s.expires_at is None or s.expires_at > now_ms
    ]
    return [new, *(s for s in kept if (s.expires_at or 0) > now_ms)]
