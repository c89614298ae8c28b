"""The node types that Jikko can run: an explicit list, nothing registers itself."""

from typing import Any

from jikko.dsl.types import CONTAINER_STARTS
from jikko.nodes.data.assigner import Assigner
from jikko.nodes.data.code import Code
from jikko.nodes.data.list_operator import ListOperator
from jikko.nodes.data.template_transform import TemplateTransform
from jikko.nodes.data.variable_aggregator import VariableAggregator
from jikko.nodes.files.document_extractor import DocumentExtractor
from jikko.nodes.flow.answer import Answer
from jikko.nodes.flow.end import End
from jikko.nodes.flow.human_input import HumanInput
from jikko.nodes.flow.if_else import IfElse
from jikko.nodes.flow.iteration import Iteration
from jikko.nodes.flow.loop import Loop
from jikko.nodes.flow.pseudo import BodyStart, LoopEnd
from jikko.nodes.flow.start import Start
from jikko.nodes.http.http_request import HttpRequest
from jikko.nodes.model.llm import Llm
from jikko.nodes.model.parameter_extractor import ParameterExtractor
from jikko.nodes.model.question_classifier import QuestionClassifier
from jikko.nodes.tools.tool import ToolNode

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
    ToolNode,
    VariableAggregator,
)

BY_TYPE: dict[str, Any] = {
    **{cls.type: cls for cls in NODE_CLASSES},
    **dict.fromkeys(CONTAINER_STARTS.values(), BodyStart),
}
"""The class of each type name of the DSL. Triggers are entries only: see ``nodes.trigger``."""
