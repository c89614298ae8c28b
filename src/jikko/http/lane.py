"""Short ways for the two requests that are made most: starting a run, and reading one.

They skip the router and its middleware, which would be much of the work of reading a run, and nothing else: the
handlers, and what becomes of errors, are the application's. Reading answers only what is ordinary and hands everything
else to the application. What it gains is in docs/performance.md.
"""

import logging
from functools import lru_cache
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from jikko.apps.keys import digest
from jikko.dify.bodies import detail_body
from jikko.errors import JikkoError
from jikko.http.api import Api
from jikko.http.errors import jikko_error, no_page, unexpected_error
from jikko.http.routes.runs import run_current

log = logging.getLogger(__name__)

_START = "/v1/workflows/run"
_PREFIX = f"{_START}/"
_BEHIND = len(_PREFIX)
_LONG: Final = 200
"""Bytes of an authorization that are no key of ours, and are not kept."""


class Lane:
    """The application, with the short ways in front of it."""

    def __init__(self, application: Starlette, api: Api) -> None:
        self._application = application
        self._api = api
        self._key = lru_cache(1_000)(_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if b"%" in scope["raw_path"] and b"%2f" in scope["raw_path"].lower():
                # Within a part of an address, where none of ours has a slash. Decoded it would look like one between.
                await no_page()(scope, receive, send)
                return
            if scope["method"] == "POST" and scope["path"] == _START:
                await self._start(scope, receive, send)
                return
            if scope["method"] == "GET" and scope["path"].startswith(_PREFIX):
                body = await self._detail(scope)
                if body is not None:
                    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    await send({"type": "http.response.body", "body": body})
                    return
        await self._application(scope, receive, send)

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self._application
        request = Request(scope, receive, send)
        try:
            response = await run_current(request)
        except JikkoError as error:
            response = await jikko_error(request, error)
        except Exception as error:
            log.exception("a run could not be started")
            response = await unexpected_error(request, error)
        await response(scope, receive, send)

    async def _detail(self, scope: Scope) -> bytes | None:
        """Run detail, if that is what is asked for and there is nothing to object."""
        api, run_id, key = self._api, scope["path"][_BEHIND:], None
        for name, value in scope["headers"]:
            if name == b"authorization":
                key = self._key(value)
                break
        if key is None or "/" in run_id or api.apps.counts_requests:
            return None
        try:
            detail = await api.runs.records.detail(key, run_id)
        except JikkoError:
            return None
        return None if detail is None else detail_body(detail, lambda outputs: api.fresh(outputs, Request(scope)))


def _key(authorization: bytes) -> bytes | None:
    """What is kept of the API key in a header. Hashing takes longer than looking it up."""
    if len(authorization) > _LONG or not authorization.startswith(b"Bearer "):
        return None
    return digest(str(authorization[7:], "latin-1"))
