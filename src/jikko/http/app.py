"""The ASGI application."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from jikko.errors import JikkoError
from jikko.http.errors import http_error, jikko_error, unexpected_error
from jikko.http.routes import info, records, runs
from jikko.http.state import Api


def create_app(api: Api) -> Starlette:
    """The application that serves an assembled API."""
    application = Starlette(
        routes=_routes(),
        exception_handlers={
            JikkoError: jikko_error,
            HTTPException: http_error,
            Exception: unexpected_error,
        },
    )
    # Dify knows no address with a slash behind it.
    application.router.redirect_slashes = False
    application.state.api = api
    return application


def _routes() -> list[Route]:
    run = "/v1/workflows/run/{workflow_run_id}"
    return [
        Route("/v1/workflows/run", runs.run_current, methods=["POST"]),
        Route("/v1/workflows/logs", records.logs, methods=["GET"]),
        Route(run, runs.run_detail, methods=["GET"]),
        Route(f"{run}/node-executions", records.node_executions, methods=["GET"]),
        Route(f"{run}/node-executions/{{node_execution_id}}", records.node_execution, methods=["GET"]),
        Route(f"{run}/events", records.run_events, methods=["GET"]),
        Route(f"{run}/stop", runs.stop_run, methods=["POST"]),
        Route("/v1/workflows/{workflow_id}/run", runs.run_version, methods=["POST"]),
        Route("/v1/workflows/tasks/{task_id}/stop", runs.stop_task, methods=["POST"]),
        Route("/v1/workflow/{workflow_run_id}/events", records.attach, methods=["GET"]),
        Route("/v1/info", info.app_info, methods=["GET"]),
        Route("/v1/parameters", info.parameters, methods=["GET"]),
        Route("/v1/meta", info.meta, methods=["GET"]),
        Route("/v1/site", info.site, methods=["GET"]),
        Route("/v1/end-users/{end_user_id}", info.end_user, methods=["GET"]),
        Route("/v1/chat-messages", info.chat, methods=["POST"]),
        Route("/v1/completion-messages", info.completion, methods=["POST"]),
        Route("/v1/", info.index, methods=["GET"]),
        Route("/health", info.health, methods=["GET"]),
    ]
