"""Our own plugin, written with the SDK: one scripted tool, and a strategy."""

from typing import Any

import yaml

MAIN = """
from dify_plugin import DifyPluginEnv, Plugin

plugin = Plugin(DifyPluginEnv())

if __name__ == "__main__":
    plugin.run()
"""
PROVIDER = """
from dify_plugin import ToolProvider
from dify_plugin.errors.tool import ToolProviderCredentialValidationError


class Provider(ToolProvider):
    def _validate_credentials(self, credentials):
        if credentials.get("key") != "right":
            raise ToolProviderCredentialValidationError("the key is wrong")
"""
ACT = """
import time
import requests
from dify_plugin import Tool
from dify_plugin.entities.model.llm import LLMModelConfig
from dify_plugin.entities.model.message import SystemPromptMessage, UserPromptMessage


class Act(Tool):
    def _invoke(self, tool_parameters):
        words = tool_parameters.get("words", "")
        match tool_parameters["what"]:
            case "say":
                yield self.create_text_message(words)
                yield self.create_json_message({"words": words})
                yield self.create_variable_message("own", [words])
                yield self.create_link_message("https://example.test/")
                meta = {"mime_type": "text/plain", "filename": "w.txt"}
                yield self.create_blob_message(words.encode() * 5000, meta=meta)
            case "key":
                yield self.create_text_message(self.runtime.credentials.get("key", ""))
            case "model":
                config = LLMModelConfig(provider="openai", model="m", mode="chat", completion_params={"temperature": 0})
                messages = [SystemPromptMessage(content="Be brief."), UserPromptMessage(content=words)]
                for chunk in self.session.model.llm.invoke(model_config=config, prompt_messages=messages, stream=True):
                    yield self.create_text_message(str(chunk.delta.message.content))
            case "summary":
                yield self.create_text_message(self.session.model.summary.invoke(text=words, instruction="x"))
            case "keep":
                self.session.storage.set("k", words.encode())
                yield self.create_text_message(self.session.storage.get("k").decode())
            case "tool":
                given = {"what": "say", "words": words}
                for message in self.session.tool.invoke_builtin_tool("tester/sdk/sdk", "act", given):
                    yield self.create_text_message(f"{message.type.value};")
            case "upload":
                file = self.session.file.upload("w.txt", words.encode(), "text/plain")
                yield self.create_text_message(f"{file.name} {file.size}")
            case "file":
                yield self.create_text_message(tool_parameters["file"].blob.decode())
            case "fetch":
                yield self.create_text_message(requests.get(words, timeout=20).text)
            case "wait":
                time.sleep(float(words))
                yield self.create_text_message("waited")
            case "fail":
                raise ValueError(words)
"""
ASK = """
from collections.abc import Generator
from dify_plugin.entities.model.message import UserPromptMessage
from dify_plugin.interfaces.agent import AgentModelConfig, AgentStrategy, ToolEntity
from dify_plugin.entities.model.llm import LLMModelConfig
from pydantic import BaseModel


class Parameters(BaseModel):
    query: str
    model: AgentModelConfig
    tools: list[ToolEntity] | None


class Ask(AgentStrategy):
    def _invoke(self, parameters):
        given = Parameters(**parameters)
        log = self.create_log_message(label="ASK", data={}, status="start")
        yield log
        answer = ""
        messages = [*given.model.history_prompt_messages, UserPromptMessage(content=given.query)]
        for chunk in self.session.model.llm.invoke(
            model_config=LLMModelConfig(**given.model.model_dump(mode="json")),
            prompt_messages=messages,
            tools=self._init_prompt_tools(given.tools),
            stream=True,
        ):
            answer += str(chunk.delta.message.content)
            for call in chunk.delta.message.tool_calls:
                for tool in given.tools:
                    if tool.identity.name == call.function.name:
                        day = {"year": 2024, "month": 2, "day": 29}
                        for said in self.session.tool.invoke(
                            tool.provider_type, tool.identity.provider, tool.identity.name, day
                        ):
                            answer += said.message.text
        yield self.create_text_message(answer)
        yield self.finish_log_message(log=log, data={"output": answer})
        yield self.create_json_message({"execution_metadata": {"total_tokens": 7, "total_price": 0.5}})
"""


def label(text: str) -> dict[str, str]:
    return {"en_US": text, "zh_Hans": text}


def parameter(name: str, type_: str, **fields: Any) -> dict[str, Any]:
    described = {"label": label(name), "human_description": label(name), "llm_description": name}
    return {"name": name, "type": type_, "form": "llm", **described, **fields}


def files(requirement: str = "dify_plugin>=0.7.4,<0.8") -> dict[str, bytes]:
    """Return the files of its package."""
    source = {"extra": {"python": {"source": "provider/sdk.py"}}}
    identity = {
        "author": "tester",
        "name": "sdk",
        "label": label("SDK"),
        "description": label("SDK"),
        "icon": "icon.svg",
    }
    taken = [parameter("what", "string", required=True), parameter("words", "string"), parameter("file", "file")]
    declared: dict[str, Any] = {
        "manifest.yaml": {
            "version": "0.0.1",
            "type": "plugin",
            "author": "tester",
            "name": "sdk",
            "label": label("SDK"),
            "description": label("SDK"),
            "icon": "icon.svg",
            "created_at": "2026-01-01T00:00:00Z",
            "resource": {
                "memory": 1,
                "permission": {
                    "tool": {"enabled": True},
                    "model": {"enabled": True, "llm": True},
                    "storage": {"enabled": True, "size": 1048576},
                },
            },
            "plugins": {"tools": ["provider/sdk.yaml"]},
            "meta": {
                "version": "0.0.1",
                "arch": ["amd64", "arm64"],
                "runner": {"language": "python", "version": "3.11", "entrypoint": "main"},
            },
        },
        "provider/sdk.yaml": {
            "identity": identity,
            "credentials_for_provider": {"key": {"type": "secret-input", "required": True, "label": label("Key")}},
            "tools": ["tools/act.yaml"],
            **source,
        },
        "tools/act.yaml": {
            "identity": {"name": "act", "author": "tester", "label": label("Act")},
            "description": {"human": label("Acts"), "llm": "Acts."},
            "parameters": taken,
            "extra": {"python": {"source": "tools/act.py"}},
        },
    }
    written = {name: yaml.safe_dump(value, sort_keys=False).encode() for name, value in declared.items()}
    code = {"main.py": MAIN, "provider/sdk.py": PROVIDER, "tools/act.py": ACT, "requirements.txt": requirement}
    return {**written, **{name: text.encode() for name, text in code.items()}, "_assets/icon.svg": b"<svg/>"}


def strategy_files(requirement: str = "dify_plugin>=0.7.4,<0.8") -> dict[str, bytes]:
    """Return the files of a package with a strategy: the SDK requires it apart from tools."""
    base = files(requirement)
    manifest = yaml.safe_load(base["manifest.yaml"])
    manifest |= {"name": "asker", "plugins": {"agent_strategies": ["provider/asker.yaml"]}}
    described = {"author": "tester", "label": label("Ask"), "description": label("Ask"), "icon": "icon.svg"}
    provider = {
        "identity": {"name": "asker", **described},
        "strategies": ["strategies/ask.yaml"],
        "extra": {"python": {"source": "provider/asker.py"}},
    }
    strategy = {
        "identity": {"name": "ask", "author": "tester", "label": label("Ask")},
        "description": label("Asks."),
        "parameters": [
            {"name": "model", "type": "model-selector", "required": True, "label": label("Model")},
            {"name": "tools", "type": "array[tools]", "required": False, "label": label("Tools")},
            {"name": "query", "type": "string", "required": True, "label": label("Query")},
        ],
        "extra": {"python": {"source": "strategies/ask.py"}},
    }
    declared = {"manifest.yaml": manifest, "provider/asker.yaml": provider, "strategies/ask.yaml": strategy}
    written = {name: yaml.safe_dump(value, sort_keys=False).encode() for name, value in declared.items()}
    provider_code = (
        b"from dify_plugin.interfaces.agent import AgentProvider\n\n\nclass Provider(AgentProvider):\n    pass\n"
    )
    kept = {name: base[name] for name in ("main.py", "requirements.txt", "_assets/icon.svg")}
    return {**kept, **written, "provider/asker.py": provider_code, "strategies/ask.py": ASK.encode()}


MODEL_PROVIDER = """
from dify_plugin import ModelProvider
from dify_plugin.errors.model import CredentialsValidateFailedError


class Provider(ModelProvider):
    def validate_provider_credentials(self, credentials):
        if credentials.get("key") != "right":
            raise CredentialsValidateFailedError("the key is wrong")
"""
LLM = """
import json
from dify_plugin import LargeLanguageModel
from dify_plugin.entities.model.llm import LLMResult, LLMResultChunk, LLMResultChunkDelta
from dify_plugin.entities.model.message import AssistantPromptMessage
from dify_plugin.errors.model import InvokeServerUnavailableError


class Model(LargeLanguageModel):
    def _invoke(self, model, credentials, prompt_messages, model_parameters, tools, stop, stream, user):
        if credentials["key"] != "right":
            raise PermissionError("the key is " + credentials["key"])
        last = prompt_messages[-1]
        if tools and last.role.value != "tool":
            function = AssistantPromptMessage.ToolCall.ToolCallFunction
            call = AssistantPromptMessage.ToolCall(
                id="c1", type="function", function=function(name=tools[0].name, arguments=json.dumps({"year": 2024}))
            )
            answer = AssistantPromptMessage(content="", tool_calls=[call])
            words = [answer]
        else:
            said = f"{last.get_text_content()} {model_parameters.get('temperature')} {stop}"
            words = [AssistantPromptMessage(content=word) for word in (said, " 完")]
        usage = self._calc_response_usage(model, credentials, 100, 50)
        if not stream:
            message = AssistantPromptMessage(
                content="".join(word.content for word in words), tool_calls=words[0].tool_calls
            )
            return LLMResult(model=model, prompt_messages=prompt_messages, message=message, usage=usage)
        return self._streamed(model, words, usage)

    def _streamed(self, model, words, usage):
        for index, word in enumerate(words):
            yield LLMResultChunk(model=model, delta=LLMResultChunkDelta(index=index, message=word))
        end = LLMResultChunkDelta(
            index=len(words), message=AssistantPromptMessage(content=""), usage=usage, finish_reason="stop"
        )
        yield LLMResultChunk(model=model, delta=end)

    def get_num_tokens(self, model, credentials, prompt_messages, tools=None):
        return 1

    def validate_credentials(self, model, credentials):
        pass

    @property
    def _invoke_error_mapping(self):
        return {InvokeServerUnavailableError: [PermissionError]}
"""
OTHERS = {
    "text_embedding": """
from dify_plugin import TextEmbeddingModel
from dify_plugin.entities.model.text_embedding import EmbeddingUsage, TextEmbeddingResult


class Model(TextEmbeddingModel):
    def _invoke(self, model, credentials, texts, user=None, input_type=None):
        usage = EmbeddingUsage(
            tokens=7, total_tokens=7, unit_price=0, price_unit=0, total_price=0, currency="USD", latency=0
        )
        return TextEmbeddingResult(model=model, embeddings=[[float(len(text)), 0.0] for text in texts], usage=usage)

    def get_num_tokens(self, model, credentials, texts):
        return [1 for _ in texts]
""",
    "rerank": """
from dify_plugin import RerankModel
from dify_plugin.entities.model.rerank import RerankDocument, RerankResult


class Model(RerankModel):
    def _invoke(self, model, credentials, query, docs, score_threshold=None, top_n=None, user=None):
        found = [RerankDocument(index=at, text=text, score=float(len(text))) for at, text in enumerate(docs)]
        return RerankResult(model=model, docs=found)
""",
    "tts": """
from dify_plugin import TTSModel


class Model(TTSModel):
    def _invoke(self, model, tenant_id, credentials, content_text, voice, user=None):
        yield content_text.encode()
        yield voice.encode()
""",
    "speech2text": """
from dify_plugin.interfaces.model.speech2text_model import Speech2TextModel


class Model(Speech2TextModel):
    def _invoke(self, model, credentials, file, user=None):
        return file.read().decode()
""",
}
_COMMON = """
    def validate_credentials(self, model, credentials):
        pass

    @property
    def _invoke_error_mapping(self):
        return {}
"""


def model_files(requirement: str = "dify_plugin>=0.7.4,<0.8") -> dict[str, bytes]:
    """Return the files of a package with models of all supported kinds."""
    base = files(requirement)
    manifest = yaml.safe_load(base["manifest.yaml"])
    manifest |= {"name": "thinker", "plugins": {"models": ["provider/thinker.yaml"]}}
    code = {"llm": LLM, **{kind: text.rstrip() + "\n" + _COMMON for kind, text in OTHERS.items()}}
    types = {"text_embedding": "text-embedding"}
    key = {"variable": "key", "type": "secret-input", "required": True, "label": label("Key")}
    provider = {
        "provider": "thinker",
        "label": label("Thinker"),
        "supported_model_types": [types.get(kind, kind) for kind in code],
        "configurate_methods": ["predefined-model"],
        "provider_credential_schema": {"credential_form_schemas": [key]},
        "models": {kind: {"predefined": [f"models/{kind}/*.yaml"]} for kind in code},
        "extra": {
            "python": {
                "provider_source": "provider/thinker.py",
                "model_sources": [f"models/{kind}/{kind}.py" for kind in code],
            }
        },
    }
    properties: dict[str, dict[str, Any]] = {
        "llm": {"mode": "chat", "context_size": 4096},
        "text_embedding": {"context_size": 512, "max_chunks": 1},
        "rerank": {"context_size": 512},
        "tts": {
            "default_voice": "桜",
            "voices": [{"mode": "桜", "name": "桜", "language": ["ja-JP"]}],
            "word_limit": 100,
            "audio_type": "mp3",
            "max_workers": 1,
        },
        "speech2text": {"file_upload_limit": 1, "supported_file_extensions": "mp3"},
    }
    listed = {
        f"models/{kind}/own.yaml": {
            "model": "own",
            "label": label("Own"),
            "model_type": types.get(kind, kind),
            "features": ["tool-call", "multi-tool-call"] if kind == "llm" else [],
            "model_properties": properties[kind],
            "parameter_rules": [{"name": "temperature", "use_template": "temperature"}] if kind == "llm" else [],
            "pricing": {"input": "1", "output": "2", "unit": "0.000001", "currency": "USD"},
        }
        for kind in code
    }
    declared = {"manifest.yaml": manifest, "provider/thinker.yaml": provider, **listed}
    written = {
        name: yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode() for name, value in declared.items()
    }
    kept = {name: base[name] for name in ("main.py", "requirements.txt", "_assets/icon.svg")}
    sources = {f"models/{kind}/{kind}.py": text.encode() for kind, text in code.items()}
    return {**kept, **written, **sources, "provider/thinker.py": MODEL_PROVIDER.encode()}
