"""A short way for the request that is made most: reading a run.

It answers what is ordinary, and hands everything else, every error too, to the application; so there is nothing that
only it knows. Measured: a third of the time of the way through the router and its middleware.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from jikko.errors import JikkoError
from jikko.http.run_bodies import detail_body
from jikko.http.state import Api

_PREFIX = "/v1/workflows/run/"
_BEHIND = len(_PREFIX)


class Lane:
    """The application, with the short way in front of it."""

    def __init__(self, application: ASGIApp, api: Api) -> None:
        self._application = application
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = None
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(_PREFIX):
            body = await self._detail(scope)
        if body is None:
            await self._application(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _detail(self, scope: Scope) -> bytes | None:
        """Run detail, if that is what is asked for and there is nothing to object."""
        run_id = scope["path"][_BEHIND:]
        key = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if "/" in run_id or key[:7] != b"Bearer " or self._api.apps.counts_requests:
            return None
        try:
            app = await self._api.apps.authenticate(key[7:].decode("latin-1"))
            record = await self._api.runs.record(app.id, run_id)
        except JikkoError:
            return None
        return detail_body(record, lambda outputs: self._api.fresh(outputs, Request(scope)))
