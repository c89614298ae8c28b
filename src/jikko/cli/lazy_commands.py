"""Commands that are imported when they are asked for: to run one does not take the time of the others."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module

import click


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name, as ``click.Group`` has them."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        """Args:
        modules: By the name of each command the module that has it, under that name.
        """
        self._modules = dict(modules)
        self._known: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._known:
            self._known[name] = getattr(import_module(self._modules[name]), name)
        return self._known[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._modules[name] = ""
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._modules[name]
        self._known.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)
