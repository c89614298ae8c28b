"""Headers: a mapping whose names are alike in any case."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any


class Headers(MutableMapping[str, str]):
    """Headers, in the order and the case in which they were set. Several values of a name are joined by commas."""

    def __init__(self, data: Any = None, **named: str) -> None:
        self._entries: dict[str, tuple[str, str]] = {}
        pairs: Iterable[tuple[Any, Any]] = data.items() if isinstance(data, Mapping) else data or ()
        for name, value in pairs:
            self.add(_text(name), _text(value))
        self.update(named)

    def add(self, name: str, value: str) -> None:
        """Set a header, beside the value that it may have."""
        entry = self._entries.get(name.lower())
        self._entries[name.lower()] = (name, value) if entry is None else (entry[0], f"{entry[1]}, {value}")

    def __getitem__(self, name: str) -> str:
        return self._entries[name.lower()][1]

    def __setitem__(self, name: str, value: Any) -> None:
        self._entries[_text(name).lower()] = (_text(name), _text(value))

    def __delitem__(self, name: str) -> None:
        del self._entries[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return {k.lower(): v for k, v in self.items()} == {str(k).lower(): v for k, v in other.items()}

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return repr(dict(self.items()))

    def copy(self) -> "Headers":
        """A copy."""
        return type(self)(self)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
