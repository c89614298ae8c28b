"""Console in process: the ASGI application on its own data folder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
from jsonschema import Draft202012Validator

from jikko.assemble import Assembly, assemble
from jikko.http.app import Front, Router, create_app
from jikko.http.console.page_files import PageFiles
from jikko.http.console.sections import console_sections
from jikko.http.console.table import console_description, console_operations
from jikko.http.operation import Operation
from jikko.ports.cluster import Cluster
from jikko.repositories.app_store import App
from jikko.repositories.console_store import Role
from jikko.settings import Settings

API = "/console/api"
"""Path prefix under which the page reaches the management API."""
MANAGEMENT = "/api/v1"
OWN_PAGE = {"X-Jikko-Console": "1", "Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8000"}


@dataclass
class Clock:
    """Wall clock set by tests."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@cache
def _built_page() -> PageFiles:
    """Return the package's page, read once for all scenes."""
    return PageFiles()


@dataclass
class Scene:
    """Process that serves a console."""

    assembly: Assembly
    clock: Clock
    page: PageFiles | None = None

    def __post_init__(self) -> None:
        assert self.assembly.console is not None
        self._sections = console_sections(self.assembly.console, self.page or _built_page())
        self.application: Any = create_app(self.assembly, console=self._sections)

    @cached_property
    def operations(self) -> list[Operation]:
        assert self.assembly.console is not None
        return console_operations(self.assembly.console, self.page or _built_page())

    @property
    def access(self) -> Any:
        """Return the access control."""
        assert self.assembly.console is not None
        return self.assembly.console.access

    def pings(self, seconds: float) -> None:
        """Set the interval of keep-alives in streams."""
        self.application = create_app(self.assembly, front=Front(ping_seconds=seconds), console=self._sections)

    def client(self, base_url: str = "http://localhost:8000", **headers: str) -> httpx.AsyncClient:
        """Return a client without a session, which checks all responses against the description."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.application),
            base_url=base_url,
            headers=headers,
            timeout=20,
            event_hooks={"response": [self._is_described]},
        )

    async def script(self, role: Role = "operator", name: str = "script") -> httpx.AsyncClient:
        """Return a client with a token."""
        _, token = await self.access.new_token(name, role)
        return self.client(Authorization=f"Bearer {token}")

    async def browser(self, role: Role = "operator") -> httpx.AsyncClient:
        """Return a client signed in by a link."""
        client = self.client(**OWN_PAGE)
        async with self.client(**OWN_PAGE) as first:
            answer = await first.post(f"{API}/session", json={"ticket": await self.access.ticket(role)})
            assert answer.status_code == 200, answer.text
            client.cookies.update(dict(first.cookies))
        return client

    async def publish(self, text: str, name: str = "app") -> App:
        """Publish a file."""
        return (await self.assembly.apps.publish(text.encode(), source=name)).app

    async def _is_described(self, response: httpx.Response) -> None:
        router, description = _described()
        operation, _ = router.find(response.request.method, response.request.url.path)
        if operation is None or response.status_code == 304:
            return
        path = operation.path
        if not operation.described:
            path = path.replace(f"{API}/shared/", f"{API}/runs/").replace(API, MANAGEMENT)
        described = description["paths"][path][operation.method.lower()]["responses"]
        assert str(response.status_code) in described, (operation.method, operation.path, response.status_code)
        content = described[str(response.status_code)].get("content", {}).get("application/json", {})
        if "schema" in content and response.headers["content-type"].startswith("application/json"):
            await response.aread()
            schema = {**content["schema"], "components": description["components"]}
            error = next(Draft202012Validator(schema).iter_errors(response.json()), None)
            assert error is None, f"{operation.method} {operation.path}: {error.message} at {list(error.path)}"


@cache
def _described() -> tuple[Router, dict[str, Any]]:
    """Return the router of the API, in which nothing but its operations is looked up, and their description."""
    nobody: Any = SimpleNamespace(count=None)
    api = [each for each in console_operations(nobody, _built_page()) if each.path.startswith((API, MANAGEMENT))]
    return Router(api), console_description("0", api)


@asynccontextmanager
async def console_on(
    folder: Path,
    clock: Clock | None = None,
    page: PageFiles | None = None,
    cluster: Cluster | None = None,
    **settings: Any,
) -> AsyncIterator[Scene]:
    """Serve the console of a data folder."""
    clock = clock or Clock()
    async with assemble(Settings(home=folder, **settings), clock=clock, console=True, cluster=cluster) as assembly:
        yield Scene(assembly, clock, page=page)


def decoded(answer: httpx.Response, status: int = 200) -> Any:
    """Check a response's status, and decode its body."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    return msgspec.json.decode(answer.content) if answer.content else None
