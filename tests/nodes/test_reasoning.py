"""Telling reasoning from text."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.nodes.model.reasoning import ReasoningFilter, split_reasoning, without_reasoning

PARTS = st.sampled_from(
    ["a", " b ", "<", "</", "<think>", "</think>", "<THINK x=1>", "<thinking>", "<thin", "think>", "\n", "é"]
)


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("plain", "plain", ""),
        ("<think>hmm ok</think>the answer", "the answer", "hmm ok"),
        ("<THINK a='b'> x </Think>\n\n\n\ny <think>z</think>", "y", "x\nz"),
        ("yes <think>never closed", "yes", "never closed"),
        ("  a\n\n\n \nb  ", "a\n\nb", ""),
        ("</think>a", "</think>a", ""),
        ("<thinking>a</thinking>b<think/>", "<thinking>a</thinking>b<think/>", ""),
        ("<think> </think>a<think>b</think><think\n></think>", "a", "b"),
    ],
)
def test_a_whole_text_is_split(text: str, answer: str, reasoning: str) -> None:
    assert split_reasoning(text) == (answer, reasoning)


def pieces_of(pieces: list[str]) -> tuple[str, str]:
    filter_ = ReasoningFilter()
    found = [piece for text in pieces for piece in filter_.feed(text)] + filter_.finish()
    return (
        "".join(piece.text for piece in found if not piece.is_reasoning),
        "".join(piece.text for piece in found if piece.is_reasoning),
    )


@given(st.lists(PARTS, max_size=12).map("".join), st.lists(st.integers(0, 60), max_size=8))
def test_where_a_stream_is_cut_does_not_matter(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]

    assert pieces_of([text[start:end] for start, end in itertools.pairwise(edges)]) == pieces_of([text])


@given(st.lists(PARTS, max_size=12).map("".join))
def test_a_stream_and_a_whole_text_agree(text: str) -> None:
    shown, thought = pieces_of([text])
    answer, reasoning = split_reasoning(text)

    assert "".join(shown.split()) == "".join(answer.split())
    assert "".join(thought.split()) == "".join(reasoning.split())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain", "plain"),
        ("a <think>x</think> b<THINK y='1'>z</Think>c", "a  bc"),
        ("a <think>x</think> b <think>open", "a  b <think>open"),
        ("</think>a<think", "</think>a<think"),
    ],
)
def test_complete_blocks_are_left_out(text: str, kept: str) -> None:
    assert without_reasoning(text) == kept


def test_a_tag_has_at_most_520_characters() -> None:
    longest = f"<think {'x' * 512}>"

    assert split_reasoning(f"{longest}a") == ("", "a")
    assert split_reasoning(f"{longest[:-1]}x>a") == (f"{longest[:-1]}x>a", "")


COUNT = 200_000


# With time that goes with the square of the length, each of these would take minutes.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "whole", "kept", "streamed"),
    [
        ("<think", ("<think" * COUNT, ""), "<think" * COUNT, ("<think" * COUNT, "")),
        ("<think>", ("", "<think>" * (COUNT - 1)), "<think>" * COUNT, ("", "<think>" * (COUNT - 1))),
        ("<think></think>", ("", ""), "", ("", "")),
        (
            "東<think>京</think>🗼\n",
            ("\n".join(["東🗼"] * COUNT), "\n".join("京" * COUNT)),
            "東🗼\n" * COUNT,
            ("東🗼\n" * COUNT, "京" * COUNT),
        ),
    ],
    ids=["beginnings of tags", "tags that are not closed", "empty blocks", "blocks"],
)
def test_a_text_full_of_tags_is_split_as_a_short_one_in_time_that_grows_with_its_length(
    part: str, whole: tuple[str, str], kept: str, streamed: tuple[str, str]
) -> None:
    text = part * COUNT
    before = time.process_time()

    found = split_reasoning(text), without_reasoning(text), pieces_of([text])
    in_pieces = pieces_of([text[at : at + 61] for at in range(0, len(text), 61)])

    assert found == (whole, kept, streamed)
    assert in_pieces == streamed
    # Of the processor, which others on a busy machine do not add to: a second or two, if it does not grow faster.
    assert time.process_time() - before < 30
