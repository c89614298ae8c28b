"""Forecasts compared with actual runs."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import Assembly
from jikko.inputs.samples import samples_of
from tests.acceptance.workflows import app, end, node, python, start
from tests.forecast.cases import FAILING, MAY_FAIL, RUNNING, llm, one
from tests.forecast.running import foretold, here, installed, ran, ran_in
from tests.providers.fake_model import Answer, FakeModel, streamed

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).with_name("samples")
COUPLET = json.dumps({"banner": "春", "top": "一", "bottom": "二"})
SAYS: Mapping[str, Answer] = {"couplets": streamed(COUPLET)}
"""What the model answers, where not every text will do."""


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("providers") / "providers.yml"
    file.write_text('providers: {openai: {api_key: "${NO_SUCH_KEY}"}, local: {type: llama_cpp, path: none.gguf}}')
    return file


@pytest.fixture(scope="module")
async def assembly(tmp_path_factory: pytest.TempPathFactory, providers: Path) -> AsyncIterator[Assembly]:
    """Installation that runs all files for which no model answers: each new sandbox takes 0.1 s of a processor."""
    async with installed(tmp_path_factory.mktemp("home"), providers) as assembly:
        yield assembly


@pytest.mark.parametrize("name", FAILING)
async def test_a_run_fails_at_the_node_that_was_named_and_for_the_reason_that_was_given(
    name: str, assembly: Assembly, providers: Path
) -> None:
    case = FAILING[name]

    found = foretold(case.text, here(providers))
    run = await ran_in(assembly, case.text, case.inputs or {"q": "a"})

    assert found.verdict == "will_fail"
    assert found.decisive is not None
    assert found.decisive.cause == case.cause
    assert run.status == ("failed" if case.at else "refused"), run
    if case.at:
        assert found.decisive.node == case.at
        assert case.at in run.failed
    decisive_text = f"{found.decisive.text()} {found.decisive.advice()}".lower()
    for part in case.messages:
        assert part.lower() in decisive_text
        assert part.lower() in run.error.lower()


async def test_a_prompt_without_a_word_is_told_and_no_model_is_asked(tmp_path: Path) -> None:
    silent = llm()
    silent["data"]["prompt_template"] = [{"role": "system", "text": ""}, {"role": "user", "text": ""}]
    async with FakeModel(streamed("x")) as fake:
        file = tmp_path / "providers.yml"
        file.write_text(json.dumps({"providers": {"*": {"type": "openai", "base_url": fake.url}}}))

        found = foretold(one(silent), here(file))
        run = await ran(one(silent), {"q": "a"}, tmp_path, file)

    assert (found.verdict, found.decisive and found.decisive.node) == ("will_fail", "llm")
    assert (run.status, run.failed, fake.bodies) == ("failed", ("llm",), [])
    assert found.decisive is not None
    assert found.decisive.text() in run.error


@pytest.mark.parametrize(
    ("mode", "memory", "findings"),
    [
        (
            "advanced-chat",
            {"window": {"enabled": False}},
            [("llm", "Memory in a completion prompt needs role_prefix, with user and assistant")],
        ),
        ("advanced-chat", {"role_prefix": {"user": "客", "assistant": "店"}}, []),
        ("advanced-chat", None, []),
        ("workflow", {"window": {"enabled": False}}, []),
    ],
)
def test_a_memory_that_a_completion_cannot_hold_is_told(mode: str, memory: Any, findings: list[Any]) -> None:
    asked = llm()
    asked["data"] |= {"prompt_template": {"text": "続けて"}, "memory": memory}
    last = end(q="start.q") if mode == "workflow" else node("end", "answer", answer="x")
    text = app("Remembers", [start("q"), asked, last], "start>llm llm>end", mode=mode)

    found = foretold(text, here(None, fake_models=True))

    assert [(finding.node, finding.text()) for finding in found.findings] == findings
    assert found.verdict == ("will_fail" if findings else "runs")


@pytest.mark.parametrize("name", RUNNING)
async def test_what_does_not_end_a_run_is_no_failure(name: str, assembly: Assembly) -> None:
    found = foretold(RUNNING[name])
    run = await ran_in(assembly, RUNNING[name], {"q": "a"})

    assert found.verdict == "runs"
    assert all(finding.severity == "warning" for finding in found.findings)
    assert run.status in ("succeeded", "partial-succeeded"), run


@pytest.mark.parametrize(("q", "status"), [("易", "succeeded"), ("難", "failed")])
async def test_a_file_that_may_fail_does_so_in_some_runs_only(q: str, status: str, assembly: Assembly) -> None:
    found = foretold(MAY_FAIL)
    run = await ran_in(assembly, MAY_FAIL, {"q": q})

    assert (found.verdict, found.decisive and found.decisive.node) == ("may_fail", "tool")
    assert run.status == status


@pytest.mark.parametrize(("inputs", "status"), [({"q": "茶🍵"}, "succeeded"), ({}, "failed")])
async def test_a_program_that_needs_an_optional_input_may_fail(
    inputs: dict[str, str], status: str, assembly: Assembly
) -> None:
    text = one(python("code", "def main(文: str):\n    return {'r': 文.strip()}\n", {"r": "string"}, 文="start.q"))

    found = foretold(text)
    run = await ran_in(assembly, text, inputs)

    assert (found.verdict, found.decisive and found.decisive.node) == ("may_fail", "code")
    assert (run.status, "(line 2)" in run.error) == (status, status == "failed")


@pytest.mark.parametrize(("q", "status"), [("茶🍵", "succeeded"), ("", "failed")])
async def test_a_program_that_returns_its_errors_under_another_name_may_fail(
    q: str, status: str, assembly: Assembly
) -> None:
    code = "def main(q):\n    if not q:\n        return {'error': '空です'}\n    return {'題': q}\n"
    text = one(python("code", code, {"題": "string"}, q="start.q"))

    found = foretold(text)
    run = await ran_in(assembly, text, {"q": q})

    assert (found.verdict, found.decisive and found.decisive.node) == ("may_fail", "code")
    assert found.findings[0].text().startswith("the return in line 3 of the code lacks the output '題'")
    assert (run.status, run.error) == (status, "Output 題 is missing." if status == "failed" else "")


@pytest.mark.parametrize("name", ["translation", "book-translation", "english-to-chinese", "couplets", "headlines"])
async def test_a_file_of_the_community_that_is_said_to_run_does(name: str, tmp_path: Path) -> None:
    text = (SAMPLES / f"{name}.yml").read_bytes()
    async with FakeModel(SAYS.get(name, streamed("你好", "世界"))) as fake:
        file = tmp_path / "providers.yml"
        file.write_text(json.dumps({"providers": {"*": {"type": "openai", "base_url": fake.url}}}))

        found = foretold(text, here(file))
        run = await ran(text, samples_of(found.inputs), tmp_path, file)

    assert (found.verdict, found.findings) == ("runs", ())
    assert run.status == "succeeded", run
    assert fake.bodies


async def test_a_file_of_the_community_that_repairs_json_needs_no_package(assembly: Assembly) -> None:
    text = (SAMPLES / "json-repair.yml").read_bytes()

    found = foretold(text)
    run = await ran_in(assembly, text, {"llm_string": "{a: 1,}"})

    assert (found.verdict, found.findings) == ("runs", ())
    assert (run.status, run.error) == ("succeeded", "")


def test_a_file_of_the_community_that_makes_requests_needs_no_package() -> None:
    assert foretold((SAMPLES / "subtitles.yml").read_bytes()).verdict == "runs"


CASES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    # The node, its cause, what both say, and inputs.
    "json-translate": ("翻译", "tool", "tool google_translate/translate", {"json_data": '{"a": ["b"]}'}),
    "duckduckgo": ("DuckDuckGo 翻译", "tool", "tool duckduckgo/ddgo_translate", {"content": "x"}),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_file_of_the_community_that_is_said_to_fail_fails_so(name: str, tmp_path: Path) -> None:
    title, cause, part_of_message, inputs = CASES[name]
    text = (SAMPLES / f"{name}.yml").read_bytes()
    async with FakeModel(streamed("x")) as fake:
        file = tmp_path / "providers.yml"
        file.write_text(json.dumps({"providers": {"*": {"type": "openai", "base_url": fake.url}}}))

        found = foretold(text, here(file))
        run = await ran(text, inputs, tmp_path, file)

    assert found.verdict == "will_fail"
    assert found.decisive is not None
    assert (found.decisive.title, found.decisive.cause) == (title, cause)
    assert part_of_message.lower() in found.decisive.text().lower()
    assert part_of_message.lower() in run.error.lower(), run
    assert found.decisive.node in run.failed


def test_a_dataset_that_is_not_here_is_told_and_fails_no_run() -> None:
    found = foretold((SAMPLES / "intents.yml").read_bytes(), _all_providers())

    assert found.verdict == "runs"
    assert [(finding.severity, finding.cause, finding.title) for finding in found.findings] == [
        ("warning", "knowledge", "知识检索")
    ]
    assert "jikko knowledge map 'be517915-1dd5-4d09-a67d-4d5e4e4b21a8' DATASET" in found.findings[0].advice()


@pytest.mark.parametrize(("name", "cause"), [("jieba", "import"), ("agent", "tool")])
def test_chat_apps_of_the_community_are_told_what_they_lack(name: str, cause: str) -> None:
    found = foretold((SAMPLES / f"{name}.yml").read_bytes(), _all_providers())

    assert found.verdict == "will_fail"
    assert found.decisive is not None
    assert found.decisive.cause == cause


def _all_providers() -> Any:
    from jikko.forecast.known_installation import Installation
    from jikko.providers.providers_file import parse_providers

    text = 'providers: {"*": {type: openai, base_url: "https://models.example/v1"}}'
    return Installation(providers=parse_providers(text, {}))
