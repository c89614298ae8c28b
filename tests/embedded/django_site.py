"""Django application beside flows."""

from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from jikko import App


class Urls:
    """Of the Django application; a test sets the flows."""

    flows: App

    @staticmethod
    async def key(request: HttpRequest, name: str) -> HttpResponse:
        return HttpResponse(f'"{await Urls.flows.key(name)}"')

    @staticmethod
    async def own(request: HttpRequest) -> HttpResponse:
        return HttpResponse('"own"')


urlpatterns = [path("key/<str:name>", Urls.key), path("", Urls.own)]


def django_app(flows: App) -> Any:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", USE_TZ=True)
        django.setup()
    Urls.flows = flows
    site = get_asgi_application()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/flows/"):
            await flows({**scope, "root_path": "/flows"}, receive, send)
        elif scope["type"] == "lifespan":
            await flows(scope, receive, send)
        else:
            await site(scope, receive, send)

    return application
