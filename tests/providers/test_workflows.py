"""Workflows with a misbehaving fake model: errors, attempts, stops, crashes, limits, and secrets."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.effort import PATIENCE
from tests.providers.fake_model import Exchange, FakeModel, delta, refusal, silence, streamed, usage
from tests.providers.workflows import LLM, assembled, begun, finished, workflow

pytestmark = pytest.mark.anyio

SOURCE = workflow(LLM, {"answer": "text"})
KEY = "sk-verysecret0123456789"


def entry(fake: FakeModel, **fields: Any) -> dict[str, Any]:
    return {"type": "openai", "base_url": fake.url, "api_key": "${KEY}", "timeout": PATIENCE, **fields}


ENVIRONMENT = {"KEY": KEY}


async def test_the_run_fails_at_the_node_whose_model_has_no_provider(tmp_path: Path) -> None:
    node = {**LLM, "model": {"provider": "deepseek", "name": "deepseek-chat", "mode": "chat"}}
    async with FakeModel(silence) as fake, assembled(tmp_path, entry(fake), environment=ENVIRONMENT) as assembly:
        outcome = await finished(await begun(assembly, workflow(node, {"answer": "text"})))

    assert outcome.end.status == "failed"
    assert '"deepseek": {type: openai, api_key: "${DEEPSEEK_API_KEY}"}' in (outcome.end.error or "")
    assert outcome.node.error_type == "ModelNotExistError"


async def test_attempts_of_the_node_are_attempts_at_the_provider(tmp_path: Path) -> None:
    async with FakeModel(refusal(429, "slow down")) as fake:

        async def third_time(exchange: Exchange) -> None:
            await (refusal(429, "slow down") if len(fake.bodies) < 3 else streamed("there"))(exchange)

        fake.answer = third_time
        retry = {"retry_config": {"retry_enabled": True, "max_retries": 3, "retry_interval": 1}}
        async with assembled(tmp_path, entry(fake), environment=ENVIRONMENT) as assembly:
            outcome = await finished(await begun(assembly, workflow({**LLM, **retry}, {"answer": "text"})))

    assert outcome.end.outputs == {"answer": "there"}
    assert [attempt.error_type for attempt in outcome.attempts] == ["InvokeRateLimitError"] * 2


async def test_tokens_of_an_answer_that_broke_off_are_counted(tmp_path: Path) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event({**delta("half"), "usage": usage(9, 1)})
        exchange.cut()

    async with FakeModel(answer) as fake, assembled(tmp_path, entry(fake), environment=ENVIRONMENT) as assembly:
        outcome = await finished(await begun(assembly, SOURCE))

    assert outcome.node.error_type == "InvokeConnectionError"
    assert outcome.end.total_tokens == 10


async def test_a_stop_reaches_the_provider_at_once(tmp_path: Path) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta("first"))
        await exchange.gone.wait()

    async with FakeModel(answer) as fake, assembled(tmp_path, entry(fake), environment=ENVIRONMENT) as assembly:
        live = await begun(assembly, SOURCE)
        await fake.requests(1)
        owner = live.record.identity
        assert await assembly.runs.control.stop(owner.app_id, owner.task_id, "tester")
        async with asyncio.timeout(PATIENCE):
            await fake.exchanges[0].gone.wait()
        outcome = await finished(live)

    assert outcome.end.status == "stopped"


async def test_after_a_crash_the_node_calls_again_and_says_so(tmp_path: Path) -> None:
    async with FakeModel(silence) as fake:
        async with assembled(tmp_path, entry(fake), in_memory=False, environment=ENVIRONMENT) as assembly:
            live = await begun(assembly, SOURCE)
            run_id, app_id = live.record.identity.run_id, live.record.identity.app_id
            await fake.requests(1)
            # Without time to finish, runs are parked: as a crash leaves them, but for what was not written yet.
        fake.answer = streamed("again")
        async with assembled(tmp_path, entry(fake), in_memory=False, environment=ENVIRONMENT) as assembly:
            await assembly.runs.control.take_over()
            record = await assembly.runs.records.record(app_id, run_id)
            outcome = await finished(assembly.runs.control.reader(record))
            record = await assembly.runs.records.record(app_id, run_id)
            executions = await assembly.runs.records.node_executions(record)

    assert outcome.end.outputs == {"answer": "again"}
    assert len(fake.bodies) == 2
    [attempts] = [execution.attempts for execution in executions if execution.node_id == "m"]
    assert len(attempts) >= 1


async def test_a_limit_of_the_provider_holds_for_all_runs_together(tmp_path: Path) -> None:
    under_way: list[int] = [0]

    async def answer(exchange: Exchange) -> None:
        under_way.append(under_way[-1] + 1)
        await streamed("ok")(exchange)
        under_way.append(under_way[-1] - 1)

    async with FakeModel(answer) as fake:
        limited = entry(fake, max_concurrent=2)
        async with assembled(tmp_path, limited, environment=ENVIRONMENT) as assembly:
            runs = [await begun(assembly, SOURCE) for _ in range(8)]
            outcomes = [await finished(live) for live in runs]

    assert [outcome.end.status for outcome in outcomes] == ["succeeded"] * 8
    assert max(under_way) <= 2


@pytest.mark.parametrize("status", [401, 500])
async def test_keys_are_nowhere_in_what_is_written(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = refusal(status, f"Incorrect API key provided: {KEY}, or {KEY[:10]}****6789")
    async with FakeModel(refused) as fake:
        async with assembled(tmp_path, entry(fake), in_memory=False, environment=ENVIRONMENT) as assembly:
            live = await begun(assembly, SOURCE)
            outcome = await finished(live)
            shown = repr(assembly.settings) + repr(live.record) + repr(outcome.events)
        assert fake.exchanges[0].headers["authorization"] == f"Bearer {KEY}"

    written = [shown, caplog.text, *capsys.readouterr()]
    written += [file.read_bytes().decode("latin-1") for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert outcome.end.status == "failed"
    for text in written:
        assert KEY[:10] not in text
