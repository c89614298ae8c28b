"""ASGI applications on the same server as Jikko's, to compare it with.

``python -m benchmarks.bare BYTES`` answers whatever it is asked with N bytes; ``python -m benchmarks.bare limit``
serves ``limit.py``.
"""

import os
import sys
from typing import Any

import uvloop

from jikko.server.http_server import serve
from jikko.server.listening import listen


def answering(body: bytes) -> Any:
    """The application."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


async def main(application: Any) -> None:
    """Serve an application until the process is told to end."""
    [listening] = listen("127.0.0.1", 0)

    async def ready() -> None:
        print(f"listens on {listening.getsockname()[1]} ({os.getpid()})", flush=True)

    async def stopping(_: bool, drain: object) -> None: ...

    await serve(application, listening, ready=ready, stopping=stopping)


if __name__ == "__main__" and len(sys.argv) > 1:
    if sys.argv[1] == "limit":
        from benchmarks.limit import app

        uvloop.run(main(app))
    else:
        uvloop.run(main(answering(b"x" * int(sys.argv[1]))))
