"""Ranking of search results: pure functions.

Source: docs/dify-behaviour.md, “Searching one dataset”, “Searching several datasets”.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from jikko.knowledge.texts.words import Cut, keywords
from jikko.ports.knowledge import FoundChild, Hit


class Candidate(NamedTuple):
    """A match that may become a hit."""

    hit: Hit
    child: FoundChild | None
    score: float

    @property
    def text(self) -> str:
        """Text for a reranking model."""
        return self.hit.content if self.child is None else self.child.content

    @property
    def key(self) -> tuple[str, str | None, str | None, str]:
        """Identity, however it was found."""
        own = self.hit
        outside = own.content if own.segment_id is None else ""
        return own.dataset_id, own.segment_id, None if self.child is None else self.child.id, outside


def best_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort by score, stably."""
    return sorted(candidates, key=lambda each: -each.score)


def at_least(candidates: Sequence[Candidate], threshold: float | None) -> list[Candidate]:
    """Filter by minimum score; ``None``: all."""
    return list(candidates) if threshold is None else [each for each in candidates if each.score >= threshold]


def keyword_likeness(query: str, texts: Sequence[str], cut: Cut) -> list[float]:
    """Return the similarity of a query to texts, 0 to 1: the cosine of tf-idf vectors."""
    asked = set(keywords(query, cut))
    held = [set(keywords(text, cut)) for text in texts]
    frequency = Counter(word for words in held for word in words)
    weight = {word: math.log((1 + len(texts)) / (1 + count)) + 1 for word, count in frequency.items()}
    query_length = math.sqrt(sum(weight[word] ** 2 for word in asked if word in weight))
    likeness = []
    for words in held:
        shared = sum(weight[word] ** 2 for word in words & asked)
        length = math.sqrt(sum(weight[word] ** 2 for word in words))
        likeness.append(shared / (query_length * length) if query_length and length else 0.0)
    return likeness


def weighted(
    query: str, candidates: Sequence[Candidate], vector_weight: float, keyword_weight: float, cut: Cut
) -> list[Candidate]:
    """Return candidates with weighted sums of their score and their keyword similarity."""
    likeness = keyword_likeness(query, [each.text for each in candidates], cut)
    return best_first(
        [
            each._replace(score=vector_weight * each.score + keyword_weight * alike)
            for each, alike in zip(candidates, likeness, strict=True)
        ]
    )


def merged(*lists: Sequence[Candidate]) -> list[Candidate]:
    """Merge lists without duplicates: the first occurrence stays."""
    found: dict[object, Candidate] = {}
    for candidates in lists:
        for each in candidates:
            found.setdefault(each.key, each)
    return list(found.values())


def hits_of(candidates: Sequence[Candidate]) -> list[Hit]:
    """Convert candidates to hits: each segment once, with its best score and the matching children."""
    found: dict[object, Hit] = {}
    for number, each in enumerate(candidates):
        own = each.hit
        key: object = number if own.segment_id is None else (own.dataset_id, own.segment_id)
        hit = found.get(key)
        child = () if each.child is None else (replace(each.child, score=each.score),)
        if hit is None:
            found[key] = replace(own, score=each.score, children=child)
        else:
            children = tuple(sorted((*hit.children, *child), key=lambda part: -part.score))
            found[key] = replace(hit, score=max(hit.score, each.score), children=children)
    return sorted(found.values(), key=lambda hit: -hit.score)
