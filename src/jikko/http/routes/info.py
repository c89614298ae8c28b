"""App information for clients. Source: docs/dify-behaviour.md, “App information”."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid5

import msgspec
from msgspec import UNSET, Struct, UnsetType

from jikko import __version__
from jikko.apps.end_users import ANONYMOUS
from jikko.assemble.assembly import Assembly
from jikko.dsl.document import BASIC_MODES
from jikko.errors import InvalidDocument, NotFound, WrongAppMode
from jikko.http.operation import AppRoute, Route
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response
from jikko.inputs.uploads import WORKSPACE_ID
from jikko.ports.tools import tool_name
from jikko.repositories.app_store import App
from jikko.values import Json, Uuid

_OFF = {"enabled": False}
_SILENT = {"enabled": False, "voice": "", "language": ""}
_FILES_PER_RUN = 10
"""Dify's limit for editors, not enforced for runs. Source: docs/dify-behaviour.md, “Size limits”."""
_WITH_ICONS = ("builtin", "api", "plugin")
"""Kinds of tools with icons."""
_NO_ICON = {"content": "😁", "background": "#252525"}


class Index(Struct):
    """Server information."""

    server_version: str
    welcome: str = "Jikko"
    api_version: str = "v1"


class Info(Struct):
    """App information."""

    name: str
    description: str
    mode: str
    tags: list[str] = []
    author_name: str = ""


class Meta(Struct):
    """Icons of tools, by name."""

    tool_icons: dict[str, Json] = {}


class SystemParameters(Struct):
    """Size limits of files, in MiB, and their number."""

    image_file_size_limit: int
    video_file_size_limit: int
    audio_file_size_limit: int
    file_size_limit: int
    workflow_file_upload_limit: int = _FILES_PER_RUN


class Parameters(Struct):
    """Features of an app, from its file, and its input form."""

    opening_statement: str | None
    suggested_questions: list[Json]
    suggested_questions_after_answer: dict[str, Json]
    speech_to_text: dict[str, Json]
    text_to_speech: dict[str, Json]
    retriever_resource: dict[str, Json]
    more_like_this: dict[str, Json]
    user_input_form: list[dict[str, Json]]
    sensitive_word_avoidance: dict[str, Json]
    file_upload: dict[str, Json]
    system_parameters: SystemParameters
    annotation_reply: dict[str, Json]


class Site(Struct):
    """Web page settings of an app."""

    title: str
    icon_type: str | None
    icon: str | None
    icon_background: str | None
    use_icon_as_answer_icon: bool
    chat_color_theme: str | None = None
    chat_color_theme_inverted: bool = False
    description: str | None = None
    copyright: str | None = None
    privacy_policy: str | None = None
    input_placeholder: str | UnsetType | None = None
    custom_disclaimer: str = ""
    default_language: str = "en-US"
    show_workflow_steps: bool = True
    icon_url: str | None = None


class EndUser(Struct):
    """User who started runs or uploaded files."""

    id: Uuid
    tenant_id: Uuid
    app_id: Uuid
    external_user_id: Annotated[str, msgspec.Meta(description="User of the requests.")]
    is_anonymous: Annotated[bool, msgspec.Meta(description="Whether the requests had no user.")]
    session_id: str
    created_at: Annotated[datetime, msgspec.Meta(tz=True, description="First known use.")]
    updated_at: Annotated[datetime, msgspec.Meta(tz=True)]
    type: str = "service-api"
    name: str | None = None


@Route("GET", "/v1/", {200: Index}, tag="Server", open=True)
async def index(request: Request) -> SendableResponse:
    """Read server information."""
    return json_response(Index(__version__))


@AppRoute("GET", "/v1/info", tag="Applications")
async def app_info(request: Request, app: App) -> Info:
    """Read app information."""
    return Info(app.name, app.description, app.mode)


@AppRoute("GET", "/v1/parameters", (400,), tag="Applications")
async def parameters(request: Request, app: App) -> Parameters:
    """Read the inputs and features of the app's current version."""
    api = request.api
    try:
        workflow = await api.workflows.get(app)
    except (NotFound, InvalidDocument):
        raise WrongAppMode("App unavailable, please check your app configurations.", code="app_unavailable") from None
    features: dict[str, Any] = dict(workflow.document.features)
    start = next((node for node in workflow.document.nodes if node.id == workflow.document.root), None)
    variables = start.data.get("variables") if start is not None and start.type == "start" else None
    speech = features.get("text_to_speech") or _SILENT
    is_basic = app.mode in BASIC_MODES
    opening = features.get("opening_statement")
    form = (
        features.get("user_input_form") if is_basic else [{str(entry.get("type")): entry} for entry in variables or []]
    )

    def feature(name: str, otherwise: dict[str, Json] = _OFF) -> dict[str, Json]:
        found: dict[str, Json] = features.get(name) or otherwise
        # text_to_speech may be a YAML alias in the file: Dify then has one object for both. [QUIRK]
        return {**found, **_SILENT} if found is speech and not (is_basic or found.get("enabled")) else found

    limits = api.files.limits
    most = (limits.max_image, limits.max_video, limits.max_audio, limits.max_other)
    return Parameters(
        opening_statement=opening if is_basic else opening or "",
        suggested_questions=features.get("suggested_questions") or [],
        suggested_questions_after_answer=feature("suggested_questions_after_answer"),
        speech_to_text=feature("speech_to_text"),
        text_to_speech=feature("text_to_speech", _OFF if is_basic else _SILENT),
        retriever_resource=feature("retriever_resource"),
        more_like_this=feature("more_like_this"),
        user_input_form=form or [],
        sensitive_word_avoidance=feature("sensitive_word_avoidance"),
        annotation_reply=await _annotation_reply(api, app) if is_basic else _OFF,
        file_upload=features["shown_file_upload"] if is_basic else feature("file_upload", {}),
        system_parameters=SystemParameters(*(each >> 20 for each in most)),
    )


async def _annotation_reply(api: Assembly, app: App) -> dict[str, Json]:
    setting = await api.chat.annotations.setting(app.id)
    if setting is None:
        return {"enabled": False}
    return {
        "id": str(uuid5(UUID(app.id), "annotation_reply")),
        "enabled": True,
        "score_threshold": setting.threshold,
        "embedding_model": {"embedding_provider_name": setting.provider, "embedding_model_name": setting.model},
    }


@AppRoute("GET", "/v1/meta", tag="Applications")
async def meta(request: Request, app: App) -> Meta:
    """Read icons of tools: those of tool nodes, or of an agent app."""
    api = request.api
    try:
        nodes = (await api.workflows.get(app)).document.nodes
    except (NotFound, InvalidDocument):
        return Meta()
    if app.mode == "agent-chat":
        # As in Dify, disabled ones too.
        [agent] = [node.data for node in nodes if node.type == "agent"]
        entries = agent["agent_parameters"]["tools"]["value"]
    else:
        entries = [{**node.data, "type": ""} for node in nodes if node.type == "tool"]
    icons = {}
    for name in map(tool_name, entries):
        if name.tool and name.provider_type in _WITH_ICONS:
            icon = api.tools.icon(name)
            icons[name.tool] = _NO_ICON if icon is None else icon
    return Meta(icons)


@AppRoute("GET", "/v1/site", tag="Applications")
async def site(request: Request, app: App) -> Site:
    """Read the app's web page settings."""
    found = Site(app.name, app.icon_type, app.icon, app.icon_background, app.use_icon_as_answer_icon)
    if app.mode in BASIC_MODES:
        found.input_placeholder = UNSET
    return found


@AppRoute("GET", "/v1/end-users/{end_user_id}", (404,), tag="End Users", ids=("end_user_id",))
async def end_user(request: Request, app: App) -> EndUser:
    """Read an end user, who started runs or uploaded files."""
    found = await request.api.end_users.find(app.id, request.path_params["end_user_id"])
    created = datetime.fromtimestamp(int(found.created_at), UTC)
    anonymous = found.user == ANONYMOUS
    return EndUser(found.id, WORKSPACE_ID, found.app_id, found.user, anonymous, found.user, created, created)
