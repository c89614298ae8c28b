"""Completion parameters: passed by name, reported once if unknown, omitted if refused."""

import logging

import pytest

from jikko.ports.models import ModelFailure
from tests.providers.calling import SCHEMA, TOOL, request, served
from tests.providers.fake_model import Exchange, refusal, streamed

pytestmark = pytest.mark.anyio


async def test_parameters_go_by_their_names_and_unknown_ones_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    parameters = {
        "temperature": 0.7,
        "stop": ["x"],
        "seed": 3,
        "enable_thinking": False,
        "top_p": None,
        "model": "evil",
    }
    async with served(streamed("a")) as (fake, models):
        with caplog.at_level(logging.WARNING, "jikko"):
            for _ in range(3):
                await models.complete(request(parameters=parameters))

    body = fake.bodies[0]
    assert (body["temperature"], body["stop"], body["seed"], body["enable_thinking"]) == (0.7, ["x"], 3, False)
    assert "top_p" not in body
    assert body["model"] == "gpt-4o"
    assert [record.getMessage().count("enable_thinking") for record in caplog.records] == [1]


async def test_a_response_format_may_be_a_word() -> None:
    async with served(streamed("a")) as (fake, models):
        await models.complete(request(parameters={"response_format": "json_object"}))
        await models.complete(request(parameters={"response_format": "text"}))
        await models.complete(
            request(parameters={"response_format": "json_schema", "json_schema": '{"name": "n", "schema": {}}'})
        )

    assert fake.bodies[0]["response_format"] == {"type": "json_object"}
    assert "response_format" not in fake.bodies[1]
    assert fake.bodies[2]["response_format"] == {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}


@pytest.mark.parametrize("schema", ["{", "[" * 100_000])
async def test_a_schema_that_is_no_json_is_told_and_not_sent(schema: str) -> None:
    async with served(streamed("a")) as (fake, models):
        with pytest.raises(ModelFailure, match="json_schema is not JSON") as caught:
            await models.complete(request(parameters={"response_format": "json_schema", "json_schema": schema}))

    assert caught.value.kind == "InvokeBadRequestError"
    assert fake.exchanges == []


async def test_a_parameter_that_the_model_refuses_is_left_out_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(exchange: Exchange) -> None:
        if "temperature" in exchange.body:
            message = "Unsupported value: 'temperature' does not support 0.7 with this model."
            await refusal(400, message, param="temperature", code="unsupported_value")(exchange)
        elif "max_tokens" in exchange.body:
            message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            await refusal(400, message, param="max_tokens", code="unsupported_parameter")(exchange)
        else:
            await streamed("fine")(exchange)

    async with served(answer) as (fake, models):
        for _ in range(2):
            await models.complete(request(parameters={"temperature": 0.7, "max_tokens": 9}))

    assert len(fake.bodies) == 4
    assert fake.bodies[3]["max_completion_tokens"] == 9
    assert len(caplog.records) == 2


async def test_a_parameter_that_is_refused_with_422_is_left_out_too() -> None:
    async def answer(exchange: Exchange) -> None:
        if "seed" in exchange.body:
            await refusal(422, "Extra inputs are not permitted: seed")(exchange)
        else:
            await streamed("fine")(exchange)

    async with served(answer) as (_, models):
        completion = await models.complete(request(parameters={"seed": 3}))

    assert completion.text == "fine"


async def test_a_bad_value_is_not_left_out_but_told() -> None:
    message = "Invalid 'temperature': decimal above maximum value."
    async with served(refusal(400, message, param="temperature", code="decimal_above_max_value")) as (fake, models):
        with pytest.raises(ModelFailure, match="above maximum"):
            await models.complete(request(parameters={"temperature": 9}))

    assert len(fake.bodies) == 1


async def test_a_model_that_turns_out_to_have_no_schema_is_remembered() -> None:
    async with served(refusal(400, "Unknown parameter: 'response_format'.")) as (_, models):
        before = models.abilities("openai", "gpt-4o").structured_output
        with pytest.raises(ModelFailure) as caught:
            await models.complete(request(schema=SCHEMA))

    assert before
    assert caught.value.unsupported == "structured_output"
    assert not models.abilities("openai", "gpt-4o").structured_output


async def test_a_model_that_turns_out_to_have_no_tools_is_remembered() -> None:
    async with served(refusal(400, "this model does not support tools")) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await models.complete(request(tools=(TOOL,)))

    assert caught.value.unsupported == "tools"
    assert not models.abilities("openai", "gpt-4o").tools
