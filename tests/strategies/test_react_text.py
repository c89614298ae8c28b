"""Output of models that think in text: same text and actions for any chunking."""

import json

import pytest

from jikko.strategies.react import ReActAction, ReactReader
from tests.effort import cpu_seconds, growth

SAY = json.dumps({"action": "say", "action_input": {"text": '{海} "quoted" \\ 🗓'}}, ensure_ascii=False)
CALL = ReActAction("say", {"text": '{海} "quoted" \\ 🗓'})


def read(pieces: list[str]) -> tuple[str, list[ReActAction]]:
    reader = ReactReader()
    found = [part for piece in pieces for part in reader.feed(piece)] + list(reader.finish())
    texts = [part for part in found if isinstance(part, str)]
    return "".join(texts), [part for part in found if isinstance(part, ReActAction)]


@pytest.mark.parametrize(
    ("said", "text", "actions"),
    [
        (f"Thought: I look\nAction:\n```\n{SAY}\n```", " I look\n\n", [CALL]),
        (f"Thought: I look\nAction:\n```json\n{SAY}\n```\nbehind", " I look\n\n\nbehind", [CALL]),
        (f"I do. Action: {SAY}", "I do.  ", [CALL]),
        (f"```\n[{SAY}]\n```", "", [CALL]),
        (f"{SAY} {SAY}", " ", [CALL, CALL]),
        ('{"tool": "say", "tool_input": "x"}', "", [ReActAction("say", "x")]),
        ("Reaction: none. My thoughts: fine, `code` too.", "Reaction: none. My thoughts: fine, `code` too.", []),
        ('```\n{"action": "say", \n```', '```\n{"action": "say", \n```', []),
        ('```\n{"colour": "red"}\n```', '{"colour": "red"}', []),
        ("```\nprint(1)\n```", "```\nprint(1)\n```", []),
        ("an open { brace", "an open { brace", []),
        ("an open ``` fence", "an open ``` fence", []),
        ("ends with Thou", "ends with Thou", []),
    ],
)
def test_text_and_actions_are_told_apart(said: str, text: str, actions: list[ReActAction]) -> None:
    assert read([said]) == (text, actions)
    assert read(list(said)) == (text, actions)
    for cut in range(1, len(said)):
        assert read([said[:cut], said[cut:]]) == (text, actions)


@pytest.mark.parametrize("name", ["Final Answer", "final answer", " FINAL ANSWER "])
def test_the_final_answer_is_known_in_any_case(name: str) -> None:
    assert ReActAction(name, "42").is_final


def test_text_is_told_as_soon_as_it_is_certain() -> None:
    reader = ReactReader()

    assert list(reader.feed("Thought: I see")) == [" I see"]
    assert list(reader.feed(" T")) == [" "]
    assert list(reader.feed("he end")) == ["The end"]


@pytest.mark.parametrize("text", ["{" * 100_000, "```" + "x" * 100_000, '{"a": "' + "\\" * 100_000, "t" * 100_000])
def test_an_answer_in_small_pieces_that_never_becomes_an_action_takes_no_long_time(text: str) -> None:
    def work() -> None:
        assert read([text[at : at + 10] for at in range(0, len(text), 10)])[0] == text

    assert cpu_seconds(work) < 5


@pytest.mark.parametrize("part", [" t", "`a", "{}"])
def test_an_answer_of_many_parts_in_one_piece_takes_time_in_proportion(part: str) -> None:
    def work(times: int) -> None:
        assert read([part * times])[0] == part * times

    assert growth(work, 2_000) < 50


def test_an_answer_is_read_as_far_as_its_reader_goes() -> None:
    assert next(iter(ReactReader().feed("{}" * 1_000_000))) == "{}"
