"""Word segmentation: for full text, and for keyword search without vectors.

Source: docs/dify-behaviour.md, “Keywords”. Like Dify, this cuts Chinese by a dictionary where ``rjieba`` is installed;
otherwise into overlapping pairs of characters. Words of other languages are separated by blanks and punctuation.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Final, TypeAlias

MAX_KEYWORDS: Final = 10
"""Maximum keywords of a text."""
CJK: Final = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Han and kana, as a character class: scripts without blanks between words."""
_TOKEN: Final = re.compile(rf"[{CJK}]+|(?:(?![{CJK}])[^\W_])+(?:\.[0-9]+)?%?|[+#&._%-]{{2,}}")
_CJK_RUN: Final = re.compile(f"[{CJK}]+")
_HIRAGANA: Final = "\u3041-\u309f"
_KATA: Final = "\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_JAPANESE: Final = re.compile(f"[{_HIRAGANA}{_KATA}]")
"""Characters used only in Japanese."""
_MARKS: Final = "\u3005\u3006\u3007"
"""Signs among Han: repetition, end, and zero."""
_SCRIPT: Final = re.compile(f"([{_HIRAGANA}]+)|([{_KATA}]+)|([^{_HIRAGANA}{_KATA}]+)")
_KATAKANA: Final = re.compile("([\u30a1-\u30fa\u30fc\u31f0-\u31ff\uff66-\uff9f]{2,})")
_CHARACTER: Final = re.compile(f"([{CJK}])")
_PART: Final = re.compile(r"\w+")

Cut: TypeAlias = Callable[[str], Iterable[str]]
"""Cuts a run of Han and kana into words."""


@cache
def cutter() -> Cut:
    """Load the dictionary, if installed, which takes 0.2 s once: not for the event loop."""
    try:
        import rjieba
    except ImportError:
        return bigrams
    return rjieba.cut


def bigrams(run: str) -> Iterable[str]:
    """Return all pairs of adjacent characters, or the only character."""
    return [run[place : place + 2] for place in range(len(run) - 1)] or [run]


def words(text: str, cut: Cut) -> Iterator[str]:
    """Yield the words of a text in order, keeping case."""
    for found in _TOKEN.findall(text):
        if _CJK_RUN.match(found):
            # The dictionary has Chinese words only, and would split katakana.
            for part in _KATAKANA.split(found):
                if _KATAKANA.fullmatch(part):
                    yield part
                elif part:
                    yield from cut(part)
        else:
            yield found


def keywords(text: str, cut: Cut) -> list[str]:
    """Return the keywords of a text: its most frequent words, earlier ones first, and their parts.

    One-character words (except Japanese ones) and stop words are excluded. Case-sensitive.
    """
    counts = Counter(each for each in _candidates(text, cut) if each.lower() not in STOP_WORDS)
    picked: dict[str, None] = {}
    for word, _ in sorted(counts.items(), key=lambda each: -each[1])[:MAX_KEYWORDS]:
        picked[word] = None
        parts = _PART.findall(word)
        if len(parts) > 1:
            picked.update(dict.fromkeys(part for part in parts if len(part) > 1 and part.lower() not in STOP_WORDS))
    return list(picked)


def query_keywords(query: str, cut: Cut) -> list[str]:
    """Return the keywords of a query, including its words of one Han character, which match Japanese texts."""
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
    """Cut a run with kana. The dictionary knows Chinese alone: a remaining single Han character is a Japanese word;
    hiragana next to other characters ends a word, or relates it to the next."""
    for hiragana, katakana, han in _SCRIPT.findall(run):
        if han:
            yield from (part for part in cut(han) if part not in _MARKS)
        elif len(katakana) > 1:
            yield katakana
        elif len(hiragana) > 1 and hiragana == run:
            yield hiragana


def for_full_text(text: str) -> str:
    """Prepare a text for full text: Han and kana characters become words separated by blanks."""
    return _CHARACTER.sub(r" \1 ", text)


def query_words(query: str, cut: Cut) -> list[str]:
    """Return the words required to match a query; sequences of Han and kana are phrases.

    Stop words count only if there are no others.
    """
    found = list(dict.fromkeys(each for each in words(query, cut) if any(map(str.isalnum, each))))
    meaningful = [each for each in found if each.lower() not in STOP_WORDS] or found
    return [" ".join(each) if _CJK_RUN.match(each) else each for each in meaningful]


# Words that say nothing of what a text is about, in lower case: English and Chinese function words.

_ENGLISH: Final = """
a about above after again against ain all am an and any are aren aren't as at be because been before being below
between both but by can couldn couldn't d did didn didn't do does doesn doesn't doing don don't down during each few for
from further had hadn hadn't has hasn hasn't have haven haven't having he her here hers herself him himself his how i if
in into is isn isn't it it's its itself just ll m ma me mightn mightn't more most mustn mustn't my myself needn needn't
no nor not now o of off on once only or other our ours ourselves out over own re s same shan shan't she she's should
should've shouldn shouldn't so some such t than that that'll the their theirs them themselves then there these they this
those through to too under until up ve very was wasn wasn't we were weren weren't what when where which while who whom
why will with won won't wouldn wouldn't y you you'd you'll you're you've your yours yourself yourselves
"""
_CHINESE: Final = """
一下 一个 一些 一样 一直 一种 一般 一边 万一 不但 不仅 不会 不光 不单 不只 不如 不是 不管 不论 不过 与其 为了 为什么
为何 之一 之前 之后 之间 也是 也许 于是 什么 什么样 仍然 从而 以上 以下 以便 以免 以及 以后 以前 任何 似乎 但是 何况
何时 使得 依照 便于 假如 假若 其中 其他 其它 其实 其次 再者 再说 几乎 别人 别的 即使 即便 却是 原来 及其 反之 另外
只是 只有 只要 可以 可是 可能 各个 各种 各自 同时 吗 否则 咱们 哪个 哪些 哪儿 哪里 因为 因此 因而 在于 基于 多少
大家 她们 好像 如何 如果 如此 如下 它们 完全 对于 对方 尽管 就是 就要 已经 并且 并非 应当 应该 当然 当时 怎么 怎么样
怎样 总之 总是 或是 或者 所以 所有 所谓 才能 抑或 按照 据此 接着 故此 既然 既是 无论 时候 是否 是的 有些 有关 有时
有的 本着 来自 某个 某些 根据 正如 此外 此时 此间 每个 每当 比如 比方 没有 然后 然而 照着 现在 甚至 由于 由此 直到
相对 相当 眼看 着 等等 紧接着 纵使 经过 继而 而且 而是 而言 自己 自从 至于 至少 若是 若非 虽然 虽说 虽则 要不 要是
譬如 设若 诸如 谁 谁知 起见 趁着 跟着 较之 还是 还有 这些 这个 这么 这儿 这样 这种 这里 进而 连同 通过 遵照 那些
那个 那么 那儿 那样 那种 那里 除了 除此 除非 随着 首先 鉴于 非但 他们 你们 我们 我的 你的 他的
"""
STOP_WORDS: Final = frozenset((_ENGLISH + _CHINESE).split())
