"""Schemas of apps in the console."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.console.canvas import Graph
from jikko.console.forecast_cache import AppForecast
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dify.bodies import body_from
from jikko.dsl.document import AppMode
from jikko.dsl.start_variables import StartVariable
from jikko.events import RunStatus
from jikko.http.console.run_bodies import Icon
from jikko.values import Json, Moment, Uuid

PARAMS: Final = "Texts, numbers, or nested phrases with `code` and `params`."


class PhraseBody(Struct):
    """Text of the catalogue, which the page translates."""

    code: str
    params: Annotated[dict[str, Json], Meta(description=PARAMS)]


class Problem(Struct):
    """Diagnostic of `jikko check`."""

    level: Literal["error", "will_fail", "may_fail", "warning"]
    path: str
    problem: str
    hint: str
    code: str
    params: Annotated[dict[str, Json], Meta(description=PARAMS)]
    note: Annotated[str, Meta(description="Code of a second clause, or empty.")]
    remedy: Annotated[PhraseBody | None, Meta(description="The hint.")]
    node_id: str | UnsetType = UNSET


class ProblemCounts(Struct):
    """Number of findings of `jikko check`."""

    errors: Annotated[int, Meta(description="Problems that make every run fail.")]
    warnings: int


class Version(Struct):
    workflow_id: Uuid
    number: int
    published_at: Moment


class LastRun(Struct):
    """Summary of a run."""

    id: Uuid
    status: RunStatus
    elapsed: float


class Day(Struct):
    """Runs of the last 24 hours."""

    runs: int
    by_status: Mapping[RunStatus, int]
    p50: Annotated[float | None, Meta(description="Duration of the newest 200 in seconds; null: none ended.")]
    p95: float | None


class AppFields(Struct, kw_only=True):
    """Common fields of both forms of an app."""

    id: Uuid
    name: str
    mode: AppMode
    description: str
    icon: Icon
    nodes: int
    version: Version
    versions: int
    last_runs: Annotated[list[LastRun], Meta(description="Newest first.")]
    day: Day
    last_at: Moment | None


class App(AppFields, kw_only=True):
    """App in the list."""

    problems: ProblemCounts


class FormVariable(Struct):
    """Input of the start node."""

    name: str
    label: str
    type: str
    required: bool
    hide: bool
    default: Json
    description: str
    max_length: Annotated[int, Meta(description="Characters, or files; 0: no limit.")]
    options: list[str]
    allowed_file_types: list[str]
    allowed_file_extensions: list[str]
    allowed_file_upload_methods: list[str]
    json_schema: dict[str, Json] | None


class ModelUse(Struct):
    """Model that the workflow calls."""

    provider: str
    model: str
    nodes: list[str]
    ok: bool


class AppFull(AppFields, kw_only=True):
    """App, or one version of it, as its page shows it."""

    problems: list[Problem]
    graph: Graph
    form: list[FormVariable]
    features: dict[str, Json]
    models: list[ModelUse]


def phrase_body(phrase: Phrase | None) -> PhraseBody | None:
    return None if phrase is None else PhraseBody(phrase.code, phrase.plain())


def problem_of(diagnostic: Diagnostic) -> Problem:
    return Problem(
        "warning" if diagnostic.severity == "ok" else diagnostic.severity,
        diagnostic.where,
        diagnostic.text(),
        diagnostic.advice(),
        diagnostic.code,
        diagnostic.plain(),
        diagnostic.note,
        phrase_body(diagnostic.remedy),
        diagnostic.node or UNSET,
    )


def counts_of(forecast: AppForecast) -> ProblemCounts:
    errors = len(forecast.failing)
    return ProblemCounts(errors, len(forecast.findings) - errors)


def form_of(variables: tuple[StartVariable, ...]) -> list[FormVariable]:
    return [body_from(variable, FormVariable) for variable in variables]


def models_of(forecast: AppForecast) -> list[ModelUse]:
    return [ModelUse(use.need.provider, use.need.model, list(use.nodes), use.ok) for use in forecast.models]
