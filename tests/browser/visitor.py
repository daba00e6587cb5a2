"""A person at the dashboard: a page in a browser, and a list of everything that must not happen there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from playwright.sync_api import BrowserContext

WATCH = """
window.violations = [];
window.shift = 0;
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value; })
  .observe({type: "layout-shift", buffered: true});
"""
LABELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Visitor:
    """`trouble` fills with console messages, errors, dialogs of pages, foreign requests and policy violations."""

    def __init__(self, context: BrowserContext, origin: str, shots: Path) -> None:
        self.trouble: list[str] = []
        self.origin, self._shots, self._context = origin, shots, context
        self._host = urlsplit(origin).netloc
        context.add_init_script(WATCH)
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda m: self.trouble.append(f"console: {m.text}"))
        self.page.on("pageerror", lambda e: self.trouble.append(f"error: {e}"))
        self.page.on("dialog", lambda d: (self.trouble.append(f"dialog: {d.message}"), d.dismiss()))
        self.page.on("request", self._on_request)
        self.page.on("response", lambda r: self.trouble.append(f"{r.status} {r.url}") if r.status >= 500 else None)

    def _on_request(self, request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.netloc != self._host:
            self.trouble.append(f"foreign request: {request.url}")

    def login(self, key: str) -> None:
        self.go("/login")
        self.page.fill("#f-key", key)
        self.page.click("text=Log in")
        self.page.wait_for_url(f"{self.origin}/")

    def go(self, path: str) -> None:
        self.page.goto(self.origin + path)

    def text(self, selector: str = "main") -> str:
        return self.page.inner_text(selector)

    def shoot(self, name: str) -> None:
        self._shots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._shots / f"{name}.png", full_page=True)

    def inspect(self, name: str, *, rules: Sequence[str] = ()) -> None:
        """Picture of the page; then everything a page must be: as wide as the window, still, by the policy, accessible.

        `rules` are those of axe to check; all when empty.
        """
        self.shoot(name)
        width, wide = self.page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
        if wide > width:
            self.trouble.append(f"{name}: {wide - width} px of horizontal scroll")
        self.trouble += [f"{name}: policy: {v}" for v in self.page.evaluate("window.violations")]
        shift = self.page.evaluate("window.shift")
        if shift > 0.01:
            self.trouble.append(f"{name}: layout shift {shift:.3f}")
        only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": LABELS}
        found = Axe().run(self.page, options={"runOnly": only})
        self.trouble += [
            f"{name}: axe {v['id']}: {v['help']}: {v['nodes'][0]['html'][:160]}" for v in found.response["violations"]
        ]

    def close(self) -> None:
        self._context.close()
