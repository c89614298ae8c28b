"""Status codes by their names: ``codes.ok`` is 200."""

from http import HTTPStatus
from types import SimpleNamespace

codes = SimpleNamespace(**{status.name.lower(): status.value for status in HTTPStatus}, okay=200)
