"""Simulated uploads, and a simulated web with files."""

from collections.abc import Callable, Mapping

from jikko.files.memory_blobs import MemoryBlobs
from jikko.files.signing_keys import SigningKeys, UrlSigner
from jikko.files.store import Files
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from tests.store.in_memory import FilesInMemory

SIGNER = UrlSigner(keys=SigningKeys(b"k" * 32), base_url="http://jikko.example")


def empty_store(signer: UrlSigner = SIGNER) -> Files:
    return Files(FilesInMemory(), MemoryBlobs(), signer)


class Part:
    """File in a multipart body."""

    def __init__(
        self, content: bytes = b"hello", filename: str | None = "a.txt", content_type: str | None = "text/plain"
    ) -> None:
        self.filename = filename
        self.content_type = content_type
        self._rest = content
        self.taken = 0

    async def read(self, size: int = -1) -> bytes:
        piece, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        self.taken += len(piece)
        return piece


Answer = HttpResponse | HttpFailure


class Web:
    """``HttpClient`` that answers from a table, by method and URL."""

    def __init__(self, answers: Mapping[tuple[str, str], Answer | Callable[[OutgoingRequest], Answer]]) -> None:
        self._answers = answers
        self.requests: list[OutgoingRequest] = []

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.requests.append(request)
        answer = self._answers.get((request.method, request.url), HttpResponse(404, (), b""))
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, HttpFailure):
            raise answer
        return answer

    async def close(self) -> None:
        pass
