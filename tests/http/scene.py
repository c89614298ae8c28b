"""API in process: the ASGI application on the world of the service's tests."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from jikko.apps.app_keys import AppKeys
from jikko.apps.end_users import EndUsers
from jikko.apps.publishing import AppCatalog
from jikko.apps.speech import AppSpeech
from jikko.assemble.assembly import Assembly
from jikko.assemble.build_chat import ChatServices
from jikko.assemble.build_upkeep import UpkeepServices
from jikko.concurrency.rate_limit import RequestRates, SharedRequestRate
from jikko.conversations.annotations import Annotations
from jikko.conversations.suggestions import Suggestions
from jikko.http.app import Front, Router, create_app
from jikko.http.bodies.reading import Bodies
from jikko.http.reference.openapi import OPERATIONS, openapi
from jikko.http.request_observer import RequestObserver
from jikko.inputs.uploads import FileLimits, FileService
from jikko.maintenance.readiness import Readiness
from jikko.ports.models import PURPOSES, DefaultModels, ModelName, Models
from jikko.ports.other_models import Speech
from jikko.ports.served_apps import ServedApp, ServedApps
from jikko.providers.fake import FakeModels
from jikko.providers.other_models import FakeSpeech
from jikko.repositories.app_store import App
from jikko.repositories.delivery_store import DeliveryStore
from jikko.repositories.end_user_store import EndUserStore
from jikko.repositories.trigger_store import TriggerStore
from jikko.settings import Settings
from jikko.triggers.receiving import Webhooks
from jikko.triggers.triggers import Triggers
from tests.knowledge.scene import no_datasets
from tests.runs.world import PATIENCE, Process, World
from tests.store.in_memory import AnnotationsInMemory

RUN = "/v1/workflows/run"
DESCRIPTION = openapi("0")
ROUTER = Router(OPERATIONS)
FAKES: DefaultModels = {purpose: ModelName("fake", "fake") for purpose in PURPOSES}


class Served:
    """Served apps of a tools file."""

    def __init__(self, *apps: ServedApp) -> None:
        self.apps = {app.code: app for app in apps}

    async def served(self, code: str) -> ServedApp | None:
        return self.apps.get(code)

    def all_served(self) -> list[ServedApp]:
        return list(self.apps.values())


@asynccontextmanager
async def client_of(
    world: World,
    app: App,
    process: Process | None = None,
    *,
    requests_per_minute: int = 0,
    file_limits: FileLimits | None = None,
    speech: Speech | None = None,
    models: Models | None = None,
    defaults: DefaultModels | None = None,
    observers: Sequence[RequestObserver] = (),
    bodies: Bodies | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client with a key of the app."""
    api = api_of(world, process or world.process(), requests_per_minute, file_limits, speech, models, defaults)
    key = await api.app_keys.issue(app.id)
    transport = httpx.ASGITransport(create_app(api, observers, Front(bodies=bodies or Bodies())))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://jikko",
        headers=headers,
        timeout=20,
        event_hooks={"response": [_is_described]},
    ) as client:
        yield client


async def _is_described(response: httpx.Response) -> None:
    """Check that the API's description includes every response's status, except server errors and 408, which is
    described for all operations at once."""
    operation, _ = ROUTER.find(response.request.method, response.request.url.path)
    if operation is not None and operation.described and response.status_code not in (408, 500):
        described = DESCRIPTION["paths"][operation.path][operation.method.lower()]["responses"]
        assert str(response.status_code) in described, (operation.method, operation.path, response.status_code)


def rate_of(per_minute: int) -> SharedRequestRate:
    """Return the request rate of a single process."""
    rates = RequestRates()

    async def count(key: bytes, per_minute: int) -> int:
        return rates.count(key, per_minute)

    return SharedRequestRate(per_minute, count)


def api_of(
    world: World,
    process: Process,
    requests_per_minute: int = 0,
    file_limits: FileLimits | None = None,
    speech: Speech | None = None,
    models: Models | None = None,
    defaults: DefaultModels | None = None,
    served_apps: ServedApps | None = None,
) -> Assembly:
    """Return a process's services, as far as the API needs them."""
    file_limits = file_limits or FileLimits()
    defaults = FAKES if defaults is None else defaults
    unused: Any = None
    readiness = Readiness(world.database, lambda: process.runs.executor.is_closing)
    parts: dict[str, Any] = dict.fromkeys(UpkeepServices.__struct_fields__) | {"readiness": readiness}
    knowledge = no_datasets()
    triggers = Triggers(TriggerStore(world.database), world.app_store, process.runs)
    return Assembly(
        settings=Settings(home=Path("unused"), max_body=1 << 20, body_memory=0),
        configuration=unused,
        cluster=process.cluster,
        store=world.store,
        ports=unused,
        upkeep=UpkeepServices(**parts),
        tools=unused,
        triggers=triggers,
        schedules=unused,
        webhooks=Webhooks(
            triggers,
            {},
            process.runs.starts,
            DeliveryStore(world.database),
            world.app_store,
            process.workflows,
            world.files,
            lambda: world.now,
        ),
        deliveries=unused,
        audit=unused,
        measures=unused,
        console=None,
        console_feed=None,
        clock=lambda: world.now,
        apps=AppCatalog(world.app_store, world.classes, lambda: world.now),
        app_keys=AppKeys(world.app_store, lambda: world.now, rate=rate_of(requests_per_minute)),
        runs=process.runs,
        conversations=world.conversations,
        workflows=process.workflows,
        end_users=EndUsers(EndUserStore(world.database)),
        files=FileService(world.files, file_limits),
        datasets=knowledge.stores,
        knowledge=knowledge,
        chat=ChatServices(
            turns=process.turns,
            annotations=Annotations(AnnotationsInMemory(world.database), lambda: world.now, lambda: None),
            annotation_indexing=unused,
            suggestions=Suggestions(world.conversations, process.workflows, models or FakeModels(), defaults),
            speech=AppSpeech(process.workflows, speech or FakeSpeech(), defaults),
            titles=unused,
        ),
        served_apps=served_apps or Served(),
    )


def body(mode: str = "blocking", **inputs: Any) -> dict[str, Any]:
    """Return the body of a start."""
    return {"inputs": inputs, "user": "anna", "response_mode": mode}


class Listener:
    """Client that reads until it disconnects."""

    def __init__(
        self,
        application: Any,
        key: str,
        method: str,
        path: str,
        content: bytes = b"",
        *,
        has_more: bool = False,
        host: str = "x",
        last_event_id: str = "",
        cookie: str = "",
    ) -> None:
        """Args:
        cookie: Sent by a browser instead of a key.
        content: Body, or its beginning.
        has_more: Whether the rest never arrives."""
        path, _, query = path.partition("?")
        self.received = b""
        self._content = content
        self._has_more = has_more
        self._left = asyncio.Event()
        headers = {"host": host, "authorization": f"Bearer {key}", "accept": "text/event-stream"}
        headers |= {"last-event-id": last_event_id} if last_event_id else {}
        if cookie:
            del headers["authorization"]
            headers["cookie"] = cookie
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.encode(), value.encode())
                for name, value in (headers | {"content-type": "application/json"}).items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.served = asyncio.ensure_future(application(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._content:
            content, self._content = self._content, b""
            return {"type": "http.request", "body": content, "more_body": self._has_more}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.received += message.get("body", b"")

    async def ended(self) -> None:
        """Wait until the server has ended the response."""
        async with asyncio.timeout(PATIENCE):
            await self.served

    async def leave(self) -> None:
        """Disconnect, and wait until nothing of the request is left."""
        self._left.set()
        async with asyncio.timeout(PATIENCE):
            await self.served
