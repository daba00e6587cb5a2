"""Bodies made from a template, cut into pieces once: `{{SENT_AT}}`, `{{ORDER_NO}}` and `{{UUID}}` are filled in per request."""

from __future__ import annotations

import itertools
import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN: Final = re.compile(rb"\{\{([A-Z_]+)\}\}")

_LINE: Final = (
    '{{"id":{0},"product_id":{1},"variant_id":{2},"title":"Organic cotton t-shirt, navy","quantity":2,'
    '"sku":"TS-NVY-{3}","price":"24.90","taxable":true,"requires_shipping":true,"fulfillment_status":null}}'
)
SHOPIFY_ORDER: Final = (
    '{"id":{{ORDER_NO}},"name":"#{{ORDER_NO}}","order_number":{{ORDER_NO}},"currency":"EUR","total_price":"78.40",'
    '"subtotal_price":"74.70","total_tax":"3.70","financial_status":"paid","fulfillment_status":null,'
    '"created_at":"2026-11-02T09:14:03+01:00","updated_at":"2026-11-02T09:14:03+01:00","email":"ada@example.com","tags":"",'
    '"customer":{"id":207119551,"email":"ada@example.com","first_name":"Ada","last_name":"Byron"},'
    '"shipping_address":{"first_name":"Ada","last_name":"Byron","address1":"Chestnut Street 92","city":"Louisville",'
    '"province":"Kentucky","country_code":"US","zip":"40202","phone":"+1 555 625 1199"},"line_items":['
    + ",".join(_LINE.format(4660 + i, 6320 + i, 8080 + i, i) for i in range(2))
    + '],"note":"sent_at={{SENT_AT}} order_no={{ORDER_NO}}"}'
)
"""An order as Shopify sends it, about 1 KB. The note is kept by the canonical order, so the sink finds the stamp there."""


class Template:
    """A template cut at its tokens."""

    def __init__(self, text: bytes, uuids: Callable[[], bytes]) -> None:
        pieces = _TOKEN.split(text)
        self._literals, self._tokens = pieces[0::2], [t.decode() for t in pieces[1::2]]
        unknown = set(self._tokens) - {"SENT_AT", "ORDER_NO", "UUID"}
        if unknown:
            raise ValueError(f"the template has {{{{{min(unknown)}}}}}: known are SENT_AT, ORDER_NO and UUID")
        self._uuids = uuids

    def fill(self, *, sent_at: int, order_no: int) -> bytes:
        """The body of one request. `sent_at` in ns since the epoch."""
        values = {"SENT_AT": b"%d" % sent_at, "ORDER_NO": b"%d" % order_no}
        pieces = [self._literals[0]]
        for token, literal in zip(self._tokens, self._literals[1:], strict=True):
            pieces += (values.get(token) or self._uuids(), literal)
        return b"".join(pieces)


def uuids() -> Callable[[], bytes]:
    """Ids no other run makes, cheaply: a random half for the run, then a counter."""
    run, counter = os.urandom(8).hex().encode(), itertools.count(1)
    return lambda: b"%b%016x" % (run, next(counter))
