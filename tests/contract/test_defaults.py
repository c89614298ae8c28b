"""Equal default arguments in all implementations of a port, and of a repository."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import jikko.ports
import jikko.repositories
import jikko.store
from jikko.ports.stores.run_pages import RunPages
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.app_store import AppStore
from jikko.repositories.conversation_store import ConversationStore
from jikko.repositories.knowledge.segment_repository import SegmentStore


def classes_below(package: ModuleType) -> Iterator[type]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__:
                yield kind


def methods_of(kind: type) -> set[str]:
    return {name for name, method in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


PORTS = {port: methods_of(port) for port in classes_below(jikko.ports) if getattr(port, "_is_protocol", False)}
REPOSITORIES = {kind: methods_of(kind) for kind in classes_below(jikko.repositories)}
PAIRS = [
    pytest.param(port, kind, id=f"{kind.__module__.removeprefix('jikko.store.')}-{port.__name__}")
    for kind in classes_below(jikko.store)
    for port, methods in PORTS.items()
    if len(methods) > 1 and methods <= methods_of(kind)
] + [
    pytest.param(repository, kind, id=f"{kind.__module__.removeprefix('jikko.store.')}-{repository.__name__}")
    for kind in classes_below(jikko.store)
    for repository in REPOSITORIES
    if repository in kind.__mro__
]


def defaults_of(kind: type, name: str) -> dict[str, Any]:
    parameters = inspect.signature(getattr(kind, name)).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


@pytest.mark.parametrize(("port", "kind"), PAIRS)
def test_an_implementation_has_the_defaults_of_its_port(port: type, kind: type) -> None:
    for name in {**PORTS, **REPOSITORIES}[port]:
        wanted = defaults_of(port, name)
        given = defaults_of(kind, name)
        assert {key: given.get(key, "none") for key in wanted} == wanted, name


def test_most_ports_of_stores_are_found() -> None:
    assert {RunStore, RunPages, AppStore, ConversationStore, SegmentStore} <= {pair.values[0] for pair in PAIRS}
