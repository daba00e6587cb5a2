"""Request headers as text, and how many of them are too many."""

from __future__ import annotations

from typing import Final

HEADERS_MAX: Final = 32 * 1024
HEADER_COUNT_MAX: Final = 100
RawHeaders = list[tuple[bytes, bytes]]


def by_name(raw: RawHeaders) -> dict[str, str]:
    """Headers by lower-case name; repeated ones are joined by a comma (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def too_large(raw: RawHeaders) -> bool:
    """Whether there are more headers, or longer ones, than a request may have."""
    return len(raw) > HEADER_COUNT_MAX or sum(len(name) + len(value) for name, value in raw) > HEADERS_MAX
