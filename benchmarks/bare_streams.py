"""A bare proxy of streams, to compare Jikko with: the same client and server libraries, and for each token of the model
one chunk decoded and one frame of Dify encoded and sent. It checks nothing, keeps nothing, and is not to be improved.

``python -m benchmarks.bare_streams MODEL_PORT``
"""

import sys
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.bare import main

HEADERS = [(b"content-type", b"text/event-stream")]


class Delta(msgspec.Struct):
    content: str = ""


class Choice(msgspec.Struct):
    delta: Delta


class Chunk(msgspec.Struct):
    choices: list[Choice]


class Text(msgspec.Struct):
    text: str
    from_variable_selector: tuple[str, str]


class Frame(msgspec.Struct, tag_field="event", tag="text_chunk"):
    workflow_run_id: str
    task_id: str
    data: Text


DECODER = msgspec.json.Decoder(Chunk)
ENCODER = msgspec.json.Encoder()


def proxy(model_port: int) -> Any:
    """The application."""
    session: aiohttp.ClientSession | None = None

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal session
        session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        async with session.post(f"http://127.0.0.1:{model_port}/v1/chat/completions", data=body) as answer:
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    continue
                text = DECODER.decode(line[6:]).choices[0].delta.content
                if text:
                    frame = Frame("", "", Text(text, ("m", "text")))
                    piece = b"data: " + ENCODER.encode(frame) + b"\n\n"
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return application


if __name__ == "__main__":
    uvloop.run(main(proxy(int(sys.argv[1]))))
