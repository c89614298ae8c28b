"""Large files of workflows are read beside the event loop, by whatever way they are asked for."""

import asyncio
import functools
import gc
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from jikko.apps.versions import check
from jikko.nodes.registry import BY_TYPE
from jikko.repositories.app_store import App
from tests.acceptance.workflows import ECHO
from tests.effort import cpu_seconds
from tests.http.console.scene import API, Scene, console_on, decoded

pytestmark = pytest.mark.anyio


@functools.cache
def large(mark: str) -> bytes:
    """The text of a workflow that takes a while to read; made where it is asked for, not by all that collect tests."""
    content = json.loads(ECHO)
    for node in content["workflow"]["graph"]["nodes"]:
        node["data"]["more"] = [{"key": f"{mark} 日本", "value": number} for number in range(10_000)]
    return json.dumps(content, ensure_ascii=False).encode()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with console_on(tmp_path) as scene:
        yield scene


@functools.cache
def reading() -> float:
    """Return the CPU time of reading a file once, in seconds."""
    first = large("first")
    return min(cpu_seconds(lambda: check(first, source="x", node_classes=BY_TYPE)) for _ in range(2))


async def share(work: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU time of the event loop, as a share of that of reading the file once."""
    whole = reading()
    gc.disable()
    try:
        began = time.thread_time()
        await work()
        return (time.thread_time() - began) / whole
    finally:
        gc.enable()


async def published(scene: Scene) -> App:
    await scene.publish(large("first").decode())
    return await scene.publish(large("second").decode())


async def test_importing_one(scene: Scene) -> None:
    assert await share(lambda: scene.publish(large("first").decode())) < 0.3


async def test_starting_a_run_of_one(scene: Scene) -> None:
    app = await published(scene)
    assert await share(lambda: scene.assembly.workflows.get(app)) < 0.3


async def test_publishing_an_earlier_version(scene: Scene) -> None:
    app = await published(scene)
    version = await scene.assembly.apps.version(app, "1")
    assert await share(lambda: scene.assembly.apps.use(app, version)) < 0.3


async def test_comparing_two_versions(scene: Scene) -> None:
    app = await published(scene)
    client = await scene.script("viewer")

    async def compared() -> None:
        found = decoded(await client.get(f"{API}/apps/{app.id}/diff", params={"from": "1", "to": "2"}))
        assert [node["change"] for node in found["nodes"]] == ["changed", "changed"]

    # Two files are read, and the client here decodes what is different in them.
    assert await share(compared) < 0.8


async def test_all_who_ask_for_one_at_once_get_the_same(scene: Scene) -> None:
    app = await published(scene)
    found = await asyncio.gather(*(scene.assembly.workflows.get(app) for _ in range(20)))

    assert all(workflow is found[0] for workflow in found)
