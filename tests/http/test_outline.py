"""What clients rely on changes on purpose only."""

from tests.http.outline import KEPT, outline


def test_operations_and_fields_are_those_that_clients_know() -> None:
    known, now = KEPT.read_text("utf-8").splitlines(), outline().splitlines()

    assert now == known, "If clients may see the change: python -m tests.http.outline; and say so in the changelog."
