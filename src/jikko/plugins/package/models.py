"""The models that a package lists, and what their provider must be told to reach them."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

from jikko.dsl.fields import Fields

_PER_TOKEN: Final = "0.000001"


class ModelDeclaration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that a package lists."""

    name: str
    kind: str
    """``llm``, ``text-embedding``, ``rerank``, ``speech2text``, ``tts`` or ``moderation``."""
    mode: str = ""
    features: tuple[str, ...] = ()
    context_size: int = 0
    """Tokens; 0 where it says nothing."""
    prices: tuple[str, str, str] | None = None
    """What a million tokens of prompt and completion cost, and in what currency."""
    voice: str = ""


def listed_models(
    provider: Fields, paths: Iterable[str], opened: Callable[[str], Fields]
) -> Iterator[ModelDeclaration]:
    """The models of a provider, in the order of their files' names.

    Args:
        paths: Those of all files of the package.
        opened: Reads a YAML file of it.
    """
    files, kinds = sorted(paths), provider.mapping("models")
    for kind in kinds.raw:
        patterns = [each for each in kinds.mapping(kind).items("predefined") if isinstance(each, str)]
        for path in files:
            plain = PurePosixPath(path)
            if not plain.name.startswith("_") and any(plain.match(pattern) for pattern in patterns):
                yield _model(opened(path))


def _model(fields: Fields) -> ModelDeclaration:
    properties = fields.mapping("model_properties")
    size = properties.get("context_size")
    return ModelDeclaration(
        name=fields.text("model", required=True),
        kind=fields.text("model_type", "llm"),
        mode=str(properties.get("mode") or ""),
        features=tuple(str(feature) for feature in fields.items("features")),
        context_size=size if isinstance(size, int) and size > 0 else 0,
        prices=_prices(fields.get("pricing")),
        voice=str(properties.get("default_voice") or ""),
    )


def _prices(pricing: Any) -> tuple[str, str, str] | None:
    if not isinstance(pricing, dict):
        return None
    try:
        unit = Decimal(str(pricing.get("unit") or _PER_TOKEN)) * 1_000_000
        prompt, completion = (Decimal(str(pricing.get(name) or 0)) * unit for name in ("input", "output"))
    except InvalidOperation:
        return None
    return str(prompt), str(completion), str(pricing.get("currency") or "USD")


def credential_fields(provider: Fields) -> Iterator[tuple[Fields, tuple[str, ...]]]:
    """What a provider must be told, and the kinds of models that it is for; for no kind: for all.

    Of a provider whose models all are customised, it is what each of them must be told.
    """
    of_provider, of_model = (provider.mapping(f"{of}_credential_schema") for of in ("provider", "model"))
    for entry in (of_provider if of_provider.raw else of_model).mappings("credential_form_schemas"):
        conditions = [each for each in entry.mappings("show_on") if each.get("variable") == "__model_type"]
        named = Fields(entry.where, {**entry.raw, "name": entry.get("variable")}, entry.problems)
        yield named, tuple(str(condition.get("value")) for condition in conditions)
