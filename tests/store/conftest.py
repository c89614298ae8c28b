"""What these tests do without."""

import pytest


@pytest.fixture(autouse=True)
def databases_from_a_template() -> None:
    """Nothing: each database is made by its migrations."""
