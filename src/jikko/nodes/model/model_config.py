"""The model that a node of the DSL calls, and with what parameters."""

import json
from collections.abc import Mapping
from typing import Final, Self

from msgspec import Struct
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.dsl.shared_models import is_model
from jikko.lang.templates import Template
from jikko.lang.variables import Readable
from jikko.nodes.contract import NodeFailure
from jikko.ports.models import Mode
from jikko.values import Json, Unset

_MAX_PARAMETER: Final = 1024
"""Characters that the text of an expanded parameter keeps. Source: docs/dify-behaviour.md, “LLM”."""


class ModelConfig(Struct, frozen=True):
    """Provider, name, mode and completion parameters."""

    provider: str
    """As the file has it, a bare name (``openai``) too: so it is recorded. The providers know it by both."""
    name: str
    mode: str
    parameters: Mapping[str, Json | Template]
    """Texts with references are templates."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        fields = data.mapping("model")
        provider, name = fields.text("provider"), fields.text("name")
        if not provider or not name:
            fields.problem("", Phrase("document.no_model"), Phrase("remedy.choose_model_fails"), fatal=False)
        parameters: dict[str, Json | Template] = {}
        for key, value in fields.mapping("completion_params").raw.items():
            template = Template.parse(value) if isinstance(value, str) else None
            parameters[str(key)] = template if template is not None and template.selectors else value
        return cls(provider, name, fields.text("mode", "chat"), parameters)

    def taken_from(self, value: Json | Unset) -> Self:
        """An ``llm`` variable's model, with own parameters if it has none. Raises ``NodeFailure``: it has no model."""
        if not isinstance(value, Mapping) or not is_model(value):
            raise NodeFailure("The environment variable of this node's model has no model.", kind="ModelNotExistError")
        if value["mode"] != self.mode:
            raise NodeFailure(
                f"The model of the environment variable is of mode {value['mode']}, and this node of mode {self.mode}.",
                kind="LLMModeRequiredError",
            )
        model = self.from_dsl(Fields("", {"model": value}, []))
        return model if "completion_params" in value else replace(model, parameters=self.parameters)

    def checked_mode(self) -> Mode:
        """The mode, if the model can be called. Raises ``NodeFailure``: no model is chosen, or its mode is none."""
        if not self.provider or not self.name:
            raise NodeFailure("No model is chosen in this node.", kind="ModelNotExistError")
        match self.mode:
            case "chat" | "completion":
                return self.mode
            case _:
                raise NodeFailure(
                    f"The model's mode is {self.mode!r}; expected chat or completion.", kind="LLMModeRequiredError"
                )

    def resolved(self, variables: Readable) -> dict[str, Json]:
        """The parameters, with references replaced; a text that gives a number or a boolean becomes one."""
        return {
            name: _converted(value.to_text(variables)[:_MAX_PARAMETER]) if isinstance(value, Template) else value
            for name, value in self.parameters.items()
        }


def _converted(text: str) -> Json:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, (bool, int, float)) else text
