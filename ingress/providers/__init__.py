"""The provider profiles by slug, one scheme a file, all pure. `schemas.providers` lists the same for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingress.providers import easypost, generic_hmac, shopify, standard_webhooks, stripe, woocommerce

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingress.providers.profile import Profile

PROFILES: Final[Mapping[str, Callable[[Mapping[str, str]], Profile]]] = {
    "shopify": lambda _: shopify.PROFILE,
    "stripe": lambda _: stripe.PROFILE,
    "easypost": lambda _: easypost.PROFILE,
    "woocommerce": lambda _: woocommerce.PROFILE,
    "standard-webhooks": lambda _: standard_webhooks.PROFILE,
    "generic-hmac": generic_hmac.configure,
}
"""Slug to the profile of a source with given options."""
