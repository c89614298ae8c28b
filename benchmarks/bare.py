"""A bare ASGI application on the same server, which answers whatever it is asked with the same bytes.

python -m benchmarks.bare BYTES
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


async def main(body: bytes) -> None:
    [listening] = listen("127.0.0.1", 0)

    async def ready() -> None:
        print(f"listens on {listening.getsockname()[1]} ({os.getpid()})", flush=True)

    async def stopping(_: bool) -> None: ...

    await serve(answering(body), listening, ready=ready, stopping=stopping)


if __name__ == "__main__" and len(sys.argv) > 1:
    uvloop.run(main(b"x" * int(sys.argv[1])))
