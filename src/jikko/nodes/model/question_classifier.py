"""The Question Classifier node: a model chooses the branch."""

from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import replace

from jikko.dsl.fields import Fields
from jikko.lang.render import to_text
from jikko.lang.templates import Template
from jikko.lang.tokens import estimated
from jikko.nodes.context import Context, Variables
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.model.classifier_prompt import classifier_messages, classifier_schema
from jikko.nodes.model.json_in_text import fenced_object
from jikko.nodes.model.memory import Memory
from jikko.nodes.model.model_call import abilities, call, recorded_prompts, recorded_source, without_unsupported
from jikko.nodes.model.model_config import ModelConfig
from jikko.nodes.model.reasoning import without_reasoning
from jikko.nodes.model.vision import Vision, all_media
from jikko.ports.models import Completion, Media, Message, ModelFailure, ModelRequest, ModelUsage
from jikko.values import UNSET, Json, Selector


class Category(Struct, frozen=True):
    """One class."""

    id: str
    """Also the handle of its edges."""
    name: Template
    label: str


class QuestionClassifier(Struct, frozen=True):
    """Ask a model which class a text belongs to; the first one, if it names none that there is.

    Outputs:
        ``class_name``, ``class_label``, ``class_id``, ``usage``.

    Source: Dify 1.15, spec/nodes.md, question-classifier.
    """

    type: ClassVar[str] = "question-classifier"
    immediate: ClassVar[bool] = False
    branching: ClassVar[bool] = True
    has_effects: ClassVar[bool] = True

    query: Selector
    model: ModelConfig
    categories: tuple[Category, ...]
    instruction: Template
    vision: Vision
    memory: Memory

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        categories = tuple(
            Category(entry.text("id", required=True), Template.parse(entry.text("name")), entry.text("label"))
            for entry in data.mappings("classes", required=True)
        )
        if not categories and data.get("classes") == []:
            data.problem("classes", "is empty", "expected one class at least")
        return cls(
            query=data.selector("query_variable_selector"),
            model=ModelConfig.from_dsl(data),
            categories=categories,
            instruction=Template.parse(data.text("instruction")),
            vision=Vision.from_dsl(data),
            memory=Memory.from_dsl(data, always_by_size=True),
        )

    async def run(self, ctx: Context) -> Result:
        query = ctx.variables.get(self.query) if self.query else UNSET
        inputs: dict[str, Json] = {
            "query": None if query is UNSET else ctx.recorded.get(self.query),
            "model_provider": self.model.provider,
            "model_name": self.model.name,
        }
        try:
            return await self._run(ctx, inputs)
        except NodeFailure as failure:
            failure.inputs = inputs
            # All failures of this node tell tokens and have no type. Source: Dify 1.15, spec/nodes.md.
            failure.usage = failure.usage or ModelUsage().as_usage()
            failure.kind = failure.kind if failure.kind == "ModelNotExistError" else ""
            raise

    async def _run(self, ctx: Context, inputs: dict[str, Json]) -> Result:
        mode = self.model.checked_mode()
        able = abilities(ctx, self.model)
        media = await all_media(ctx, self.vision.files(ctx.variables), self.vision.detail)
        names = [category.name.to_text(ctx.variables) for category in self.categories]
        ids = [category.id for category in self.categories]
        alone = self._messages(ctx.variables, media, "")
        reserved = sum(estimated(message.text) for message in alone)
        earlier = await self.memory.recall(ctx, self.model, with_files=self.vision.enabled, reserved=reserved)
        history = self.memory.as_text(earlier)
        messages = without_unsupported(self._messages(ctx.variables, media, history), able)
        recorded = messages
        if ctx.recorded is not ctx.variables:
            recorded = without_unsupported(self._messages(ctx.recorded, media, history), able)
        request = ModelRequest(
            provider=self.model.provider,
            model=self.model.name,
            mode=mode,
            messages=messages,
            parameters=self.model.resolved(ctx.variables),
            schema=classifier_schema(ids, names) if able.structured_output and mode == "chat" else None,
            app_id=ctx.run.app_id,
            run_id=ctx.run.run_id,
            key=ctx.idempotency_key,
        )
        completion = await self._call(ctx, request)
        chosen = self._chosen(completion, ids)
        usage = completion.usage.as_json()
        category = self.categories[chosen]
        return Result(
            inputs=inputs,
            outputs={
                "class_name": names[chosen],
                "class_label": category.label or f"CLASS {chosen + 1}",
                "class_id": category.id,
                "usage": usage,
            },
            process_data={
                "model_mode": mode,
                "prompts": recorded_prompts(recorded, mode),
                "usage": usage,
                "finish_reason": completion.finish_reason,
                "model_provider": self.model.provider,
                "model_name": self.model.name,
                **recorded_source(completion),
            },
            handle=category.id,
            usage=completion.usage.as_usage(),
        )

    def _messages(self, variables: Variables, media: list[Media], history: str) -> tuple[Message, ...]:
        query = variables.get(self.query) if self.query else UNSET
        return classifier_messages(
            "" if query is UNSET else to_text(query),
            [(category.id, category.name.to_text(variables)) for category in self.categories],
            self.instruction.to_text(variables),
            media,
            history,
        )

    async def _call(self, ctx: Context, request: ModelRequest) -> Completion:
        try:
            return await call(ctx, request)
        except ModelFailure:
            return await call(ctx, replace(request, schema=None))

    def _chosen(self, completion: Completion, ids: list[str]) -> int:
        """The number of the class that an answer names; that of the first one, if it names none.

        Raises:
            NodeFailure: The answer is no JSON.
        """
        answer = fenced_object(without_reasoning(completion.text))
        if answer is None:
            raise NodeFailure(
                f"The model's answer holds no JSON object: {completion.text[:200]!r}",
                usage=completion.usage.as_usage(),
            )
        chosen = answer.get("category_id")
        if isinstance(chosen, int) and not isinstance(chosen, bool):
            chosen = str(chosen)
        return ids.index(chosen) if chosen in ids and "category_name" in answer else 0
