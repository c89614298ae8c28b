"""The node types that Jikko can run: an explicit list, nothing registers itself."""

from typing import Any

from jikko.dsl.types import CONTAINER_STARTS
from jikko.nodes.answer import Answer
from jikko.nodes.assigner import Assigner
from jikko.nodes.code import Code
from jikko.nodes.document_extractor import DocumentExtractor
from jikko.nodes.end import End
from jikko.nodes.http_request import HttpRequest
from jikko.nodes.human_input import HumanInput
from jikko.nodes.if_else import IfElse
from jikko.nodes.iteration import Iteration
from jikko.nodes.list_operator import ListOperator
from jikko.nodes.llm import Llm
from jikko.nodes.loop import Loop
from jikko.nodes.parameter_extractor import ParameterExtractor
from jikko.nodes.pseudo import BodyStart, LoopEnd
from jikko.nodes.question_classifier import QuestionClassifier
from jikko.nodes.start import Start
from jikko.nodes.template_transform import TemplateTransform
from jikko.nodes.variable_aggregator import VariableAggregator

NODE_CLASSES: tuple[Any, ...] = (
    Answer,
    Assigner,
    Code,
    DocumentExtractor,
    End,
    HttpRequest,
    HumanInput,
    IfElse,
    Iteration,
    ListOperator,
    Llm,
    Loop,
    LoopEnd,
    ParameterExtractor,
    QuestionClassifier,
    Start,
    TemplateTransform,
    VariableAggregator,
)

BY_TYPE: dict[str, Any] = {
    **{cls.type: cls for cls in NODE_CLASSES},
    **dict.fromkeys(CONTAINER_STARTS.values(), BodyStart),
}
"""The class of each type name of the DSL. Triggers are entries only: see ``nodes.trigger``."""
