"""Reporting runs to addresses once they have ended."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from jikko.errors import InvalidParam, NotFound, StoreUnavailable
from jikko.log_context import LogContext, log_context
from jikko.maintenance.callbacks import Callbacks, checked_url, signature
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.stores.run_store import StartOptions
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.repositories.callback_store import Callback
from jikko.runs.runs import StartRequest
from jikko.trace_context import traceparent_of
from tests.runs.world import Process, World, end_of, until
from tests.store.in_memory import CallbacksInMemory, RunsInMemory

pytestmark = pytest.mark.anyio

URL = "https://example.com/hook"


class Receiver:
    """A client whose requests all come here."""

    def __init__(self) -> None:
        self.requests: list[OutgoingRequest] = []
        self.status: int | None = 200
        """``None``: there is no answer."""
        self.silent: set[str] = set()
        """Addresses that do not answer before ``speaking``."""
        self.speaking = asyncio.Event()

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.requests.append(request)
        if request.url in self.silent:
            await self.speaking.wait()
        if self.status is None:
            raise HttpFailure("The address 10.0.0.1 may not be reached.", kind="address")
        return HttpResponse(self.status, (), b"")

    async def close(self) -> None: ...


def render(record: RunRecord) -> bytes:
    return f"the end of {record.identity.run_id}: {record.status}".encode()


class Scene:
    def __init__(self) -> None:
        self.store = RunsInMemory()
        self.world = World(self.store)
        self.receiver = Receiver()
        self.callbacks = Callbacks(CallbacksInMemory(self.store), self.store, self.receiver, lambda: self.world.now)

    async def run(self, app: App, process: Process, url: str = URL) -> str:
        """A run with a callback, which has ended."""
        request = StartRequest(inputs={}, user="anna")
        run = await process.runs.start(app, request, StartOptions(callback_url=url))
        await end_of(run)
        self.callbacks.alarm.set(self.world.now)
        return (await self.world.ended(run.record.identity.run_id)).identity.run_id

    async def all_undelivered(self) -> list[Callback]:
        return [entry async for entry in self.callbacks.undelivered()]

    async def undelivered(self) -> Callback:
        (entry,) = await self.all_undelivered()
        return entry


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.world.close()


@pytest.fixture
async def ended(scene: Scene) -> str:
    return await scene.run(await scene.world.chain(), scene.world.process())


async def test_the_run_is_posted_once_it_has_ended(scene: Scene, ended: str) -> None:
    assert await scene.callbacks.deliver(render) == 1
    assert await scene.callbacks.deliver(render) == 0

    (request,) = scene.receiver.requests
    assert (request.method, request.url, request.body) == ("POST", URL, f"the end of {ended}: succeeded".encode())
    assert dict(request.headers)["Content-Type"] == "application/json"
    assert not request.follow_redirects
    assert await scene.all_undelivered() == []


async def test_the_receiver_is_told_the_trace_of_the_run(scene: Scene) -> None:
    began = await scene.run(await scene.world.chain(), scene.world.process())
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    token = log_context.set(LogContext(headers=((b"traceparent", given.encode()), (b"tracestate", b"rojo=1"))))
    try:
        called = await scene.run((await scene.world.apps.all())[0], scene.world.process())
    finally:
        log_context.reset(token)

    await scene.callbacks.deliver(render)

    headers_of = {dict(request.headers)["webhook-id"]: dict(request.headers) for request in scene.receiver.requests}
    assert headers_of[f"msg_{began}"]["traceparent"] == traceparent_of("", began)
    assert "tracestate" not in headers_of[f"msg_{began}"]
    assert headers_of[f"msg_{called}"]["traceparent"] == traceparent_of(given, called)
    assert headers_of[f"msg_{called}"]["tracestate"] == "rojo=1"


async def test_it_is_signed_as_standard_webhooks_want_it(scene: Scene, ended: str) -> None:
    await scene.callbacks.deliver(render)

    (request,) = scene.receiver.requests
    headers = dict(request.headers)
    app_id = (await scene.world.apps.all())[0].id
    secret = await scene.callbacks.secret(app_id)
    assert secret.startswith("whsec_")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert len(key) >= 24
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + bytes(request.body or b"")  # type: ignore[arg-type]
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert int(headers["webhook-timestamp"]) == int(scene.world.now)


async def test_a_new_secret_signs_from_then_on(scene: Scene, ended: str) -> None:
    app_id = (await scene.world.apps.all())[0].id
    before, new = await scene.callbacks.secret(app_id), await scene.callbacks.new_secret(app_id)
    await scene.callbacks.deliver(render)

    assert new != before
    assert await scene.callbacks.secret(app_id) == new
    (request,) = scene.receiver.requests
    headers, body = dict(request.headers), f"the end of {ended}: succeeded".encode()
    signed = signature(new, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == signed


def test_the_signature_is_that_of_the_specifications_example() -> None:
    made = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_run_that_goes_on_is_not_posted(scene: Scene) -> None:
    app, process = await scene.world.chain(), scene.world.process()
    scene.world.script.held = {"a"}
    request = StartRequest(inputs={}, user="anna")
    await process.runs.start(app, request, StartOptions(callback_url=URL))

    assert await scene.callbacks.deliver(render) == 0
    assert await scene.all_undelivered() == []


@pytest.mark.parametrize("status", [500, 404, 302, None])
async def test_what_is_not_taken_is_tried_again_later_under_the_same_id(
    scene: Scene, ended: str, status: int | None
) -> None:
    scene.receiver.status = status
    await scene.callbacks.deliver(render)
    entry = await scene.undelivered()
    assert (entry.state, entry.attempts) == ("pending", 1)
    assert entry.error
    assert await scene.callbacks.deliver(render) == 0

    scene.receiver.status = 204
    scene.world.now = entry.next_at
    assert await scene.callbacks.deliver(render) == 1

    ids = {dict(request.headers)["webhook-id"] for request in scene.receiver.requests}
    assert len(ids) == 1
    assert await scene.all_undelivered() == []


async def test_the_waits_grow_and_after_a_day_it_is_given_up(scene: Scene, ended: str) -> None:
    scene.receiver.status = 500
    began = scene.world.now
    times: list[float] = []
    while (entry := await _tried(scene)).state == "pending":
        times.append(scene.world.now - began)
        scene.world.now = entry.next_at

    waits = [later - sooner for sooner, later in pairwise(times)]
    assert waits[0] < 10
    assert all(wait < 5000 for wait in waits)
    assert waits[4] > waits[0] * 4
    assert 20 * 3600 < times[-1] <= 24 * 3600
    assert scene.world.now - began <= 24 * 3600, "the last attempt, too"
    assert (entry.state, entry.error) == ("failed", "The address answered with status 500.")
    assert await scene.callbacks.deliver(render) == 0


async def _tried(scene: Scene) -> Callback:
    await scene.callbacks.deliver(render)
    return await scene.undelivered()


async def test_one_that_was_given_up_can_be_resent(scene: Scene, ended: str) -> None:
    scene.receiver.status = 500
    await scene.callbacks.deliver(render)
    scene.world.now += 2 * 86_400
    await scene.callbacks.deliver(render)
    assert (await scene.undelivered()).state == "failed"

    scene.receiver.status = 200
    await scene.callbacks.resend(ended)
    assert await scene.callbacks.deliver(render) == 1

    assert await scene.all_undelivered() == []


async def test_one_that_is_resent_is_tried_for_another_day(scene: Scene, ended: str) -> None:
    scene.receiver.status = 500
    await scene.callbacks.deliver(render)
    scene.world.now += 2 * 86_400
    await scene.callbacks.deliver(render)
    assert (await scene.undelivered()).state == "failed"
    began = scene.world.now
    await scene.callbacks.resend(ended)

    times: list[float] = []
    while (entry := await _tried(scene)).state == "pending":
        times.append(scene.world.now - began)
        scene.world.now = entry.next_at

    assert times[:1] == [0.0]
    assert 20 * 3600 < times[-1] <= 24 * 3600
    assert len(times) > 20


async def test_one_that_is_delivered_during_a_look_at_what_is_due_is_not_sent_again(scene: Scene, ended: str) -> None:
    store = SlowLook(scene.store)
    scene.receiver.silent = {URL}
    callbacks = Callbacks(store, scene.store, scene.receiver, lambda: scene.world.now)
    watching = asyncio.ensure_future(callbacks.watch(render))
    try:
        await until(lambda: len(scene.receiver.requests) == 1)
        store.slow = True
        callbacks.alarm.set(scene.world.now)
        await until(lambda: store.waiting)
        # It is still pending in what was seen.
        scene.receiver.speaking.set()
        await until(lambda: store.saved == 1)
        store.go_on.set()
        callbacks.alarm.set(scene.world.now)
        await until(lambda: store.looks > 2)
    finally:
        watching.cancel()

    assert len(scene.receiver.requests) == 1


class SlowLook(CallbacksInMemory):
    """Tells what was due a while ago."""

    slow = waiting = False
    looks = saved = 0

    def __init__(self, store: RunsInMemory) -> None:
        super().__init__(store)
        self.go_on = asyncio.Event()

    async def due(self, now: float, *, each: int = 100, limit: int = 100) -> list[Callback]:
        found = await super().due(now, each=each, limit=limit)
        self.looks += 1
        if self.slow:
            self.slow, self.waiting = False, True
            await self.go_on.wait()
        return found

    async def save(self, callback: Callback) -> None:
        await super().save(callback)
        self.saved += 1


async def test_one_that_was_delivered_can_be_resent(scene: Scene, ended: str) -> None:
    await scene.callbacks.deliver(render)
    await scene.callbacks.resend(ended)

    assert await scene.callbacks.deliver(render) == 1
    assert len(scene.receiver.requests) == 2


async def test_a_run_without_a_callback_has_nothing_to_resend(scene: Scene) -> None:
    with pytest.raises(NotFound, match="has no callback"):
        await scene.callbacks.resend("0199a1b2-0000-7000-8000-000000000000")


async def test_after_a_crash_the_run_and_its_callback_go_on(scene: Scene) -> None:
    app, process = await scene.world.chain(), scene.world.process()
    scene.world.script.held = {"a"}
    request = StartRequest(inputs={}, user="anna")
    run_id = (await process.runs.start(app, request, StartOptions(callback_url=URL))).record.identity.run_id
    await process.die()
    new_holder = scene.world.process()
    await new_holder.runs.control.take_over()
    scene.world.script.release("a")
    await scene.world.ended(run_id)

    assert await scene.callbacks.deliver(render) == 1


async def test_watching_delivers_by_itself(scene: Scene, ended: str) -> None:
    watching = asyncio.ensure_future(scene.callbacks.watch(render))
    try:
        await until(lambda: len(scene.receiver.requests) == 1)
    finally:
        watching.cancel()


async def test_a_slow_receiver_delays_nobody_elses(scene: Scene) -> None:
    app, process = await scene.world.chain(), scene.world.process()
    scene.receiver.silent = {URL}
    slow = [await scene.run(app, process) for _ in range(40)]
    fast = "https://fast.example/hook"

    def sent(url: str) -> int:
        return sum(request.url == url for request in scene.receiver.requests)

    watching = asyncio.ensure_future(scene.callbacks.watch(render))
    try:
        await until(lambda: sent(URL) == 8)
        for _ in range(20):
            before = sent(fast)
            await scene.run(app, process, fast)
            await until(lambda: sent(fast) > before)  # noqa: B023 - called before the loop goes on
        assert sent(URL) == 8

        scene.receiver.speaking.set()
        await until(lambda: sent(URL) == len(slow))
    finally:
        watching.cancel()


async def test_one_whose_outcome_cannot_be_kept_is_not_sent_again_and_again(scene: Scene, ended: str) -> None:
    store = FullDisk(scene.store)
    callbacks = Callbacks(store, scene.store, scene.receiver, lambda: scene.world.now)
    watching = asyncio.ensure_future(callbacks.watch(render))
    try:
        while store.looks <= 3 or not store.refused:
            callbacks.alarm.set(0.0)
            await asyncio.sleep(0)
    finally:
        watching.cancel()

    assert len(scene.receiver.requests) == 1


class FullDisk(CallbacksInMemory):
    looks = refused = 0

    async def due(self, now: float, *, each: int = 100, limit: int = 100) -> list[Callback]:
        self.looks += 1
        return await super().due(now, each=each, limit=limit)

    async def save(self, callback: Callback) -> None:
        self.refused += 1
        raise StoreUnavailable("the disk is full")


async def test_all_undelivered_are_listed_however_many_they_are(scene: Scene) -> None:
    app, process = await scene.world.chain(), scene.world.process()
    runs = [await scene.run(app, process) for _ in range(5)]
    callbacks = Callbacks(PagesOfTwo(scene.store), scene.store, scene.receiver, lambda: scene.world.now)

    resent = [await callbacks.resend(entry.run_id) async for entry in callbacks.undelivered()]

    assert [entry.run_id for entry in resent] == sorted(runs)


class PagesOfTwo(CallbacksInMemory):
    async def undelivered(
        self, *, app_id: str | None = None, after: Callback | None = None, limit: int = 2
    ) -> list[Callback]:
        return await super().undelivered(app_id=app_id, after=after, limit=limit)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com",
        "http://",
        "http://[",
        7,
        "http://x/" + "y" * 2000,
        "http://" + "梟" * 254,
        "http://a:0/",
        "http://a:65536/",
        "http://x/" + "y" * 1992,
    ],
)
def test_an_address_that_is_none_is_refused(url: object) -> None:
    with pytest.raises(InvalidParam, match="callback_url"):
        checked_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://a", "HTTPS://a.test:65535/梟?q=1#x", "http://[::1]:8/", "http://" + "a" * 253),
        "http://x/" + "y" * 1991,
    ],
)
def test_any_address_of_the_web_is_taken_as_it_is(url: str) -> None:
    assert checked_url(url) == url
