"""Scripted model, and a context for nodes that call it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jikko.ports.models import (
    Abilities,
    Chunk,
    Completion,
    FunctionCall,
    ModelFailure,
    ModelRequest,
    ModelUsage,
)
from jikko.values import Json
from tests.nodes.context import FakeContext, FilesOfOneUser


@dataclass
class ScriptedModels:
    """``Models`` with given answers in pieces; the last one repeats."""

    answers: list[Completion | ModelFailure | list[Chunk | str]]
    able: Abilities = field(default_factory=Abilities)
    requests: list[ModelRequest] = field(default_factory=list)
    missing: ModelFailure | None = None
    context: int | None = None

    def abilities(self, provider: str, model: str) -> Abilities:
        if self.missing is not None:
            raise self.missing
        return self.able

    async def context_size(self, provider: str, model: str) -> int | None:
        return self.context

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, ModelFailure):
            raise answer
        if isinstance(answer, Completion):
            if emit is not None and answer.text:
                emit(Chunk(answer.text, answer.reasoning))
            return answer
        chunks = [Chunk(piece, "") if isinstance(piece, str) else piece for piece in answer]
        for chunk in chunks:
            if emit is not None:
                emit(chunk)
        return Completion(
            text="".join(chunk.text for chunk in chunks),
            reasoning="".join(chunk.reasoning for chunk in chunks),
            finish_reason="stop",
            usage=ModelUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
        )

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class Rendering:
    """Part of a ``Sandbox`` used by prompts: records what it renders."""

    async def render(self, template: str, variables: Mapping[str, Json], *, app_id: str = "") -> str:
        return f"rendered {template} with {dict(variables)} for {app_id}"


class ModelContext(FakeContext):
    """Context with a model."""

    def __init__(
        self,
        models: ScriptedModels,
        values: Mapping[str, Mapping[str, Json]] | None = None,
        *,
        files: FilesOfOneUser | None = None,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(values, files=files, secrets=secrets)
        replaced: Any = {"models": models, "sandbox": Rendering()}
        self.ports = msgspec.structs.replace(self.ports, **replaced)
        self.thought: list[tuple[str, bool]] = []

    @property
    def shown(self) -> str:
        """Return the streamed text."""
        return "".join(text for name, text in self.text_chunks if name == "text")

    def think(self, text: str, *, final: bool = False) -> None:
        self.thought.append((text, final))


def calls(*arguments: str, text: str = "") -> Completion:
    """Return an answer that calls a function with each of these arguments."""
    return Completion(
        text=text,
        tool_calls=tuple(FunctionCall(f"call-{n}", "extract_parameters", each) for n, each in enumerate(arguments)),
        finish_reason="tool_calls",
        usage=ModelUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
    )


MODEL: dict[str, Json] = {
    "provider": "langgenius/openai/openai",
    "name": "gpt-4o",
    "mode": "chat",
    "completion_params": {"temperature": 0.7},
}
