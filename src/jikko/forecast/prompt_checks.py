"""Checks of the prompt of an llm node: variables that no run has, or an empty prompt."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.document import NodeEntry
from jikko.forecast.known_variables import KnownVariables
from jikko.forecast.variable_checks import no_variable
from jikko.nodes.model.app_prompt import AppPrompt

if TYPE_CHECKING:
    from jikko.nodes.model.llm import Llm
    from jikko.nodes.model.llm_prompt import PromptText


def diagnose_prompt(node: "Llm", entry: NodeEntry, known: KnownVariables) -> Iterator[Diagnostic]:
    """Variables that are missing, in the order in which the node looks at them."""
    prompt = node.prompt
    if isinstance(prompt, AppPrompt):
        return
    for number, text in enumerate(prompt.texts):
        where = f"{entry.where}.prompt_template" + (f"[{number}].text" if prompt.is_chat else ".text")
        yield from (no_variable(".".join(each), where) for each in text.selectors if known.is_missing(each))
    query = f"{entry.where}.memory.query_prompt_template"
    yield from (no_variable(".".join(each), query) for each in prompt.query.selectors if known.is_missing(each))
    for number, (name, selector) in enumerate(prompt.jinja_variables):
        if known.is_missing(selector):
            yield no_variable(name, f"{entry.where}.prompt_config.jinja2_variables[{number}].value_selector")


def diagnose_empty_prompt(node: "Llm", entry: NodeEntry) -> Iterator[Diagnostic]:
    """A prompt without a word, with which no model is asked."""
    prompt = node.prompt
    if isinstance(prompt, AppPrompt):
        return
    says_nothing = prompt.is_chat and not any(map(_says_something, prompt.texts))
    if says_nothing and not prompt.memory.window and not node.vision.enabled:
        yield Diagnostic("model.empty_prompt", where=f"{entry.where}.prompt_template", severity="will_fail")


def _says_something(text: "PromptText") -> bool:
    """Whether a message may have a text. The parts of a basic one are its text between contexts."""
    return bool(text.jinja) or len(text.segments) > 1 or any(segment.source for segment in text.segments)
