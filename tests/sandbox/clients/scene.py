"""Program that makes requests, and their server."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.sandbox import Sandbox
from jikko.values import Json

Answers = Callable[[OutgoingRequest], HttpResponse | HttpFailure]


def json_answer(text: str, status: int = 200, **headers: str) -> HttpResponse:
    pairs = (
        ("Content-Type", "application/json"),
        *((name.replace("_", "-"), value) for name, value in headers.items()),
    )
    return HttpResponse(status, pairs, text.encode())


@dataclass
class Outside:
    """Scripted server that records requests."""

    answers: Answers = lambda request: json_answer("{}")
    requests: list[OutgoingRequest] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.requests.append(request)
        if self.before is not None:
            await self.before()
        answer = self.answers(request)
        if isinstance(answer, HttpFailure):
            raise answer
        return answer

    def headers(self, number: int = -1) -> dict[str, str]:
        """Return the headers of a request, by lower-case name."""
        return {name.lower(): value for name, value in self.requests[number].headers}


async def result_of(sandbox: Sandbox, outside: Outside, code: str, arguments: Mapping[str, Json] | None = None) -> Json:
    """Return the value of ``r`` after a program's lines."""
    body = "\n".join(f"    {line}" for line in code.strip().splitlines())
    names = ", ".join(arguments or {})
    program = f"def main({names}):\n{body}\n    return {{'r': r}}"
    result = await sandbox.run_code("python3", program, arguments or {}, send=outside.send)
    return result["r"]
