"""Annotations. Source: docs/dify-behaviour.md, “Conversations and messages”."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from jikko.dify.bodies import timed_body_from
from jikko.errors import InvalidParam, WrongAppMode
from jikko.http.auth import authenticated
from jikko.http.operation import Route, RouteOfIds
from jikko.http.request_fields import checked, must, queried
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, deleted, json_response
from jikko.ports.stores.annotation_store import Annotation, JobStatus
from jikko.repositories.app_store import App
from jikko.values import Uuid

_MAX_LIMIT: Final = 100
"""Largest page."""
_CHATS: Final = "Annotations require a chat app: the app has another mode."


class AnnotationFilter(Struct):
    """Filter of annotations."""

    page: Annotated[int, Meta(ge=1, description="Default 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description="Default 20; capped at 100.")] = 20
    keyword: Annotated[str, Meta(description="Part of question or answer.")] = ""


class AnnotationRequest(Struct):
    """Question with its prepared answer."""

    question: Annotated[str, Meta(extra=must("must be a string"))]
    answer: Annotated[str, Meta(extra=must("must be a string"))]


class AnnotationItem(Struct):
    """Annotation."""

    id: Uuid
    question: str
    answer: str
    hit_count: Annotated[int, Meta(description="Number of times it was the answer.")]
    created_at: int


class AnnotationPage(Struct):
    """Page of annotations, newest first."""

    data: list[AnnotationItem]
    has_more: Annotated[bool, Meta(description="Whether the page is full.")]
    limit: int
    total: int
    page: int


class ReplyRequest(Struct):
    """Search settings of annotation replies."""

    score_threshold: Annotated[
        float, Meta(description="Minimum similarity, from 0 to 1.", extra=must("must be a number"))
    ]
    embedding_provider_name: Annotated[str, Meta(extra=must("must be a string"))]
    embedding_model_name: Annotated[str, Meta(extra=must("must be a string"))]


class ReplyBegun(Struct):
    """Job that enables or disables annotation replies."""

    job_id: Uuid
    job_status: JobStatus


class ReplyStatus(ReplyBegun):
    """Status of such a job."""

    error_msg: str


@Route("GET", "/v1/apps/annotations", {200: AnnotationPage}, (400,), tag="Annotations", query=AnnotationFilter)
async def list_annotations(request: Request) -> SendableResponse:
    """List annotations, newest first.

    For apps of every mode.
    """
    app = await authenticated(request)
    asked = queried(request.query, AnnotationFilter)
    limit = min(asked.limit, _MAX_LIMIT)
    found, total = await request.api.chat.annotations.page(app.id, asked.keyword, asked.page, limit)
    items = [_item(annotation) for annotation in found]
    return json_response(AnnotationPage(items, len(items) == limit, limit, total, asked.page))


@Route("POST", "/v1/apps/annotations", {201: AnnotationItem}, (503,), tag="Annotations", body=AnnotationRequest)
async def create_annotation(request: Request) -> SendableResponse:
    """Add an annotation."""
    app = await authenticated(request)
    body = checked(await request.json(), AnnotationRequest)
    require_annotated(app)
    return json_response(_item(await request.api.chat.annotations.create(app.id, body.question, body.answer)), 201)


@RouteOfIds(
    "PUT",
    "/v1/apps/annotations/{annotation_id}",
    {200: AnnotationItem},
    (404, 503),
    tag="Annotations",
    body=AnnotationRequest,
)
async def change_annotation(request: Request) -> SendableResponse:
    """Change an annotation."""
    app = await authenticated(request)
    body = checked(await request.json(), AnnotationRequest)
    id_ = request.path_params["annotation_id"]
    return json_response(_item(await request.api.chat.annotations.change(app.id, id_, body.question, body.answer)))


@RouteOfIds(
    "DELETE", "/v1/apps/annotations/{annotation_id}", {204: "application/json"}, (400, 404, 503), tag="Annotations"
)
async def delete_annotation(request: Request) -> SendableResponse:
    """Delete an annotation."""
    app = await authenticated(request)
    await request.api.chat.annotations.delete(app.id, request.path_params["annotation_id"])
    return deleted()


@Route("POST", "/v1/apps/annotation-reply/{action}", {200: ReplyBegun}, (503,), tag="Annotations", body=ReplyRequest)
async def reply(request: Request) -> SendableResponse:
    """Enable or disable annotation replies (action: enable, disable).

    The body is checked for both actions.
    """
    app = await authenticated(request)
    action = _action(request)
    body = checked(await request.json(), ReplyRequest)
    require_annotated(app)
    annotations = request.api.chat.annotations
    if action == "disable":
        return json_response(ReplyBegun((await annotations.end_replies(app.id)).id, "waiting"))
    if not 0 <= body.score_threshold <= 1:
        raise InvalidParam("score_threshold: must lie between 0 and 1")
    if not body.embedding_provider_name or not body.embedding_model_name:
        raise InvalidParam("embedding_provider_name, embedding_model_name: must not be empty")
    job = await annotations.reply(app.id, body.score_threshold, body.embedding_provider_name, body.embedding_model_name)
    return json_response(ReplyBegun(job.id, job.status))


@RouteOfIds(
    "GET", "/v1/apps/annotation-reply/{action}/status/{job_id}", {200: ReplyStatus}, (400, 404), tag="Annotations"
)
async def reply_status(request: Request) -> SendableResponse:
    """Read the status of an enable or disable job."""
    app = await authenticated(request)
    replying = _action(request) == "enable"
    job = await request.api.chat.annotations.job(app.id, request.path_params["job_id"], replying=replying)
    return json_response(ReplyStatus(job.id, job.status, job.error))


def _action(request: Request) -> Literal["enable", "disable"]:
    match request.path_params["action"]:
        case "enable":
            return "enable"
        case "disable":
            return "disable"
    raise InvalidParam("action: must be 'enable' or 'disable'")


def require_annotated(app: App) -> None:
    """Raise ``WrongAppMode`` for workflow apps, which do not have annotations."""
    if app.mode == "workflow":
        raise WrongAppMode(_CHATS, code="app_unavailable")


def _item(annotation: Annotation) -> AnnotationItem:
    return timed_body_from(annotation, AnnotationItem, hit_count=annotation.hits)
