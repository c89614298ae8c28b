"""Templates as children compiled them, kept for the next ones."""

from jikko.sandbox.programs import CompiledTemplates

MOST = 1024
QUARTER = bytes(8 << 20)


def filled(*blocks: bytes) -> CompiledTemplates:
    kept = CompiledTemplates()
    for number, block in enumerate(blocks):
        kept.put("v", ("app", b"%d" % number), block)
    return kept


def test_one_is_given_for_its_app_its_text_and_its_packages_alone() -> None:
    kept = filled(b"first")

    kept.put("v", ("app", b"0"), b"second")

    assert kept.get("v", ("app", b"0")) == b"first"
    others = [("w", ("app", b"0")), ("v", ("other", b"0")), ("v", ("app", b"1"))]
    assert [kept.get(*other) for other in others] == [b"", b"", b""]


def test_of_too_many_the_one_goes_that_was_not_asked_for_for_longest() -> None:
    kept = filled(*[b"x"] * MOST)
    assert kept.get("v", ("app", b"0")) == b"x"

    kept.put("v", ("app", b"new"), b"x")

    assert [kept.get("v", ("app", name)) for name in (b"0", b"1", b"2", b"new")] == [b"x", b"", b"x", b"x"]


def test_large_ones_take_no_more_memory_together_than_is_allowed() -> None:
    kept = filled(*[QUARTER] * 5)
    assert [len(kept.get("v", ("app", b"%d" % number))) for number in range(5)] == [0, *[len(QUARTER)] * 4]

    kept.put("v", ("app", b"new"), b"x")

    assert [len(kept.get("v", ("app", name))) for name in (b"1", b"2", b"new")] == [0, len(QUARTER), 1]
