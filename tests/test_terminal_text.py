"""Untrusted text cannot control the terminal."""

from hypothesis import given
from hypothesis import strategies as st

from jikko.terminal_text import harmless, printable


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Lo", "So"])))
def test_a_line_has_only_what_can_be_printed_and_each_letter_once(text: str) -> None:
    line = printable(text)

    assert line.isprintable()
    assert len(line) == len(text)
    assert [each for each in text if each.isprintable()] == [
        ours for ours, given in zip(line, text, strict=True) if given.isprintable()
    ]
    line.encode()


def test_lines_stay_lines() -> None:
    assert harmless("日本\x1b[2J\r\n語\x07🌸") == "日本 [2J \n語 🌸"
