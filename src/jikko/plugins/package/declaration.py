"""Plugin declarations: manifest, providers, tools, strategies and models, read from YAML into frozen structs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import msgspec

from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.fields import Fields, bad_value
from jikko.dsl.text.yaml_text import LoadLimits, YamlProblem, parse
from jikko.plugins.package.package_archive import Archive, PackageRefused, PublicKey, read_archive, signed_at, trust
from jikko.plugins.package.package_names import is_plugin_name
from jikko.ports.models import Abilities, MediaKind, Mode
from jikko.ports.plugin_models import KnownModel
from jikko.values import Json

Kind: TypeAlias = Literal["tools", "agent_strategies", "models"]

KINDS: Final[Mapping[Kind, str]] = {"tools": "tools", "agent_strategies": "strategies", "models": "models"}
"""Supported kinds, each with the key under which its provider lists them."""
_LIMITS: Final = LoadLimits(max_bytes=1 << 20, max_depth=40, max_values=200_000)
_LANGUAGE: Final = "en_US"


class ParameterDeclaration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    type: str = "string"
    form: str = "llm"
    required: bool = False
    default: Json = None
    options: tuple[str, ...] = ()
    description: str = ""
    """Description for the model; for a credential, its label."""
    models: tuple[str, ...] = ()
    """Kinds of models that need this credential; empty means all."""

    @property
    def is_secret(self) -> bool:
        """True for a credential that is never shown."""
        return self.type == "secret-input"


def with_defaults(
    declared: Iterable[ParameterDeclaration], given: Mapping[str, Json]
) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return credentials with the defaults of missing ones, and the names of required ones that have no value."""
    listed = tuple(declared)
    values = {**{each.name: each.default for each in listed if each.default is not None}, **given}
    return values, tuple(each.name for each in listed if each.required and values.get(each.name) in (None, ""))


class ActionDeclaration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    label: str = ""
    description: str = ""
    """Description for the model."""
    parameters: tuple[ParameterDeclaration, ...] = ()
    features: tuple[str, ...] = ()
    """``history-messages``: the strategy accepts the conversation history."""

    def parameter(self, name: str) -> ParameterDeclaration | None:
        return next((entry for entry in self.parameters if entry.name == name), None)


class ProviderDeclaration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    kind: Kind
    name: str
    label: str = ""
    icon: str = ""
    """File name in ``_assets``."""
    credentials: tuple[ParameterDeclaration, ...] = ()
    actions: tuple[ActionDeclaration, ...] = ()
    models: tuple[KnownModel, ...] = ()

    @property
    def offers(self) -> tuple[str, ...]:
        return (*(action.name for action in self.actions), *(model.name for model in self.models))

    def action(self, name: str) -> ActionDeclaration | None:
        return next((entry for entry in self.actions if entry.name == name), None)


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """A validated package."""

    author: str
    name: str
    version: str
    checksum: str
    """64 hexadecimal digits."""
    label: str = ""
    permissions: tuple[str, ...] = ()
    """Requested permissions: ``tool``, ``storage``, ``model.llm``, …"""
    storage: int = 0
    """Requested storage in bytes."""
    python: str = "3.12"
    entrypoint: str = "main"
    signed_at: int | None = None
    """Seconds since the Unix epoch, as the package claims."""
    created_at: int | None = None
    """Seconds since the Unix epoch, from the manifest."""
    trust: str = "unsigned"
    providers: tuple[ProviderDeclaration, ...] = ()
    unused: tuple[str, ...] = ()
    """Declared sections that Jikko does not run: ``endpoints``, ``triggers``, …"""

    @property
    def id(self) -> str:
        """``author/name``."""
        return f"{self.author}/{self.name}"

    @property
    def identifier(self) -> str:
        """``author/name:version@checksum``, as in workflow files."""
        return f"{self.id}:{self.version}@{self.checksum}"

    def provider(self, kind: Kind, name: str) -> ProviderDeclaration | None:
        """Return the provider of that name, or the plugin's only provider of the kind."""
        listed = [provider for provider in self.providers if provider.kind == kind]
        found = next((provider for provider in listed if provider.name == name), None)
        return found or (listed[0] if len(listed) == 1 else None)


def read_plugin(archive: Archive, *, trust: str, signed_at: int | None) -> Plugin:
    """Read a package's declaration. Raises ``PackageRefused``, naming the missing or invalid fields."""
    files, problems = archive.files, list[Diagnostic]()
    manifest = _fields(files, "manifest.yaml", problems)
    if manifest.text("type", "plugin") != "plugin":
        manifest.problem("type", bad_value(repr(manifest.text("type"))), "only packages of type plugin are installed")
    author, name = manifest.text("author", required=True), manifest.text("name", required=True)
    if author and name and not is_plugin_name(f"{author}/{name}"):
        manifest.problem("name", f"is not a plugin name: {author}/{name}", "lower case letters, digits, _ and -")
    version = manifest.text("version", required=True)
    if version and (len(version) > 64 or not all(letter.isalnum() or letter in ".-+_" for letter in version)):
        manifest.problem("version", f"is {version[:80]!r}, not a version")
    runner = manifest.mapping("meta").mapping("runner")
    language = runner.text("language", "python")
    if language != "python":
        runner.problem("language", bad_value(repr(language)), "only plugins written in Python can be run")
    entrypoint = runner.text("entrypoint", "main")
    if f"{entrypoint.replace('.', '/')}.py" not in files:
        runner.problem("entrypoint", f"is {entrypoint!r}, which is not in the package")
    resource = manifest.mapping("resource")
    listed = manifest.mapping("plugins")
    providers = tuple(
        _provider(kind, files, path, problems)
        for kind in KINDS
        for path in listed.items(kind)
        if _is_path(path, listed, kind)
    )
    unused = tuple(str(key) for key, value in listed.raw.items() if value and key not in KINDS)
    if not providers and not unused:
        manifest.problem("plugins", "lists nothing", "expected tools, agent_strategies or models")
    fatal = [problem for problem in problems if not problem.ok]
    if fatal:
        raise PackageRefused("The package cannot be used:\n  " + "\n  ".join(map(str, fatal[:20])))
    return Plugin(
        author=author,
        name=name,
        version=version,
        checksum=archive.checksum,
        label=_label(manifest.get("label")),
        permissions=_permissions(resource.mapping("permission")),
        storage=resource.mapping("permission").mapping("storage").integer("size", 0, minimum=0),
        python=runner.text("version", "3.12"),
        entrypoint=entrypoint,
        trust=trust,
        signed_at=signed_at,
        created_at=_moment(manifest.get("created_at")),
        providers=providers,
        unused=unused,
    )


def _provider(kind: Kind, files: Mapping[str, bytes], path: str, problems: list[Diagnostic]) -> ProviderDeclaration:
    fields = _fields(files, path, problems)
    if kind == "models":
        return ProviderDeclaration(
            kind=kind,
            name=fields.text("provider", required=True),
            label=_label(fields.get("label")),
            credentials=tuple(_parameter(entry, models) for entry, models in credential_fields(fields)),
            models=tuple(listed_models(fields, files, lambda each: _fields(files, each, problems))),
        )
    identity = fields.mapping("identity")
    credentials = fields.get("credentials_for_provider")
    schema = fields.get("credentials_schema")
    entries: list[Fields] = []
    if isinstance(credentials, Mapping):
        for name in credentials:
            entry = fields.mapping("credentials_for_provider").mapping(name)
            entries.append(Fields(entry.where, {"name": str(name), **entry.raw}, problems))
    elif isinstance(schema, list):
        entries += fields.mappings("credentials_schema")
    key = KINDS[kind]
    return ProviderDeclaration(
        kind=kind,
        name=identity.text("name", required=True),
        label=_label(identity.get("label")),
        icon=identity.text("icon"),
        credentials=tuple(_parameter(entry) for entry in entries),
        actions=tuple(_action(files, each, problems) for each in fields.items(key) if _is_path(each, fields, key)),
    )


def _action(files: Mapping[str, bytes], path: str, problems: list[Diagnostic]) -> ActionDeclaration:
    fields = _fields(files, path, problems)
    identity = fields.mapping("identity")
    description = fields.get("description")
    for_model = description.get("llm") if isinstance(description, Mapping) else None
    return ActionDeclaration(
        name=identity.text("name", required=True),
        label=_label(identity.get("label")),
        description=_label(for_model) or _label(description),
        parameters=tuple(_parameter(entry) for entry in fields.mappings("parameters")),
        features=tuple(str(feature) for feature in fields.items("features")),
    )


def _parameter(fields: Fields, models: tuple[str, ...] = ()) -> ParameterDeclaration:
    return ParameterDeclaration(
        name=fields.text("name", required=True),
        type=fields.text("type", "string"),
        form=fields.text("form", "llm"),
        required=fields.get("required") is True,
        default=fields.get("default"),
        options=tuple(str(option.get("value")) for option in fields.mappings("options")),
        description=(
            _label(fields.get("llm_description"))
            or _label(fields.get("human_description"))
            or _label(fields.get("label"))
        ),
        models=models,
    )


def _permissions(fields: Fields) -> tuple[str, ...]:
    """List enabled permissions (``tool``, ``model.llm``, …); for models, one entry per kind."""
    found = []
    for area in fields.raw:
        entry = fields.mapping(str(area))
        if entry.get("enabled") is not True:
            continue
        kinds = [str(kind) for kind, on in entry.raw.items() if on is True and kind != "enabled"]
        found += [f"{area}.{kind}" for kind in kinds] if area == "model" else [str(area)]
    return tuple(found)


def _is_path(value: Any, fields: Fields, key: str) -> bool:
    if not isinstance(value, str):
        fields.problem(key, "lists something that is not a path")
    return isinstance(value, str)


def _fields(files: Mapping[str, bytes], path: str, problems: list[Diagnostic]) -> Fields:
    empty = Fields(path, {}, problems)
    try:
        if path not in files:
            empty.problem("", "is listed but not in the package")
            return empty
        if len(files[path]) > _LIMITS.max_bytes:
            raise YamlProblem(f"has more than {_LIMITS.max_bytes} bytes")
        raw = parse(files[path].decode(), _LIMITS)
    except (YamlProblem, UnicodeDecodeError) as error:
        empty.problem("", error.what if isinstance(error, YamlProblem) else "is not UTF-8 text")
        return empty
    if isinstance(raw, dict):
        return Fields(path, raw, problems)
    empty.problem("", "is not a YAML mapping")
    return empty


def _label(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get(_LANGUAGE) or next((each for each in value.values() if isinstance(each, str)), "")
    return value if isinstance(value, str) else ""


def _moment(value: Any) -> int | None:
    """Convert a timestamp to seconds since the Unix epoch, or return ``None`` if it is not one."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


_PER_TOKEN: Final = "0.000001"
_MEDIA: Final[Mapping[MediaKind, str]] = {"image": "vision", "audio": "audio", "video": "video", "document": "document"}


def listed_models(provider: Fields, paths: Iterable[str], opened: Callable[[str], Fields]) -> Iterator[KnownModel]:
    """Yield a provider's models by file name. ``paths``: All paths of the package. ``opened``: Reads a YAML file."""
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
    """Yield a provider's credential fields, each with the kinds of models that need it (empty means all).

    A provider with only custom models has the fields of a model instead.
    """
    of_provider, of_model = (provider.mapping(f"{of}_credential_schema") for of in ("provider", "model"))
    for entry in (of_provider if of_provider.raw else of_model).mappings("credential_form_schemas"):
        conditions = [each for each in entry.mappings("show_on") if each.get("variable") == "__model_type"]
        named = Fields(entry.where, {**entry.raw, "name": entry.get("variable")}, entry.problems)
        yield named, tuple(str(condition.get("value")) for condition in conditions)


def read_package(data: bytes, keys: Iterable[PublicKey] = ()) -> tuple[Plugin, Archive]:
    """Read a package. ``keys``: Trusted signers. Raises ``PackageRefused`` if it is invalid."""
    archive = read_archive(data)
    return read_plugin(archive, trust=trust(archive, keys), signed_at=signed_at(archive)), archive
