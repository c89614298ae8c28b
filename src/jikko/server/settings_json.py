"""The settings on their way from the supervisor to its workers."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from jikko.apps.environment import EnvLayer
from jikko.settings import Settings


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """The settings as JSON, for another process."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(settings).items()}


def settings_from_json(values: Mapping[str, Any]) -> Settings:
    """What ``settings_to_json`` made JSON of."""
    of_files = [each.name for each in fields(Settings) if Path in (each.type, *get_args(each.type))]
    paths = {name: Path(values[name]) for name in of_files if values[name] is not None}
    env = tuple(EnvLayer(**layer) for layer in values["env"])
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Settings(**{**values, **paths, **lists, "env": env})
