"""The models that a package lists, and what their provider must be told to reach them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any, Final, cast, get_args

from jikko.dsl.fields import Fields
from jikko.ports.models import Abilities, MediaKind, Mode
from jikko.ports.plugin_models import KnownModel

_PER_TOKEN: Final = "0.000001"
_MEDIA: Final[Mapping[MediaKind, str]] = {"image": "vision", "audio": "audio", "video": "video", "document": "document"}


def listed_models(provider: Fields, paths: Iterable[str], opened: Callable[[str], Fields]) -> Iterator[KnownModel]:
    """The models of a provider, by file name. ``paths``: All of the package. ``opened``: Reads a YAML file of it."""
    files, kinds = sorted(paths), provider.mapping("models")
    for kind in kinds.raw:
        patterns = [each for each in kinds.mapping(kind).items("predefined") if isinstance(each, str)]
        for path in files:
            plain = PurePosixPath(path)
            if not plain.name.startswith("_") and any(plain.match(pattern) for pattern in patterns):
                yield _model(opened(path))


def _model(fields: Fields) -> KnownModel:
    properties, features = fields.mapping("model_properties"), set(map(str, fields.items("features")))
    mode, size = properties.get("mode"), properties.get("context_size")
    return KnownModel(
        name=fields.text("model", required=True),
        kind=fields.text("model_type", "llm"),
        mode=cast(Mode, mode) if mode in get_args(Mode) else None,
        abilities=Abilities(
            tools=not features.isdisjoint(("tool-call", "multi-tool-call")),
            structured_output="structured-output" in features,
            media=frozenset(kind for kind, feature in _MEDIA.items() if feature in features),
        ),
        context_size=size if isinstance(size, int) and size > 0 else 0,
        price=_price(fields.get("pricing")),
        voice=str(properties.get("default_voice") or ""),
    )


def _price(pricing: Any) -> tuple[Decimal, Decimal, str] | None:
    if not isinstance(pricing, dict):
        return None
    try:
        unit = Decimal(str(pricing.get("unit") or _PER_TOKEN)) * 1_000_000
        prompt, completion = (Decimal(str(pricing.get(name) or 0)) * unit for name in ("input", "output"))
    except InvalidOperation:
        return None
    if not (prompt.is_finite() and completion.is_finite()):
        return None
    return prompt, completion, str(pricing.get("currency") or "USD")


def credential_fields(provider: Fields) -> Iterator[tuple[Fields, tuple[str, ...]]]:
    """What a provider must be told, and the kinds of models that it is for; for no kind: for all.

    Of a provider whose models all are customised, it is what each of them must be told.
    """
    of_provider, of_model = (provider.mapping(f"{of}_credential_schema") for of in ("provider", "model"))
    for entry in (of_provider if of_provider.raw else of_model).mappings("credential_form_schemas"):
        conditions = [each for each in entry.mappings("show_on") if each.get("variable") == "__model_type"]
        named = Fields(entry.where, {**entry.raw, "name": entry.get("variable")}, entry.problems)
        yield named, tuple(str(condition.get("value")) for condition in conditions)
