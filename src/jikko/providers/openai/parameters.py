"""The completion parameters of OpenAI's protocol, as workflows write them."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from jikko.ports.models import ModelFailure
from jikko.values import Json

log = logging.getLogger(__name__)

KNOWN: Final = frozenset(
    {
        "audio",
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "suffix",
        "temperature",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""What the protocol itself has. Others are passed on: compatible servers have many of their own."""
_OURS: Final = frozenset({"model", "messages", "prompt", "stream", "stream_options", "tools", "tool_choice"})


class CompletionParameters:
    """Turns completion parameters into fields of the body, and remembers what a model refuses.

    A parameter that the protocol does not have, or that the provider refuses, is logged once for each model.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._logged: set[tuple[str, str]] = set()
        self._refused: dict[str, set[str]] = {}

    def fields(self, model: str, parameters: Mapping[str, Json]) -> dict[str, Any]:
        """The fields of the body, refused ones too.

        Raises:
            ModelFailure: ``json_schema`` is no JSON.
        """
        body: dict[str, Any] = {}
        for name, value in parameters.items():
            if value is None or name in _OURS or name == "json_schema":
                continue
            if name not in KNOWN:
                self._warn(model, name, "is not part of OpenAI's protocol; it is passed on as it is")
            body[name] = value
        if isinstance(body.get("response_format"), str):
            self._response_format(body, parameters.get("json_schema"))
        if body.get("stop") in ("", []):
            del body["stop"]
        return body

    def without_refused(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """The body without what the model refused before."""
        refused = self._refused.get(model)
        if not refused:
            return body
        if "max_tokens" in refused and "max_tokens" in body and "max_completion_tokens" not in refused:
            body["max_completion_tokens"] = body["max_tokens"]
        return {name: value for name, value in body.items() if name not in refused}

    def refuse(self, model: str, name: str, message: str) -> None:
        """Note that a model refuses a parameter: it is left out from now on."""
        self._refused.setdefault(model, set()).add(name)
        self._warn(model, name, f"was refused and is left out: {message}")

    def _response_format(self, body: dict[str, Any], schema: Json) -> None:
        # Workflows say ``json_schema`` as a parameter of its own, with the text of the schema.
        kind = body["response_format"]
        if kind == "json_schema" and schema:
            try:
                body["response_format"] = {
                    "type": "json_schema",
                    "json_schema": json.loads(schema) if isinstance(schema, str) else schema,
                }
            except (ValueError, RecursionError):
                raise ModelFailure(
                    "The completion parameter json_schema is no JSON.", kind="InvokeBadRequestError"
                ) from None
        elif kind.lower() in ("json_object", "json"):
            body["response_format"] = {"type": "json_object"}
        elif kind.lower() in ("text", "", "json_schema"):
            del body["response_format"]
        else:
            body["response_format"] = {"type": kind}

    def _warn(self, model: str, name: str, what: str) -> None:
        if (model, name) not in self._logged:
            self._logged.add((model, name))
            log.warning("%s, model %s: the completion parameter %s %s", self._provider, model, name, what)
