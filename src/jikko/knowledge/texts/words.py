"""The words of texts: for full text, and the keywords that texts are found by without vectors.

Source: Dify 1.15, spec/knowledge.md §2.7. Dify cuts Chinese by a dictionary, and so does this where ``rjieba`` is
installed; else every two characters beside each other are a word. Words of other languages are what stands between
blanks and signs.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Final, TypeAlias

from jikko.knowledge.texts.stop_words import STOP_WORDS

MAX_KEYWORDS: Final = 10
"""Keywords of a text."""
CJK: Final = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Han and kana, as a character class: scripts without blanks between words."""
_TOKEN: Final = re.compile(rf"[{CJK}]+|(?:(?![{CJK}])[^\W_])+(?:\.[0-9]+)?%?|[+#&._%-]{{2,}}")
_CJK_RUN: Final = re.compile(f"[{CJK}]+")
_HIRAGANA: Final = "\u3041-\u309f"
_KATA: Final = "\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_JAPANESE: Final = re.compile(f"[{_HIRAGANA}{_KATA}]")
"""Characters that only Japanese is written with."""
_MARKS: Final = "\u3005\u3006\u3007"
"""Signs among Han: of repetition, of an end, and zero."""
_SCRIPT: Final = re.compile(f"([{_HIRAGANA}]+)|([{_KATA}]+)|([^{_HIRAGANA}{_KATA}]+)")
_KATAKANA: Final = re.compile("([\u30a1-\u30fa\u30fc\u31f0-\u31ff\uff66-\uff9f]{2,})")
_CHARACTER: Final = re.compile(f"([{CJK}])")
_PART: Final = re.compile(r"\w+")

Cut: TypeAlias = Callable[[str], Iterable[str]]
"""Cuts a run of Han and kana into words."""


@cache
def cutter() -> Cut:
    """The dictionary, if it is installed. Reading it takes 0.2 s, once: not for the event loop."""
    try:
        import rjieba
    except ImportError:
        return bigrams
    cut: Cut = rjieba.cut
    return cut


def bigrams(run: str) -> Iterable[str]:
    """Every two characters beside each other; of one character, that."""
    return [run[place : place + 2] for place in range(len(run) - 1)] or [run]


def words(text: str, cut: Cut) -> Iterator[str]:
    """The words of a text in their order, case kept."""
    for found in _TOKEN.findall(text):
        if _CJK_RUN.match(found):
            # The dictionary has Chinese words only, and cuts katakana into its characters.
            for part in _KATAKANA.split(found):
                if _KATAKANA.fullmatch(part):
                    yield part
                elif part:
                    yield from cut(part)
        else:
            yield found


def keywords(text: str, cut: Cut, most: int = MAX_KEYWORDS) -> list[str]:
    """The words that a text is found by: those that stand in it most often, of equal ones the first; and their parts.

    One-character words (but for those of Japanese) and stop words are none. Case counts.
    """
    counts = Counter(each for each in _candidates(text, cut) if each.lower() not in STOP_WORDS)
    picked: dict[str, None] = {}
    for word, _ in sorted(counts.items(), key=lambda each: -each[1])[:most]:
        picked[word] = None
        parts = _PART.findall(word)
        if len(parts) > 1:
            picked.update(dict.fromkeys(part for part in parts if len(part) > 1 and part.lower() not in STOP_WORDS))
    return list(picked)


def asked_keywords(query: str, cut: Cut) -> list[str]:
    """The keywords of a query, and its words of one Han character: Japanese texts are found by these, too."""
    short = (each for each in words(query, cut) if len(each) == 1 and _CJK_RUN.match(each))
    others = (each for each in short if not _JAPANESE.match(each) and each not in STOP_WORDS and each not in _MARKS)
    return list(dict.fromkeys([*keywords(query, cut), *islice(others, MAX_KEYWORDS)]))


def _candidates(text: str, cut: Cut) -> Iterator[str]:
    for found in _TOKEN.findall(text):
        if not _CJK_RUN.match(found):
            parts: Iterable[str] = (found,)
        elif _JAPANESE.search(found):
            yield from _of_japanese(found, cut)
            continue
        else:
            parts = cut(found)
        yield from (part for part in parts if len(part) > 1)


def _of_japanese(run: str, cut: Cut) -> Iterator[str]:
    """Words of a run with kana in it. The dictionary knows Chinese alone: what it leaves as one Han character is a word
    of Japanese; hiragana beside other characters is the end of a word, or says what it is to the next."""
    for hiragana, katakana, han in _SCRIPT.findall(run):
        if han:
            yield from (part for part in cut(han) if part not in _MARKS)
        elif len(katakana) > 1:
            yield katakana
        elif len(hiragana) > 1 and hiragana == run:
            yield hiragana


def for_full_text(text: str) -> str:
    """A text whose words, as full text sees them, stand between blanks: of Han and kana each character is one."""
    return _CHARACTER.sub(r" \1 ", text)


def asked_words(query: str, cut: Cut) -> list[str]:
    """The words that a text must have to fit a query; those of several characters of Han and kana are phrases.

    Stop words count only if there are no others.
    """
    found = list(dict.fromkeys(each for each in words(query, cut) if any(map(str.isalnum, each))))
    meaningful = [each for each in found if each.lower() not in STOP_WORDS] or found
    return [" ".join(each) if _CJK_RUN.match(each) else each for each in meaningful]
