"""Parser of the providers file."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, cast

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import MISSING, Fields, bad_value, expected
from jikko.dsl.operator_file import OperatorFile, filled_in, names_in, read_operator_file
from jikko.dsl.repair import model_provider
from jikko.ports.extensions import Extension
from jikko.ports.models import PURPOSES, MediaKind, ModelName, ModelPurpose
from jikko.providers.config import TYPES, ModelTraits, Price, ProviderConfig, Providers, ProviderType, well_known

_MEDIA: Final[dict[str, MediaKind]] = {"vision": "image", "audio": "audio", "video": "video", "documents": "document"}
_TRAITS: Final = ("tools", "structured_output", *_MEDIA, "price", "context_size")
_OPTIONS: Final = ("api_version", "region", "project", "organization", "path", "context", "parallel", "pooling")
_POOLING: Final = ("mean", "cls", "last")
"""Pooling of token vectors in llama.cpp."""
_WHOLE: Final = ("context", "parallel")
"""Integer options."""
_LIMITS: Final = ("max_concurrent", "requests_per_minute", "timeout", "connect_timeout", "max_answer")
_KEYS: Final = (
    "type", "base_url", "api_key", "headers", "plugin", "credentials", "models", *_TRAITS, *_OPTIONS, *_LIMITS
)  # fmt: skip
_NOT_OF_PLUGINS: Final = ("base_url", "api_key", "headers")
_BASE_URLS: Final = {"jina": "https://api.jina.ai/v1", "cohere": "https://api.cohere.com/v2"}
"""Default URLs of types with a single vendor."""
_OPTIONAL_KEYS: Final = ("batch", "dimensions", "query_prefix", "document_prefix", "voice")
_MODEL_KEYS: Final = ("name", "mode", *_TRAITS, *_OPTIONAL_KEYS)
_MAX_TEXTS: Final = 2048
"""Maximum texts per embedding request, as at OpenAI."""


def read_providers(file: Path | None, environment: Mapping[str, str]) -> Providers:
    """Read a providers file; empty if there is none. Raises ``InvalidSettings`` with every problem.

    ``environment``: For ``${NAME}``. An unset name only disables the models of its provider.
    """
    if file is None:
        return Providers()
    text = read_operator_file(file, "providers")
    return parse_providers(text, environment, source=str(file), folder=file.absolute().parent)


def parse_providers(
    text: bytes | str, environment: Mapping[str, str], *, source: str = "providers file", folder: Path = Path()
) -> Providers:
    """Parse the text of a providers file. See ``read_providers``. ``folder``: Base of relative paths."""
    written = OperatorFile(text, "providers", source, ("providers", "defaults", "extensions"))
    root, entries = written.root, dict[str, ProviderConfig]()
    if not isinstance(root.get("providers"), dict):
        wanted = expected('a mapping: providers: {"openai": {api_key: …}}')
        root.problem("providers", MISSING, wanted)
    else:
        for name, fields in root.mapping("providers").entries():
            config = _provider(model_provider(name), fields, environment, folder)
            if config.id in entries:
                fields.problem("", Phrase("document.provider_twice"))
            entries[config.id] = config
    defaults, extensions = _defaults(root), _extensions(root, environment)
    written.require_no_problems()
    return Providers(entries, source=source, defaults=defaults, extensions=extensions)


def _defaults(root: Fields) -> dict[ModelPurpose, ModelName]:
    listed = root.mapping("defaults")
    listed.check_names(PURPOSES)
    found: dict[ModelPurpose, ModelName] = {}
    for purpose in PURPOSES:
        if purpose in listed.raw:
            fields = listed.mapping(purpose)
            fields.check_names(("provider", "model"))
            provider = fields.text("provider", required=True)
            found[purpose] = ModelName(model_provider(provider), fields.text("model", required=True))
    return found


def _extensions(root: Fields, environment: Mapping[str, str]) -> dict[str, Extension]:
    found: dict[str, Extension] = {}
    for name, listed in root.mapping("extensions").entries():
        fields = filled_in(listed, environment, [])
        fields.check_names(("url", "api_key"))
        _check_url(fields, fields.text("url"), required=True, name="url")
        found[name] = Extension(fields.text("url"), fields.text("api_key"))
    return found


def _provider(id_: str, fields: Fields, environment: Mapping[str, str], folder: Path) -> ProviderConfig:
    unset: list[str] = []
    named = names_in(fields.get("base_url"))
    fields = filled_in(fields, environment, unset)
    fields.check_names(_KEYS)
    known = well_known(id_)
    plugin = fields.text("plugin")
    default: ProviderType = "plugin" if plugin else cast(ProviderType, known.type) if known else "openai"
    type_ = cast(ProviderType, fields.choice("type", TYPES, default))
    base_url = fields.text("base_url", known.base_url if known and known.type == type_ else _BASE_URLS.get(type_, ""))
    if not set(named) & set(unset):
        _check_url(fields, base_url, required=type_ in ("openai", "azure"))
    if type_ == "plugin":
        _check_plugin(fields, plugin)
    if type_ == "llama_cpp" and not fields.raw.get("path"):
        fields.problem("path", MISSING, "the path of a GGUF file")
    if fields.raw.get("pooling") is not None:
        fields.choice("pooling", _POOLING, "")
    if type_ == "azure" and not fields.raw.get("api_version"):
        fields.problem("api_version", MISSING, "such as 2024-10-21")
    headers = fields.mapping("headers")
    models = fields.mapping("models")
    return ProviderConfig(
        id=id_,
        type=type_,
        base_url=base_url,
        api_key=fields.text("api_key"),
        headers={str(name): headers.text(name) for name in headers.raw},
        plugin=plugin,
        credentials=dict(fields.mapping("credentials").raw),
        models={str(name): _model(models, name) for name in models.raw},
        traits=_traits(fields),
        max_concurrent=fields.integer("max_concurrent", 0, minimum=0),
        requests_per_minute=fields.integer("requests_per_minute", 0, minimum=0),
        timeout=fields.seconds("timeout", 300.0),
        connect_timeout=fields.seconds("connect_timeout", 10.0),
        max_answer=fields.integer("max_answer", 4_194_304, minimum=1),
        options={name: _option(fields, name, folder) for name in _OPTIONS if fields.raw.get(name) is not None},
        unset=tuple(dict.fromkeys(unset)),
    )


def _check_plugin(fields: Fields, plugin: str) -> None:
    if not 2 <= len(list(filter(None, plugin.split("/")))) <= 3:
        fields.problem("plugin", Phrase("document.no_plugin_name"), expected("author/name"))
    for name in _NOT_OF_PLUGINS:
        if fields.raw.get(name):
            what = Phrase("document.not_of_plugin", {"plugin": plugin})
            fields.problem(name, what, Phrase("remedy.plugin_credentials"))


def _check_url(fields: Fields, url: str, *, required: bool, name: str = "base_url") -> None:
    if not url:
        if required:
            fields.problem(name, MISSING, Phrase("remedy.where_requests_go"))
        return
    if "@" in url.partition("://")[2].partition("/")[0]:
        fields.problem(name, Phrase("document.holds_password"), Phrase("remedy.use_key"))
        return
    fields.check_url(url, name)


def _model(models: Fields, name: Any) -> ModelTraits:
    value = models.raw[name]
    if isinstance(value, str):
        return ModelTraits(name=value)
    fields = models.mapping(name)
    fields.check_names(_MODEL_KEYS)
    return _traits(fields, of_model=True)


def _traits(fields: Fields, *, of_model: bool = False) -> ModelTraits:
    mode = fields.choice("mode", ("chat", "completion"), "") if of_model else ""
    return ModelTraits(
        name=fields.text("name") if of_model else "",
        mode=cast(Any, mode or None),
        tools=_flag(fields, "tools"),
        structured_output=_flag(fields, "structured_output"),
        media={kind: fields.boolean(name) for name, kind in _MEDIA.items() if fields.raw.get(name) is not None},
        price=_price(fields.mapping("price")) if fields.raw.get("price") is not None else None,
        context_size=_context_size(fields),
        batch=_texts(fields) if of_model else 0,
        dimensions=fields.integer("dimensions", 0, minimum=0) if of_model else 0,
        query_prefix=fields.text("query_prefix") if of_model else "",
        document_prefix=fields.text("document_prefix") if of_model else "",
        voice=fields.text("voice") if of_model else "",
    )


def _texts(fields: Fields) -> int:
    number = fields.integer("batch", 0, minimum=0)
    if number > _MAX_TEXTS:
        fields.problem("batch", bad_value(fields.shown("batch")), Phrase("remedy.texts_at_most", {"most": _MAX_TEXTS}))
    return number


def _context_size(fields: Fields) -> int:
    value = fields.raw.get("context_size")
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        fields.problem("context_size", bad_value(fields.shown("context_size")), Phrase("remedy.context_size"))
        return 0
    return value


def _price(fields: Fields) -> Price:
    fields.check_names(("prompt", "completion", "currency"))
    amounts = []
    for name in ("prompt", "completion"):
        try:
            amount = Decimal(str(fields.raw.get(name, 0)))
            if not amount.is_finite() or amount < 0:
                raise InvalidOperation
        except InvalidOperation:
            fields.problem(name, bad_value(fields.shown(name)), Phrase("remedy.price"))
            amount = Decimal(0)
        amounts.append(amount)
    return Price(amounts[0], amounts[1], fields.text("currency", "USD"))


def _flag(fields: Fields, name: str) -> bool | None:
    return None if fields.raw.get(name) is None else fields.boolean(name)


def _option(fields: Fields, name: str, folder: Path) -> Any:
    if name in _WHOLE:
        return fields.integer(name, minimum=0)
    value = fields.raw[name]
    if name != "path" or not isinstance(value, str):
        return value
    try:
        return str(folder / Path(value).expanduser())
    except RuntimeError:  # no such user in a ``~user`` path
        fields.problem("path", Phrase("document.no_home", {"value": fields.shown("path")}))
        return value
