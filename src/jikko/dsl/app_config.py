"""Compiler of apps without a workflow: their ``model_config`` becomes a small graph.

A chat app is start → (knowledge retrieval →) model → answer, a completion the same with an end; an agent is start →
agent → answer. They run like every workflow, and only their wire format differs. Source: docs/dify-behaviour.md, “Apps
without a workflow”; docs/decisions/0188-apps-without-a-workflow-compiled-to-a-graph.md.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.document import EdgeEntry, NodeEntry
from jikko.dsl.fields import MISSING, Fields, shown
from jikko.dsl.repair import model_provider, read_features, repair_features
from jikko.dsl.types import APP_STRATEGIES
from jikko.lang.variables import START
from jikko.values import Json

_CONFIG: Final = "model_config"
_FUNCTION_CALLING: Final = "function_call"
_REACT: Final = "react"
_STRATEGIES: Final = {
    "function_call": _FUNCTION_CALLING,
    "cot": _REACT,
    "react": _REACT,
    "router": "",
    "react_router": "",
}
_ROUNDS: Final = 10
_MOST_ROUNDS: Final = 99
_MAX_TOOL_KEYS: Final = 4
"""An entry of ``tools`` with fewer keys is a dataset, or nothing."""
_PLACE: Final = re.compile(r"\{\{([a-zA-Z_][a-zA-Z0-9_]{0,29})\}\}")
_DEFAULTS: Final[Mapping[str, Any]] = {
    "retriever_resource": {"enabled": True},
    "sensitive_word_avoidance": {"enabled": False, "type": "", "config": {}},
    "file_upload": {
        "image": {
            "enabled": False,
            "number_limits": 3,
            "detail": "high",
            "transfer_methods": ["remote_url", "local_file"],
        }
    },
}


class AppGraph:
    def __init__(self, config: Fields, mode: str) -> None:
        """``config``: ``model_config``. ``mode``: ``completion``, ``chat`` or ``agent-chat``."""
        self._config = config
        self._mode = mode
        self._upload = self._upload_settings()
        self.nodes: list[NodeEntry] = []
        self.edges: list[EdgeEntry] = []
        self._read()

    @property
    def features(self) -> Mapping[str, Any]:
        """Return the ``features`` of a workflow, including form, external data and model."""
        config = self._config
        features = dict(read_features(config))
        features["file_upload"] = self._upload
        for name, value in _DEFAULTS.items():
            if not features.get(name):
                features[name] = value
        features["shown_file_upload"] = config.get("file_upload") or _DEFAULTS["file_upload"]
        features["external_data_tools"] = list(self._external_data())
        return features

    def _upload_settings(self) -> Mapping[str, Any]:
        """Return ``file_upload``; old files without its switch use that of images."""
        upload = self._config.get("file_upload")
        if not isinstance(upload, Mapping) or upload.get("enabled") is not None:
            return upload if isinstance(upload, Mapping) else {}
        repaired = repair_features({"file_upload": upload})["file_upload"]
        return {**repaired, "image": upload.get("image")}

    def _read(self) -> None:
        self._add("start", START, "Start", {"variables": list(self._variables())})
        if self._config.get("model") is None:
            self._config.problem("model", Phrase("document.no_model"), Phrase("remedy.choose_model_fails"), fatal=False)
        if self._mode == "agent-chat":
            self._agent()
        else:
            self._model()
        for source, target in zip(self.nodes, self.nodes[1:], strict=False):
            self.edges.append(EdgeEntry(source.id, target.id, "source", _CONFIG))

    def _add(self, kind: str, node_id: str, title: str, data: Mapping[str, Any]) -> None:
        self.nodes.append(NodeEntry(node_id, kind, {"type": kind, "title": title, **data}, _CONFIG))

    def _variables(self) -> Iterator[dict[str, Any]]:
        """Yield the form as variables of a start node. Defaults are for display: they are not applied."""
        for entry in self._config.mappings("user_input_form"):
            for kind, field in entry.raw.items():
                if isinstance(field, Mapping):
                    yield {**field, "type": str(kind), "default": None}
                else:
                    entry.problem(str(kind), Phrase("document.not_mapping", {"value": shown(field)}))

    def _external_data(self) -> Iterator[Mapping[str, Any]]:
        """Yield the external data tools, one per variable."""
        seen: set[str] = set()
        form = [entry.raw.get("external_data_tool") for entry in self._config.mappings("user_input_form")]
        listed = [each.raw for each in self._config.mappings("external_data_tools") if each.raw.get("enabled")]
        for entry in [*listed, *form]:
            if not isinstance(entry, Mapping) or not entry.get("config"):
                continue
            if (name := str(entry.get("variable") or "")) and name not in seen:
                seen.add(name)
                yield entry

    def _model(self) -> None:
        config = self._config
        datasets = self._datasets()
        query_input = config.text("dataset_query_variable") if self._mode == "completion" and datasets else ""
        query = [START, query_input] if query_input else ["sys", "query"]
        if datasets:
            self._retrieval(datasets, query)
        self._add(
            "llm",
            "model",
            "Model",
            {
                "model": self._chosen_model(),
                "context": {"enabled": bool(datasets), "variable_selector": ["retrieval", "result"]},
                "vision": self._vision(),
                "memory": {} if self._mode == "chat" else None,
                "app_prompt": {
                    "advanced": config.get("prompt_type") == "advanced",
                    "conversation": self._mode == "chat",
                    "query_selector": query,
                    "context": bool(datasets),
                    "pre_prompt": config.text("pre_prompt"),
                    "messages": config.mapping("chat_prompt_config").items("prompt"),
                    **config.mapping("completion_prompt_config").raw,
                },
            },
        )
        if self._mode == "completion":
            output = {"variable": "answer", "value_selector": ["model", "text"], "value_type": "string"}
            self._add("end", "end", "End", {"outputs": [output]})
        else:
            self._add("answer", "answer", "Answer", {"answer": "{{#model.text#}}"})

    def _chosen_model(self) -> dict[str, Any]:
        model = self._config.mapping("model").raw
        parameters = dict(self._config.mapping("model").mapping("completion_params").raw)
        if self._config.get("prompt_type") != "advanced" and self._mode != "agent-chat":
            parameters.pop("stop", None)
            if model.get("mode") == "completion" and self._mode == "chat":
                parameters["stop"] = ["\nHuman:", "</histories>"]
        return {**model, "model": model.get("name"), "completion_params": parameters}

    def _vision(self) -> dict[str, Any]:
        upload = self._upload
        image = upload.get("image")
        detail = image.get("detail") if isinstance(image, Mapping) else None
        return {
            "enabled": bool(upload.get("enabled")),
            "configs": {"variable_selector": ["sys", "files"], "detail": detail if detail == "low" else "high"},
        }

    def _datasets(self) -> list[str]:
        configs = self._config.mapping("dataset_configs")
        listed = [entry.get("dataset") for entry in configs.mapping("datasets").mappings("datasets")]
        if self._config.mapping("agent_mode").raw.get("enabled"):
            listed += [entry.get("dataset") for entry in self._tools() if len(entry.raw) == 1]
        found = [
            str(dataset["id"])
            for dataset in listed
            if isinstance(dataset, Mapping) and dataset.get("id") and dataset.get("enabled")
        ]
        return list(dict.fromkeys(found))

    def _tools(self) -> list[Fields]:
        return list(self._config.mapping("agent_mode").mappings("tools"))

    def _retrieval(self, datasets: list[str], query: list[str]) -> None:
        configs = self._config.mapping("dataset_configs")
        # Without the key, Dify assumes that a model chooses, and forgets the datasets.
        single = configs.get("retrieval_model") == "single"
        model: Any = configs.get("reranking_model")
        named = model if isinstance(model, Mapping) else {}
        provider = str(named.get("reranking_provider_name") or named.get("provider") or "")
        ranking = {
            "top_k": configs.get("top_k", 4) or 4,
            "score_threshold": configs.get("score_threshold") if configs.get("score_threshold_enabled") else None,
            # Files have another key, ``reranking_enable``, which has no effect. [QUIRK]
            "reranking_enable": bool(configs.get("reranking_enabled", True)),
            "reranking_mode": configs.get("reranking_mode") if configs.get("weights") else "reranking_model",
            "reranking_model": {
                "provider": model_provider(provider),
                "model": str(named.get("reranking_model_name") or named.get("model") or ""),
            },
            "weights": configs.get("weights"),
        }
        self._add(
            "knowledge-retrieval",
            "retrieval",
            "Knowledge",
            {
                "query_variable_selector": query,
                "of_app": True,
                "dataset_ids": datasets,
                "retrieval_mode": "single" if single else "multiple",
                "single_retrieval_config": {"model": self._chosen_model()},
                "multiple_retrieval_config": ranking,
                "metadata_filtering_mode": configs.get("metadata_filtering_mode"),
                "metadata_filtering_conditions": _with_references(configs.get("metadata_filtering_conditions")),
                "metadata_model_config": configs.get("metadata_model_config"),
            },
        )

    def _agent(self) -> None:
        config = self._config
        mode = config.mapping("agent_mode")
        prompt = mode.mapping("prompt").raw
        tools: list[Json] = [dict(entry.raw) for entry in self._tools() if len(entry.raw) >= _MAX_TOOL_KEYS]
        tools += [
            {"enabled": True, "provider_type": "dataset", "provider_id": each, "tool_name": dataset_tool(each)}
            for each in self._datasets()
        ]
        rounds = mode.integer("max_iteration", _ROUNDS) if mode.get("max_iteration") is not None else _ROUNDS
        parameters = {
            "model": _literal(self._chosen_model()),
            "tools": _literal(tools),
            "instruction": {"type": "placeholders", "value": config.text("pre_prompt")},
            "query": {"type": "variable", "value": ["sys", "query"]},
            "files": {"type": "variable", "value": ["sys", "files"]},
            "maximum_iterations": _literal(max(1, min(rounds, _MOST_ROUNDS))),
            "prompt": _literal(prompt.get("first_prompt") or None),
        }
        self._add(
            "agent",
            "agent",
            "Agent",
            {
                "agent_strategy_provider_name": APP_STRATEGIES,
                "agent_strategy_name": self._strategy(mode),
                "agent_parameters": parameters,
                "memory": {},
                "vision": self._vision(),
            },
        )
        self._add("answer", "answer", "Answer", {"answer": "{{#agent.text#}}"})

    def _strategy(self, mode: Fields) -> str:
        if not mode.raw or mode.raw.get("enabled") is None:
            return _FUNCTION_CALLING
        name = mode.get("strategy", "")
        known = _STRATEGIES.get(name) if isinstance(name, str) and name else None
        if name == "" or known == "":
            mode.problem("strategy", MISSING, Phrase("remedy.agent_strategy"), fatal=False)
            return "none"
        provider = str(self._config.mapping("model").get("provider") or "")
        return known or (_FUNCTION_CALLING if provider == "openai" else _REACT)


def dataset_tool(dataset_id: str) -> str:
    """Return a dataset's function name for an agent's model."""
    return f"dataset_{dataset_id.replace('-', '_')}"


def _literal(value: Json) -> dict[str, Json]:
    return {"type": "literal", "value": value}


def _with_references(value: Json) -> Json:
    """Return metadata conditions with references to inputs in the form of nodes."""
    match value:
        case str():
            return _PLACE.sub(rf"{{{{#{START}.\1#}}}}", value)
        case Mapping():
            return {key: _with_references(each) for key, each in value.items()}
        case list():
            return [_with_references(each) for each in value]
        case _:
            return value
