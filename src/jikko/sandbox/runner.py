"""A child: reads one job, runs it, writes one reply, ends. By the time it reads, it is locked."""

import json
import os
from typing import Any, Final, NoReturn

from jikko.sandbox import probe
from jikko.sandbox.languages import python
from jikko.sandbox.languages.failure import CODE_ERROR, LIMIT_ERROR, ProgramFailed
from jikko.sandbox.languages.javascript import Engine
from jikko.sandbox.languages.template import Renderer
from jikko.sandbox.wire import HEAD, pack

CONNECTION: Final = 3
"""The file descriptor of the connection to the server. 0 to 2 are ``/dev/null``, and there are no others."""

_CHUNK_BYTES: Final = 1 << 20

# Taken now, so that a program that replaces them spoils no result of its own.
_read, _write, _exit, _loads, _dumps = os.read, os.write, os._exit, json.loads, json.dumps


class JobRunner:
    """Runs the one job of a child. Made once per fork server; each child has its own copy."""

    def __init__(self, *, memory_bytes: int, output_bytes: int, stack_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._output_bytes = output_bytes
        self.has_begun = False
        """Whether a program has begun, which may have had effects since."""
        self._renderer = Renderer()
        self._engine = Engine(memory_bytes=memory_bytes, stack_bytes=stack_bytes)
        python.prepare()
        # Made now, as there may be no memory left to make it when it is needed.
        self._out_of_memory = self._failure(f"The run broke the memory limit of {memory_bytes >> 20} MiB", LIMIT_ERROR)

    def warm_up(self, kind: str) -> None:
        """Touch the memory that a run of this kind will need, before a job waits."""
        match kind:
            case "python3":
                python.warm_up()
            case "javascript":
                self._engine.warm_up()
            case "template":
                self._renderer.warm_up()

    def serve(self) -> NoReturn:
        """Serve one job and end the process."""
        text_length, block_length = HEAD.unpack(_receive(HEAD.size))
        try:
            job = _loads(_receive(text_length))
            block = _receive(block_length)
            self.has_begun = True
            reply = self._reply(job, block)
        except MemoryError:
            reply = self._out_of_memory
        _send(reply)
        _exit(0)

    def _reply(self, job: dict[str, Any], block: bytes) -> bytes:
        compiled = b""
        try:
            match job["kind"]:
                case "python3":
                    text = python.run(job["code"], job["arguments"], job.get("files", ()))
                case "javascript":
                    text = self._engine.run(job["code"], job["arguments"])
                case "template":
                    text, compiled = self._renderer.render(job["code"], job["arguments"], block)
                case "probe":
                    text = _dumps([list(attempt) for attempt in probe.attempts()])
                case _:
                    probe.call_as_x32()
                    text = "null"
        except ProgramFailed as failure:
            if failure.kind == LIMIT_ERROR:
                return self._out_of_memory
            return self._failure(str(failure), failure.kind)
        # Halves of surrogate pairs cannot be written as UTF-8, nor stored anywhere.
        encoded = text.encode("utf-8", "replace")
        if len(encoded) > self._output_bytes:
            limit = f"{self._output_bytes:,} bytes"
            return self._failure(f"The result of {len(encoded):,} bytes broke the output limit of {limit}", LIMIT_ERROR)
        return pack(b'{"ok":' + encoded + b"}", compiled)

    @staticmethod
    def _failure(message: str, kind: str = CODE_ERROR) -> bytes:
        return pack(_dumps({"error": message, "kind": kind}).encode())


def _receive(size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = _read(CONNECTION, min(size, _CHUNK_BYTES))
        if not part:
            # The server needs this child no more.
            _exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(message: bytes) -> None:
    rest = memoryview(message)
    while rest:
        rest = rest[_write(CONNECTION, rest) :]
