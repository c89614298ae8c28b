"""Server as an ASGI application inside another program."""

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

from starlette.types import ASGIApp, Receive, Scope, Send

from jikko.assemble import assemble
from jikko.assemble.assembly import Assembly
from jikko.cluster.data_folder import unmark
from jikko.cluster.data_folder_lock import sole_owner
from jikko.errors import JikkoError, StoreUnavailable
from jikko.http.app import create_app
from jikko.http.http_errors import error_response
from jikko.server.member import ServerMember
from jikko.server.startup_import import bring_keys, published_file, require_importable
from jikko.setting_sources import read_settings

log = logging.getLogger(__name__)


class App:
    """Serves workflows under a path of a FastAPI, Starlette, Django or other ASGI application.

    It starts in ``async with``, with the lifespan of its server, or at the first request. Runs, background jobs and
    data folder are those of ``jikko serve``: a folder has one server at a time.
    """

    def __init__(
        self,
        *files: str | Path,
        home: str | Path | None = None,
        in_memory: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Args:
            files: Workflows to publish at the start.
            home: The data folder; by default ``JIKKO_HOME``.
            in_memory: Store nothing on disk: for tests.
            settings: Other settings by lower-case name, see docs/settings.md: ``{"providers": "providers.yml"}``.

        Raises:
            InvalidSettings: All invalid settings.
        """
        given = {**(settings or {}), **({} if home is None else {"home": home})}
        paths = {name: Path(given[name]) for name in ("home", "providers", "tools") if given.get(name)}
        self._settings = read_settings(os.environ, **{**given, **paths})
        self._files = [Path(file) for file in files]
        self._in_memory = in_memory
        self._ending: asyncio.Event | None = None
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._ready()
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop serving: runs have ``shutdown_seconds`` to end; the others continue at the next start."""
        serving, self._serving = self._serving, None
        if serving is not None and self._ending is not None:
            self._ending.set()
            await asyncio.wait((serving,))

    async def key(self, app: str) -> str:
        """Issue an API key for an app, given by name or id. Raises ``NotFound`` if there is no such app."""
        assembly, _ = await self._ready()
        return await assembly.app_keys.issue((await assembly.apps.find(app)).id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the lifespan of a server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            _, app = await self._ready()
        except JikkoError as error:
            if scope["type"] != "http":
                raise
            log.error("the workflows cannot be served: %s", error)
            refusal = StoreUnavailable("The workflows cannot be served now; see the log.")
            await error_response(refusal)(receive, send)
            return
        await app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._ready()
        except JikkoError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _ready(self) -> tuple[Assembly, ASGIApp]:
        loop = asyncio.get_running_loop()
        if self._serving is not None and self._serving.get_loop() is not loop:
            raise StoreUnavailable("The workflows are served in another event loop: one application has one.")
        if self._serving is None or self._serving.done():
            self._ending = asyncio.Event()
            self._opened: asyncio.Future[tuple[Assembly, ASGIApp]] = loop.create_future()
            # A task of its own, so that the server outlives the request that started it.
            self._serving = loop.create_task(self._serve(self._opened, self._ending))
        return await asyncio.shield(self._opened)

    async def _serve(self, opened: "asyncio.Future[tuple[Assembly, ASGIApp]]", ending: asyncio.Event) -> None:
        settings = self._settings
        try:
            async with AsyncExitStack() as stack:
                if not self._in_memory:
                    stack.enter_context(sole_owner(settings.home, doing="a Python program", patience=0))
                    unmark(settings.home)
                services = assemble(settings, owned=not self._in_memory, in_memory=self._in_memory)
                assembly = await stack.enter_async_context(services)
                await require_importable(assembly, self._files)
                for file in self._files:
                    await published_file(assembly, file)
                await bring_keys(assembly, settings.keys)
                await assembly.cluster.join(ServerMember(assembly, partial(log.info, "%d runs continue")))
                stack.push_async_callback(assembly.cluster.close)
                stack.push_async_callback(assembly.runs.close, settings.shutdown_seconds, settings.drain_seconds)
                stack.callback(assembly.cluster.leave)
                await assembly.upkeep.indexing.prepare()
                opened.set_result((assembly, create_app(assembly)))
                await ending.wait()
        except Exception as error:
            if opened.done():
                raise
            # Any error: requests wait for it.
            opened.set_exception(error)
