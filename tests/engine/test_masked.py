"""The variables of a run as its record shows them."""

import pytest

from jikko.engine.masked import MaskedVariables, mask
from jikko.engine.subgraph_run import Scope
from jikko.lang.variables import TextBudget
from jikko.values import UNSET, Json, Selector


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("", "", id="nothing of nothing"),
        pytest.param("a", "*" * 20, id="only asterisks of one character"),
        pytest.param("12345678", "*" * 20, id="only asterisks of eight characters"),
        pytest.param("abcdefghij", "abcdef" + "*" * 12 + "ij", id="both ends of a long one"),
        pytest.param("👩‍💻🔐🗝️秘密の鍵", "👩‍💻🔐🗝️" + "*" * 12 + "の鍵", id="characters, not bytes"),
    ],
)
def test_a_mask_has_the_form_that_dify_gives_it(value: str, shown: str) -> None:
    assert mask(value) == shown


@pytest.fixture
def variables() -> MaskedVariables:
    scope = Scope({("loop", "v"): "string"})
    scope.write("env", {"KEY": "a long secret", "PLAIN": "a long secret", "ODD": ["a long secret"]})
    scope.write("n", {"KEY": "a long secret"})
    return MaskedVariables(scope, {"KEY", "ODD", "GONE"}, TextBudget(1_000_000))


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        pytest.param(("env", "KEY"), "a long************et", id="a secret"),
        pytest.param(("env", "PLAIN"), "a long secret", id="another environment variable with the same text"),
        pytest.param(("n", "KEY"), "a long secret", id="a node's variable of the same name"),
        pytest.param(("env", "ODD"), ["a long secret"], id="what is no text is no secret of the file"),
        pytest.param(("env", "KEY", "x"), UNSET, id="within a text is nothing"),
        pytest.param(("env", "GONE"), UNSET, id="no variable"),
        pytest.param(("env",), UNSET, id="no selector"),
        pytest.param((), UNSET, id="an empty selector"),
    ],
)
def test_only_secret_environment_variables_read_as_masks(
    variables: MaskedVariables, selector: Selector, value: Json
) -> None:
    assert variables.get(selector) == value


def test_declared_types_are_those_of_the_variables(variables: MaskedVariables) -> None:
    assert variables.declared_type(("loop", "v")) == "string"
