"""Names that are imported when they are first used."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from jikko.assemble import lazy

TREE = ast.parse(Path(lazy.__file__).read_text(encoding="utf-8"))
TYPED = [
    (str(line.module), alias.name)
    for block in TREE.body
    if isinstance(block, ast.If)
    for line in block.body
    if isinstance(line, ast.ImportFrom)
    for alias in line.names
]
"""As type checkers read it."""


@pytest.mark.parametrize(("module", "name"), TYPED)
def test_a_name_is_what_type_checkers_take_it_for(module: str, name: str) -> None:
    assert getattr(lazy, name) is getattr(import_module(module), name)


def test_another_name_is_missing_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match=r"module 'jikko\.assemble\.lazy' has no attribute 'NoSuchName'"):
        lazy.NoSuchName  # noqa: B018
