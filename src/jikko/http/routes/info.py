"""What a client can learn of an app. Source: Dify 1.15, spec/service-api.md §7."""

import os
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from jikko.apps.end_users import ANONYMOUS
from jikko.dify import events as wire
from jikko.errors import InvalidDocument, InvalidParam, NotFound, WrongAppMode
from jikko.http.api import api_of, authenticated
from jikko.http.errors import JsonResponse
from jikko.ids import is_uuid
from jikko.inputs.uploads import WORKSPACE_ID

_OFF = {"enabled": False}
_FILES_PER_RUN = 10
"""What Dify tells editors; runs are not held to it. Source: spec/variables.md §10."""
_NO_UPLOAD = {
    "image": {
        "enabled": False,
        "number_limits": 3,
        "detail": "high",
        "transfer_methods": ["remote_url", "local_file"],
    }
}


async def index(request: Request) -> Response:
    """``GET /v1/``: what this is."""
    api = api_of(request)
    return JsonResponse(wire.encode({"welcome": "Jikko", "api_version": "v1", "server_version": api.version}))


async def health(request: Request) -> Response:
    """``GET /health``: 200 as soon as runs are accepted. Tells which process answers: there may be several."""
    return JsonResponse(wire.encode({"status": "ok", "version": api_of(request).version, "process": os.getpid()}))


async def app_info(request: Request) -> Response:
    """``GET /v1/info``."""
    _, app = await authenticated(request)
    return JsonResponse(
        wire.encode(
            {
                "name": app.name,
                "description": app.description,
                "tags": [],
                "mode": app.mode,
                "author_name": "",
            }
        )
    )


async def parameters(request: Request) -> Response:
    """``GET /v1/parameters``: the features of the current version, and the inputs that it asks for."""
    api, app = await authenticated(request)
    try:
        workflow = await api.workflows.get(app)
    except (NotFound, InvalidDocument):
        raise WrongAppMode("App unavailable, please check your app configurations.", code="app_unavailable") from None
    features: dict[str, Any] = dict(workflow.document.features)
    start = next((node for node in workflow.document.nodes if node.id == workflow.document.root), None)
    variables = start.data.get("variables") if start is not None and start.type == "start" else None
    speech = features.get("text_to_speech") or {}
    upload = api.file_limits
    return JsonResponse(
        wire.encode(
            {
                "opening_statement": features.get("opening_statement") or "",
                "suggested_questions": features.get("suggested_questions") or [],
                "suggested_questions_after_answer": features.get("suggested_questions_after_answer") or _OFF,
                "speech_to_text": features.get("speech_to_text") or _OFF,
                "text_to_speech": {"enabled": False, "voice": "", "language": "", **speech},
                "retriever_resource": features.get("retriever_resource") or _OFF,
                "annotation_reply": _OFF,
                "more_like_this": features.get("more_like_this") or _OFF,
                "user_input_form": [{str(entry.get("type")): entry} for entry in variables or []],
                "sensitive_word_avoidance": features.get("sensitive_word_avoidance") or _OFF,
                "file_upload": features.get("file_upload") or _NO_UPLOAD,
                "system_parameters": {
                    "image_file_size_limit": upload.max_image >> 20,
                    "video_file_size_limit": upload.max_video >> 20,
                    "audio_file_size_limit": upload.max_audio >> 20,
                    "file_size_limit": upload.max_other >> 20,
                    "workflow_file_upload_limit": _FILES_PER_RUN,
                },
            }
        )
    )


async def meta(request: Request) -> Response:
    """``GET /v1/meta``: icons of tools; there are none."""
    await authenticated(request)
    return JsonResponse(wire.encode({"tool_icons": {}}))


async def site(request: Request) -> Response:
    """``GET /v1/site``: how the app would look as a page."""
    _, app = await authenticated(request)
    return JsonResponse(
        wire.encode(
            {
                "title": app.name,
                "chat_color_theme": None,
                "chat_color_theme_inverted": False,
                "icon_type": app.icon_type,
                "icon": app.icon,
                "icon_background": app.icon_background,
                "description": None,
                "copyright": None,
                "privacy_policy": None,
                "input_placeholder": None,
                "custom_disclaimer": "",
                "default_language": "en-US",
                "show_workflow_steps": True,
                "use_icon_as_answer_icon": app.use_icon_as_answer_icon,
                "icon_url": None,
            }
        )
    )


async def end_user(request: Request) -> Response:
    """``GET /v1/end-users/{end_user_id}``: who started a run or uploaded a file."""
    api, app = await authenticated(request)
    end_user_id = request.path_params["end_user_id"]
    if not is_uuid(end_user_id):
        raise HTTPException(404)
    found = await api.end_users.find(app.id, end_user_id)
    created = datetime.fromtimestamp(int(found.created_at), UTC).isoformat().replace("+00:00", "Z")
    return JsonResponse(
        wire.encode(
            {
                "id": found.id,
                "tenant_id": WORKSPACE_ID,
                "app_id": found.app_id,
                "type": "service-api",
                "external_user_id": found.user,
                "name": None,
                "is_anonymous": found.user == ANONYMOUS,
                "session_id": found.user,
                "created_at": created,
                "updated_at": created,
            }
        )
    )


async def audio_to_text(request: Request) -> Response:
    """``POST /v1/audio-to-text``: no app of this version has speech."""
    await authenticated(request)
    raise WrongAppMode("Speech to text is disabled.", code="speech_to_text_disabled")


async def text_to_audio(request: Request) -> Response:
    """``POST /v1/text-to-audio``: no app of this version has speech."""
    await authenticated(request)
    raise InvalidParam("TTS is not enabled")


async def chat(request: Request) -> Response:
    """Chat end points: for apps of another mode."""
    _, app = await authenticated(request)
    if app.mode == "workflow":
        raise WrongAppMode("Please check if your app mode matches the right API route.", code="not_chat_app")
    raise WrongAppMode("Chat is not served by this version of Jikko.", code="app_unavailable")


async def completion(request: Request) -> Response:
    """Completion end points: for apps of another mode."""
    await authenticated(request)
    raise WrongAppMode("App unavailable, please check your app configurations.", code="app_unavailable")
