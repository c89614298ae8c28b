"""The providers file."""

from pathlib import Path
from typing import Any

import pytest

from jikko.dsl.repair import model_provider
from jikko.errors import InvalidSettings
from jikko.ports.models import ModelFailure
from jikko.providers.anthropic_messages import AnthropicMessages
from jikko.providers.backends import BACKENDS
from jikko.providers.config import ProviderConfig, Providers, abilities
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers, read_providers

FULL = """
providers:
  "langgenius/openai/openai":
    api_key: "${OPENAI_API_KEY}"
    headers: {X-Team: "${TEAM}"}
    max_concurrent: 8
    requests_per_minute: 100
    timeout: 12.5
    models:
      gpt-4o: my-deployment
      small: {name: tiny, tools: false, vision: false, structured_output: true, price: {prompt: 1, completion: "2.5"}}
  deepseek: {api_key: k}
  "*": {base_url: "http://gateway.test/v1"}
"""


def parse(text: str, **environment: str) -> Providers:
    return parse_providers(text, environment)


@pytest.mark.parametrize("name", ["openai", "langgenius/openai/openai"])
def test_short_and_long_names_are_the_same_provider(name: str) -> None:
    config = parse(FULL, OPENAI_API_KEY="secret", TEAM="blue").find(name)

    assert config is not None
    assert config.id == "langgenius/openai/openai"
    assert config.base_url == "https://api.openai.com/v1"
    assert config.api_key == "secret"
    assert config.headers == {"X-Team": "blue"}
    assert (config.max_concurrent, config.requests_per_minute, config.timeout) == (8, 100, 12.5)


@pytest.mark.parametrize("name", ["google", "gemini", "vllm", "someone/thing/thing", "Not A Name"])
def test_names_in_the_file_are_those_of_workflows(name: str) -> None:
    found = parse(f'providers: {{"{name}": {{base_url: "http://x.test"}}}}').find(model_provider(name))

    assert found is not None
    assert found.id == model_provider(name)


def test_google_is_short_for_gemini_whose_models_keep_to_a_schema() -> None:
    config = parse("providers: {google: {api_key: k}}").find("langgenius/gemini/google")

    assert config is not None
    assert abilities(config, "langgenius/gemini/google", "gemini-3").structured_output


def test_the_fallback_serves_all_others() -> None:
    found = parse(FULL).find("someone/thing/thing")

    assert found is not None
    assert found.id == "*"


def test_models_have_names_and_traits_of_their_own() -> None:
    config = parse(FULL).find("openai")
    assert config is not None

    assert config.model_name("gpt-4o") == "my-deployment"
    small = abilities(config, "openai", "small")
    assert (small.tools, small.structured_output, small.media) == (False, True, frozenset())
    other = abilities(config, "openai", "gpt-4o-mini")
    assert (other.tools, other.structured_output, other.media) == (True, True, frozenset({"image"}))
    old = abilities(config, "openai", "gpt-3.5-turbo")
    assert (old.tools, old.structured_output, old.media) == (True, False, frozenset())


def test_a_variable_that_is_not_set_is_no_error_of_the_file() -> None:
    config = parse(FULL).find("openai")

    assert config is not None
    assert config.unset == ("OPENAI_API_KEY", "TEAM")
    assert parse('providers: {vllm: {base_url: "http://${HOST}/v1"}}').find("vllm") is not None


@pytest.mark.anyio
async def test_a_variable_that_is_not_set_fails_the_call() -> None:
    from tests.providers.calling import request

    models = ProviderModels(parse(FULL), BACKENDS)

    with pytest.raises(ModelFailure, match="OPENAI_API_KEY and TEAM"):
        await models.complete(request())


@pytest.mark.anyio
async def test_a_client_that_cannot_be_made_fails_the_call() -> None:
    from tests.providers.calling import request

    def broken(config: ProviderConfig) -> Any:
        raise ValueError("no such thing")

    models = ProviderModels(parse(FULL), {"openai": lambda config: AnthropicMessages(config, broken)})
    with pytest.raises(ModelFailure, match="cannot be made: no such thing"):
        await models.complete(request(provider="deepseek"))


def test_a_model_without_provider_names_the_line_to_add() -> None:
    models = ProviderModels(Providers(), BACKENDS)

    with pytest.raises(ModelFailure) as caught:
        models.abilities("langgenius/deepseek/deepseek", "deepseek-chat")

    assert caught.value.kind == "ModelNotExistError"
    line = str(caught.value).rpartition("\n")[2]
    assert line.strip() == '"deepseek": {type: openai, api_key: "${DEEPSEEK_API_KEY}"}'
    added = parse(f"providers:\n{line}", DEEPSEEK_API_KEY="k").find("deepseek")
    assert added is not None
    assert added.base_url == "https://api.deepseek.com/v1"


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse("""
            providers:
              openai: {api_kye: x, type: opnai, timeout: -1, max_concurrent: many}
              langgenius/openai/openai: {}
              unknown_one: {}
              azure_openai: {base_url: "https://x.test"}
              ollama: {base_url: "http://me:pass@x.test/v1"}
              local: {type: llama_cpp, context: abc, parallel: -1}
              vllm: {base_url: "http://[::1"}
              localai: {base_url: "http://x.test:port"}
              xinference: {base_url: "http:///v1"}
              openllm: {models: {m: {batch: 2049, price: {promt: 1, completion: -1}}}}
              cerebras: {plugin: cerebras, api_key: k}
              groq: {type: plugin, credentials: none}
              x: 3
            more: 1
            defaults: {llm: {provider: openai}, embeding: {}, rerank: x}
        """)

    text = str(caught.value)
    for expected in (
        "line 3: providers.openai.api_kye: is not known (did you mean 'api_key'?)",
        "type: is 'opnai' (did you mean 'openai'?)",
        "timeout: is -1 (expected seconds)",
        "max_concurrent: is 'many'",
        "is described twice",
        "base_url: is missing",
        "api_version: is missing",
        "holds a user name or password",
        "path: is missing",
        "context: is 'abc', not a whole number",
        "parallel: is -1, less than 0",
        "base_url: is 'http://[::1'",
        "base_url: is 'http://x.test:port'",
        "base_url: is 'http:///v1'",
        "cerebras.plugin: is not the name of a plugin (expected author/name)",
        "cerebras.api_key: is not used: the plugin cerebras receives its credentials instead (write it under",
        "groq.plugin: is not the name of a plugin",
        "groq.credentials: is 'none', not a mapping",
        "x: is 3, not a mapping",
        "more: is not known",
        "batch: is 2049 (expected 2048 texts at most)",
        "price.promt: is not known (did you mean 'prompt'?)",
        "price.completion: is -1",
        "defaults.llm.model: is missing",
        "defaults.embeding: is not known (did you mean 'embedding'?)",
        "defaults.rerank: is 'x', not a mapping",
    ):
        assert expected in text
    assert "pass@" not in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "providers:",
        "providers: [1]",
        "{",
        "\x00",
        "providers: {a: {b: c: d}}",
        "providers: {a: &a {headers: *a}}",
    ],
)
def test_what_is_no_providers_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings):
        parse(text)


def test_a_broken_file_does_not_show_its_lines() -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse("providers: {openai: {api_key: sk-secret: x}}")

    assert "sk-secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read_providers(tmp_path / "none.yml", {})


def test_a_provider_may_be_a_plugin_with_credentials_of_its_own() -> None:
    config = parse('providers: {groq: {plugin: a/b, credentials: {key: "${K}", n: 1}}}', K="s3cret").find("groq")
    assert config is not None
    assert (config.type, config.plugin, config.credentials) == ("plugin", "a/b", {"key": "s3cret", "n": 1})
    assert "s3cret" not in repr(config)
    unset = parse('providers: {groq: {plugin: a/b/c, credentials: {key: "${K}"}}}').find("groq")
    assert unset is not None
    assert unset.unset == ("K",)


def test_keys_are_not_in_representations() -> None:
    assert "secret" not in repr(parse(FULL, OPENAI_API_KEY="secret", TEAM="secret").entries)


def test_the_path_of_a_model_begins_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "設定" / "providers.yml"
    file.parent.mkdir()
    file.write_text('providers: {"*": {type: llama_cpp, path: models/tiny.gguf}, ollama: {base_url: "http://x/v1"}}')
    monkeypatch.chdir(tmp_path)
    for named in (file, file.relative_to(tmp_path)):
        config = read_providers(named, {}).find("anything")
        assert config is not None
        assert config.options["path"] == str(file.parent / "models" / "tiny.gguf")
    absolute = parse('providers: {"*": {type: llama_cpp, path: /models/tiny.gguf}}').find("x")
    assert absolute is not None
    assert absolute.options["path"] == "/models/tiny.gguf"
    assert parse('providers: {"*": {type: llama_cpp, path: ~/tiny.gguf}}').entries["*"].options["path"] == str(
        Path.home() / "tiny.gguf"
    )
