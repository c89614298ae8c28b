"""Published chat files: a conversation of two turns, with a fake model and a real one.

The real one is 475 KB of random weights, run by llama.cpp: its output is meaningless, but the memory of turns does not
depend on it.
"""

import json
import sys
from pathlib import Path

import pytest
import yaml

from tests.acceptance.processes import Command
from tests.acceptance.test_chat_files import piped
from tests.acceptance.workflows import app, node, start
from tests.providers.tiny_model import write_tiny_model

SAMPLES = Path(__file__).parents[1] / "forecast" / "samples"
CHATS = ("artifact", "new-words", "picture-knowledge", "thinking")
"""Those that need nothing but a model; the others lack plugins, packages, inputs or an answer in JSON."""


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A providers file by which every model is the tiny one."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_model(folder / "tiny.gguf")
    file = folder / "providers.yml"
    entry = {"type": "llama_cpp", "path": str(folder / "tiny.gguf"), "context": 8192}
    file.write_text(json.dumps({"providers": {"*": entry}}))
    return file


def brief(name: str, folder: Path) -> Path:
    """A sample whose models say a few words: random ones find no end."""
    sample = yaml.safe_load((SAMPLES / f"{name}.yml").read_text(encoding="utf-8"))
    for each in sample["workflow"]["graph"]["nodes"]:
        if "model" in each["data"]:
            each["data"]["model"]["completion_params"] = {"max_tokens": 8}
    file = folder / f"{name}.yml"
    file.write_text(json.dumps(sample, ensure_ascii=False), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", CHATS)
def test_it_is_talked_with_by_a_fake_model(name: str, tmp_path: Path) -> None:
    outcome = piped(tmp_path, "one\ntwo 🙂\n", [SAMPLES / f"{name}.yml", "-", "--fake-models", "--json"])

    first, second = outcome.lines
    assert (outcome.code, outcome.err) == (0, "")
    assert first["conversation_id"] == second["conversation_id"]
    assert first["answer"]
    assert second["answer"]


@pytest.mark.skipif(sys.platform != "linux", reason="the extra 'local' is for Linux only")
@pytest.mark.parametrize("name", CHATS)
def test_it_is_talked_with_by_a_real_model(name: str, providers: Path, tmp_path: Path) -> None:
    outcome = piped(tmp_path, "one\ntwo\n", [brief(name, tmp_path), "-", "--providers", providers, "--json"])

    first, second = outcome.lines
    assert outcome.code == 0, outcome.err
    assert first["conversation_id"] == second["conversation_id"]
    assert all(turn["metadata"]["usage"]["completion_tokens"] > 0 for turn in (first, second))


@pytest.mark.skipif(sys.platform != "linux", reason="the extra 'local' is for Linux only")
def test_the_second_turn_tells_the_real_model_of_the_first(providers: Path, jikko: Command, tmp_path: Path) -> None:
    model = {"provider": "openai", "name": "m", "mode": "chat", "completion_params": {"max_tokens": 8}}
    memory = {"window": {"enabled": False, "size": 10}, "query_prompt_template": "{{#sys.query#}}"}
    prompt = [{"role": "system", "text": "x"}]
    more = {"context": {"enabled": False}, "vision": {"enabled": False}}
    llm = node("llm", "llm", model=model, prompt_template=prompt, memory=memory, **more)
    file = tmp_path / "talk.yml"
    nodes = [start(), llm, node("reply", "answer", answer="{{#llm.text#}}")]
    file.write_text(app("Talk", nodes, "start>llm>reply", mode="advanced-chat"))

    outcome = piped(jikko.home, "one\none\n", [file, "-", "--providers", providers, "--json"])

    first, second = (turn["metadata"]["usage"]["prompt_tokens"] for turn in outcome.lines)
    assert second > first > 0
