"""Renders a Jinja2 template as ``jinja2.Template`` does."""

import json
import marshal
from types import CodeType
from typing import Any, Final

import jinja2
import jinja2.constants
import jinja2.debug
import jinja2.ext
import jinja2.meta
import jinja2.nativetypes
import jinja2.sandbox

from jikko.sandbox.languages.failure import LIMIT_ERROR, ProgramFailed, describe
from jikko.sandbox.wire import MAX_BLOCK

FILENAME: Final = "<template>"

_WARM_UP: Final = (
    "{% set ns = namespace(t=0) %}{% for x in items %}{% set ns.t = ns.t + x.n %}- {{ loop.index }}. "
    "{{ x.name|upper }} {{ '%.2f'|format(x.n) }}{% endfor %}{{ d|tojson }}{% for k, v in d.items() %}{{ k }}={{ v }}"
    "{% endfor %}{{ s.split(',')[0].strip() }}{% if a %}{% else %}{% endif %}{% macro m(a, b=2) %}{{ a }}{% endmacro %}"
    "{{ m(1) }}{{ zz|default('x')|join(',') }}"
)


class Renderer:
    """Compiles and renders templates. One per fork server; each child uses its own copy."""

    def __init__(self) -> None:
        # Not the immutable kind: `{% set _ = list.append(x) %}` is a common idiom, and jinja2.Template allows it.
        # The sandbox of Jinja2 is not what protects us; it keeps a template from reaching into its own process.
        self._environment = jinja2.sandbox.SandboxedEnvironment(cache_size=0)
        # The sandbox would cap it at 100,000. Here the time and memory limits do.
        self._environment.globals["range"] = range
        self._warm_up_block = b""
        for _ in range(3):
            _, self._warm_up_block = self.render(_WARM_UP, self._warm_up_variables(), b"")
            self.warm_up()

    def render(self, source: str, variables: dict[str, Any], block: bytes) -> tuple[str, bytes]:
        """Render a template.

        Args:
            block: What an earlier call returned for the same source, to save the compilation; ``b""`` without one.

        Returns:
            The text as JSON, and the compiled template; ``b""`` when one was passed in or it is too large.

        Raises:
            ProgramFailed: The template is wrong, or an expression in it failed.
        """
        compiled = b""
        try:
            if block:
                code: CodeType = marshal.loads(block)
            else:
                code = self._environment.compile(source, filename=FILENAME)
                compiled = marshal.dumps(code)
            template = jinja2.Template.from_code(self._environment, code, self._environment.make_globals(None))
            text = template.render(variables)
        except MemoryError:
            raise ProgramFailed("memory", LIMIT_ERROR) from None
        except jinja2.TemplateSyntaxError as error:
            name = f"{type(error).__module__}.{type(error).__name__}"
            raise ProgramFailed(f"{name}: {error.message} (line {error.lineno})") from None
        except BaseException as error:
            raise ProgramFailed(describe(error, FILENAME)) from None
        return json.dumps(text, ensure_ascii=False), compiled if len(compiled) <= MAX_BLOCK else b""

    def warm_up(self) -> None:
        """Touch the memory that rendering needs, before a job waits."""
        self.render("", self._warm_up_variables(), self._warm_up_block)

    @staticmethod
    def _warm_up_variables() -> dict[str, Any]:
        return {"items": [{"name": "n", "n": 1.5}], "d": {"a": 1}, "s": "a,b", "a": 0}
