"""The measure itself: it tells what is in proportion from what is not."""

from tests.effort import growth


def in_proportion(count: int) -> int:
    return sum(range(count))


def with_the_square(count: int) -> int:
    return sum(sum(range(count)) for _ in range(count // 200))


def test_what_is_in_proportion_grows_as_its_size_and_what_is_not_grows_faster() -> None:
    assert growth(in_proportion, 100_000) < 50 < growth(with_the_square, 2_000)
