"""Worker processes that parse documents, started with the first document."""

import asyncio
import codecs
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from jikko.concurrency.fair_semaphore import APP_SHARE, FairSemaphore, part_of_worker
from jikko.diagnostics.diagnostic import Phrase
from jikko.documents.formats import format_of
from jikko.ports.files.documents import DocumentFailure

_MAX_DOCUMENTS: Final = 200
"""Documents after which a process is replaced: libraries leak."""
_CHUNK_BYTES: Final = 1 << 18
"""Bytes of a text read at a time."""
_IDLE_SECONDS: Final = 60.0
"""Idle time after which a process ends: it holds some ten MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    max_processes: int = 2
    """Concurrent documents; others wait, and apps take turns."""
    app_share: float = APP_SHARE
    """The part of these that one app may have. See ``max_for_one_app``."""
    max_seconds: float = 60.0
    """Timeout of one document."""
    max_memory: int = 1 << 30
    """Address space of one process, in bytes."""
    max_text: int = 16 << 20
    """Maximum text of one document, in bytes."""

    def for_worker(self, workers: int) -> "DocumentLimits":
        """Return the limits of one of ``workers`` processes. See ``part_of_worker``."""
        return replace(self, max_processes=part_of_worker(self.max_processes, workers))


class DocumentProcesses:
    """``DocumentReader`` by worker processes, which isolates this process from documents."""

    def __init__(self, limits: DocumentLimits | None = None) -> None:
        self._limits = limits or DocumentLimits()
        self._places = FairSemaphore(self._limits.max_processes, self._limits.app_share)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._closed = False

    async def extract(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> str:
        return await self._ask(content, filename, mime_type, app_id, pieces=False)

    async def pieces(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> list[str]:
        answer = await self._ask(content, filename, mime_type, app_id, pieces=True)
        return await asyncio.to_thread(msgspec.json.decode, answer, type=list[str])

    async def _ask(self, content: bytes, filename: str, mime_type: str, app_id: str, *, pieces: bool) -> str:
        # Validate before starting a process.
        format_of(filename, mime_type)
        async with self._places.place(app_id):
            worker = await self._worker()
            self._busy.add(worker)
            try:
                async with asyncio.timeout(self._limits.max_seconds):
                    found, text = await worker.ask(content, filename, mime_type, pieces)
            except TimeoutError:
                await worker.kill()
                params = {"seconds": f"{self._limits.max_seconds:g}"}
                raise DocumentFailure("extraction.too_slow", params) from None
            except (OSError, asyncio.IncompleteReadError):
                await worker.kill()
                raise DocumentFailure("extraction.reader_ended") from None
            except BaseException:
                await worker.kill()
                raise
            finally:
                self._busy.discard(worker)
            await self._release(worker)
        if not found:
            raise _failure_of(text)
        return text

    async def _worker(self) -> "_Worker":
        while self._idle:
            worker = self._idle.pop()
            worker.stay()
            if worker.is_usable():
                return worker
            await worker.kill()
        if self._closed:
            raise DocumentFailure("extraction.stopping")
        return await _Worker.start(self._limits)

    async def _release(self, worker: "_Worker") -> None:
        if self._closed or worker.served >= _MAX_DOCUMENTS or not worker.is_usable():
            await worker.kill()
            return
        self._idle.append(worker)
        worker.leave_after(_IDLE_SECONDS)

    async def close(self) -> None:
        self._closed = True
        workers = [*self._idle, *self._busy]
        self._idle.clear()
        for worker in workers:
            await worker.kill()


def _failure_of(text: str) -> DocumentFailure:
    """Parse a worker's failure report. The worker has parsed untrusted files, so the report is untrusted, too."""
    try:
        phrase = Phrase.of(json.loads(text))
        phrase.text()
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return DocumentFailure("extraction.reader_ended")
    return DocumentFailure(phrase.code, phrase.params)


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._leaving: asyncio.TimerHandle | None = None
        self._done = False
        self.served = 0

    @classmethod
    async def start(cls, limits: DocumentLimits) -> "_Worker":
        # A clean environment: this process's may hold keys. -P: nothing from the working directory either.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "jikko.documents.worker",
                str(limits.max_memory),
                # Later than this process would kill it.
                str(int(limits.max_seconds) + 5),
                str(limits.max_text),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                # Ctrl-C in the terminal is for the server, which lets runs finish.
                start_new_session=True,
            )
        except OSError as error:
            raise DocumentFailure("extraction.no_reader", {"reason": error.strerror}) from error
        return cls(process)

    def is_usable(self) -> bool:
        stdin = self._process.stdin
        return self._process.returncode is None and stdin is not None and not stdin.is_closing() and not self._done

    async def ask(self, content: bytes, filename: str, mime_type: str, as_pieces: bool) -> tuple[bool, str]:
        """Return the text, or the failure as JSON. Raises ``OSError``, ``asyncio.IncompleteReadError``."""
        self.served += 1
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None
        assert answers is not None
        head = {"size": len(content), "filename": filename, "mime_type": mime_type, "pieces": as_pieces}
        questions.write(json.dumps(head).encode("ascii") + b"\n")
        questions.write(content)
        await questions.drain()
        kind = await answers.readexactly(1)
        left = int.from_bytes(await answers.readexactly(8), "big")
        # Decoded in chunks, between which the event loop runs; memory never exceeds the text itself.
        decoder, pieces = codecs.getincrementaldecoder("utf-8")(), list[str]()
        while left:
            piece = await answers.read(min(left, _CHUNK_BYTES))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            pieces.append(decoder.decode(piece, final=not left))
        self._done = kind == b"X"
        return kind == b"T", "".join(pieces)

    def leave_after(self, seconds: float) -> None:
        """Let the process end after an idle time."""
        assert self._process.stdin is not None
        # It ends at the end of its input.
        self._leaving = asyncio.get_running_loop().call_later(seconds, self._process.stdin.close)

    def stay(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    async def kill(self) -> None:
        """Kill the process, and wait for its end."""
        self.stay()
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
