"""A plugin of our own, written with the SDK: one tool that does what it is told, and a strategy."""

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
    """The files of its package."""
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
    """The files of a package with a strategy: the SDK wants it apart from tools."""
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
