"""The console's API for commands: where it is, the key it asks for, and its problems as one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from hub.environment import running_hub
from hub.errors import HubError
from runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

URL_VARIABLE = "HUB_CONSOLE_URL"
TIMEOUT_S = 30.0
PAGE = 500


class Api:
    """Calls /api/v1. Every method raises HubError with what is wrong and what to do."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1", headers={"authorization": f"Bearer {key}"}, timeout=TIMEOUT_S
        )

    @classmethod
    def of_running_hub(cls, environ: Mapping[str, str] | None = None) -> Api:
        """The console at HUB_CONSOLE_URL, else that of the hub in HUB_HOME. Raises HubError when no key is known."""
        env = running_hub(environ)
        settings = Settings.from_env(env)
        if not settings.admin_key:
            raise HubError(
                f"No admin key: set HUB_ADMIN_KEY, or HUB_HOME to the hub's data folder (now {settings.home}, "
                "which holds no admin.key)."
            )
        return cls(env.get(URL_VARIABLE) or f"http://127.0.0.1:{settings.console_port}", settings.admin_key)

    def get(self, path: str, **query: Any) -> Any:
        """What is at a path; absent values are left out of the query."""
        return self._call("GET", path, params={k: v for k, v in query.items() if v not in (None, [], ())})

    def pages(self, path: str, *, most: int, **query: Any) -> Iterator[Any]:
        """Items of a paged list, at most `most`."""
        cursor: str | None = None
        while most > 0:
            page = self.get(path, cursor=cursor, limit=min(most, PAGE), **query)
            yield from page["data"]
            most -= len(page["data"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Make or do something."""
        return self._call("POST", path, json=body or {})

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        """Remove something."""
        self._call("DELETE", path)

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: str, path: str, **kwargs: Any) -> Any:
        try:
            answer = self._client.request(method, path, **kwargs)
        except httpx.TransportError as e:
            raise HubError(
                f"The console at {self.url} does not answer ({e}): is the hub up? `hub status` tells; "
                f"{URL_VARIABLE} names another one."
            ) from e
        if answer.is_success:
            return answer.json() if answer.content else None
        raise HubError(_words(answer))


def _words(answer: httpx.Response) -> str:
    """A problem's fields and messages, else its detail."""
    try:
        problem = answer.json()
        errors = [f"{e['field']} {e['message']}" for e in problem.get("errors", [])]
        return "; ".join(errors) if errors else str(problem["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{answer.request.url} answered {answer.status_code}, and not as the console does: is that the right address?"
