"""Results of if-else nodes recorded from a Dify 1.15 server: docs/dify-behaviour.md, “If-else”.

Each block has the variables, and a row for each condition: selector, operator, value, and result or error.
"""

from typing import Any, Final

from jikko.lang.variable_conditions import SubCondition, SubConditions
from jikko.values import FILE_IDENTITY


def _file(name: str, mime_type: str, size: int) -> dict[str, Any]:
    return {
        "dify_model_identity": FILE_IDENTITY,
        "type": "document",
        "transfer_method": "local_file",
        "filename": name,
        "extension": name[name.rindex(".") :],
        "mime_type": mime_type,
        "size": size,
        "related_id": "7c1f",
        "url": f"http://files/{name}",
    }


_TEXT: Final = _file("a.txt", "text/plain", 26)
_MARKDOWN: Final = _file("b.md", "text/markdown", 52)
_CODE: Final = {
    "sa": ["a", "bb", "c c"],
    "na": [1, 2.5, 3],
    "oa": [{"k": 1}, {"k": 2}],
    "ba": [True, False],
    "e": [],
    "o": {"k": {"d": "deep"}, "n": 7},
    "f": 0.1,
    "i": 10,
    "b": False,
    "s": "",
}
_EXTENSION: Final = SubConditions("and", (SubCondition("extension", "contains", "md"),))
_TYPE: Final = SubConditions("and", (SubCondition("type", "in", ["document"]),))

SUB_CONDITIONS: Final = {"contains": _EXTENSION, "not contains": _EXTENSION, "all of": _TYPE}
"""By operator of the parent condition on a file list."""

Row = tuple[str, str, Any, bool | str]
Block = tuple[dict[str, Any], list[Row]]

OBSERVED: Final[dict[str, Block]] = {
    "ifelse_array": (
        {"start": {"s": "x", "b": None}, "c": _CODE},
        [
            ("c.sa", "contains", "a", True),
            ("c.sa", "contains", "b", False),
            ("c.sa", "not contains", "a", False),
            ("c.sa", "not contains", "z", True),
            ("c.sa", "empty", "", False),
            ("c.sa", "not empty", "", True),
            ("c.e", "empty", "", True),
            ("c.e", "not empty", "", False),
            ("c.e", "contains", "a", False),
            ("c.na", "contains", "1", False),
            ("c.na", "contains", "2.5", False),
            ("c.na", "not contains", "9", True),
            ("c.ba", "contains", True, True),
            ("c.ba", "not contains", False, False),
            ("c.oa", "empty", "", False),
            ("c.oa", "not empty", "", True),
            ("c.o", "empty", "", False),
            ("c.o", "not empty", "", True),
            ("c.o.n", "=", "7", True),
            ("c.o.k.d", "is", "deep", True),
            ("c.sa", "null", "", False),
            ("c.sa", "not null", "", True),
            ("c.b", "is", False, True),
            ("c.s", "empty", "", True),
            ("c.i", "≥", "10", True),
            ("c.f", "=", "0.1", True),
        ],
    ),
    "ifelse_bool": (
        {"start": {"b": True}},
        [
            ("start.b", "is", True, True),
            ("start.b", "is", False, False),
            ("start.b", "is not", True, False),
            ("start.b", "is not", False, True),
            ("start.b", "null", "", "Expecting value: line 1 column 1 (char 0)"),
            ("start.b", "not null", "", "Expecting value: line 1 column 1 (char 0)"),
            ("start.b", "empty", "", "Expecting value: line 1 column 1 (char 0)"),
            ("start.b", "not empty", "", "Expecting value: line 1 column 1 (char 0)"),
        ],
    ),
    "ifelse_bool2": (
        {"start": {"b": True}},
        [
            ("start.b", "is", True, True),
            ("start.b", "is", False, False),
            ("start.b", "is not", True, False),
            ("start.b", "is not", False, True),
            ("start.b", "=", "true", True),
            ("start.b", "=", "1", True),
            ("start.b", "≠", "false", True),
            ("start.b", "is", "true", True),
            ("start.b", "is", "false", False),
            ("start.b", "null", None, False),
            ("start.b", "not null", None, True),
            ("start.b", "empty", None, False),
            ("start.b", "not empty", None, True),
        ],
    ),
    "ifelse_bool2__false": (
        {"start": {"b": False}},
        [
            ("start.b", "is", True, False),
            ("start.b", "is", False, True),
            ("start.b", "is not", True, True),
            ("start.b", "is not", False, False),
            ("start.b", "=", "true", False),
            ("start.b", "=", "1", False),
            ("start.b", "≠", "false", False),
            ("start.b", "is", "true", False),
            ("start.b", "is", "false", True),
            ("start.b", "null", None, False),
            ("start.b", "not null", None, True),
            ("start.b", "empty", None, True),
            ("start.b", "not empty", None, False),
        ],
    ),
    "ifelse_err_missing_empty": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.missing", "empty", "", "Variable ['start', 'missing'] not found"),
        ],
    ),
    "ifelse_err_missing_notexists": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.missing", "not exists", "", "Variable ['start', 'missing'] not found"),
        ],
    ),
    "ifelse_err_missing_var": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.missing", "is", "x", "Variable ['start', 'missing'] not found"),
        ],
    ),
    "ifelse_err_num_contains": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.n", "contains", "5", "Invalid actual value type: string or array"),
        ],
    ),
    "ifelse_err_num_gt_text": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.n", ">", "abc", "Cannot convert 'abc' to number"),
        ],
    ),
    "ifelse_err_num_in": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.n", "in", ["5"], False),
        ],
    ),
    "ifelse_err_num_is": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.n", "is", "5", "Invalid actual value type: string or boolean"),
        ],
    ),
    "ifelse_err_str_eq_num": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.s", "=", "1", "Invalid actual value type: number or boolean"),
        ],
    ),
    "ifelse_err_str_gt": (
        {"start": {"s": "hello", "n": 5}},
        [
            ("start.s", ">", "1", "Invalid actual value type: number"),
        ],
    ),
    "ifelse_file": (
        {"start": {"f": _TEXT, "fl": [_TEXT, _MARKDOWN]}},
        [
            ("start.f", "exists", "", True),
            ("start.f", "not exists", "", False),
            ("start.f.name", "contains", "a", True),
            ("start.f.extension", "is", ".txt", True),
            ("start.f.type", "in", ["document"], True),
            ("start.f.size", ">", "1", True),
            ("start.f.mime_type", "is", "text/plain", True),
            ("start.f.transfer_method", "in", ["local_file"], True),
            ("start.fl", "empty", "", False),
            ("start.fl", "not empty", "", True),
            ("start.fl", "contains", "", True),
            ("start.fl", "not contains", "", True),
            ("start.fl", "all of", "", True),
        ],
    ),
    "ifelse_file__absent": (
        {"start": {"f": None, "fl": None}},
        [
            ("start.f", "exists", "", False),
            ("start.f", "not exists", "", True),
            ("start.f.name", "contains", "a", "Variable ['start', 'f', 'name'] not found"),
            ("start.f.extension", "is", ".txt", "Variable ['start', 'f', 'extension'] not found"),
            ("start.f.type", "in", ["document"], "Variable ['start', 'f', 'type'] not found"),
            ("start.f.size", ">", "1", "Variable ['start', 'f', 'size'] not found"),
            ("start.f.mime_type", "is", "text/plain", "Variable ['start', 'f', 'mime_type'] not found"),
            ("start.f.transfer_method", "in", ["local_file"], "Variable ['start', 'f', 'transfer_method'] not found"),
            ("start.fl", "empty", "", True),
            ("start.fl", "not empty", "", False),
            ("start.fl", "contains", "", False),
            ("start.fl", "not contains", "", True),
            ("start.fl", "all of", "", "all of operator expects homogeneous list of strings or booleans"),
        ],
    ),
    "ifelse_number": (
        {"start": {"n": 5, "m": 4}},
        [
            ("start.n", "=", "5", True),
            ("start.n", "=", "5.0", "invalid literal for int() with base 10: '5.0'"),
            ("start.n", "≠", "5", False),
            ("start.n", "≠", "6", True),
            ("start.n", ">", "4", True),
            ("start.n", ">", "5", False),
            ("start.n", "<", "6", True),
            ("start.n", "<", "5", False),
            ("start.n", "≥", "5", True),
            ("start.n", "≤", "5", True),
            ("start.n", "≥", "5.5", False),
            ("start.n", "null", "", False),
            ("start.n", "not null", "", True),
            ("start.n", "empty", "", False),
            ("start.n", "not empty", "", True),
            ("start.n", ">", "{{#start.m#}}", True),
            ("start.n", "=", "{{#start.m#}}", False),
            ("start.n", "<", "{{#start.m#}}", False),
        ],
    ),
    "ifelse_number2": (
        {"start": {"n": 5, "m": 4}},
        [
            ("start.n", "=", "5", True),
            ("start.n", "≠", "5", False),
            ("start.n", ">", "4.5", True),
            ("start.n", "<", "5.5", True),
            ("start.n", "≥", "5", True),
            ("start.n", "≤", "4", False),
            ("start.n", ">", "{{#start.m#}}", True),
            ("start.n", "null", "", False),
            ("start.n", "not null", "", True),
            ("start.n", "empty", "", False),
            ("start.n", "not empty", "", True),
        ],
    ),
    "ifelse_number__float": (
        {"start": {"n": 5.5, "m": 5.5}},
        [
            ("start.n", "=", "5", False),
            ("start.n", "=", "5.0", False),
            ("start.n", "≠", "5", True),
            ("start.n", "≠", "6", True),
            ("start.n", ">", "4", True),
            ("start.n", ">", "5", True),
            ("start.n", "<", "6", True),
            ("start.n", "<", "5", False),
            ("start.n", "≥", "5", True),
            ("start.n", "≤", "5", False),
            ("start.n", "≥", "5.5", True),
            ("start.n", "null", "", False),
            ("start.n", "not null", "", True),
            ("start.n", "empty", "", False),
            ("start.n", "not empty", "", True),
            ("start.n", ">", "{{#start.m#}}", False),
            ("start.n", "=", "{{#start.m#}}", True),
            ("start.n", "<", "{{#start.m#}}", False),
        ],
    ),
    "ifelse_number__neg": (
        {"start": {"n": -1, "m": -2}},
        [
            ("start.n", "=", "5", False),
            ("start.n", "=", "5.0", "invalid literal for int() with base 10: '5.0'"),
            ("start.n", "≠", "5", True),
            ("start.n", "≠", "6", True),
            ("start.n", ">", "4", False),
            ("start.n", ">", "5", False),
            ("start.n", "<", "6", True),
            ("start.n", "<", "5", True),
            ("start.n", "≥", "5", False),
            ("start.n", "≤", "5", True),
            ("start.n", "≥", "5.5", False),
            ("start.n", "null", "", False),
            ("start.n", "not null", "", True),
            ("start.n", "empty", "", False),
            ("start.n", "not empty", "", True),
            ("start.n", ">", "{{#start.m#}}", True),
            ("start.n", "=", "{{#start.m#}}", False),
            ("start.n", "<", "{{#start.m#}}", False),
        ],
    ),
    "ifelse_number__zero": (
        {"start": {"n": 0, "m": 0}},
        [
            ("start.n", "=", "5", False),
            ("start.n", "=", "5.0", "invalid literal for int() with base 10: '5.0'"),
            ("start.n", "≠", "5", True),
            ("start.n", "≠", "6", True),
            ("start.n", ">", "4", False),
            ("start.n", ">", "5", False),
            ("start.n", "<", "6", True),
            ("start.n", "<", "5", True),
            ("start.n", "≥", "5", False),
            ("start.n", "≤", "5", True),
            ("start.n", "≥", "5.5", False),
            ("start.n", "null", "", False),
            ("start.n", "not null", "", True),
            ("start.n", "empty", "", True),
            ("start.n", "not empty", "", False),
            ("start.n", ">", "{{#start.m#}}", False),
            ("start.n", "=", "{{#start.m#}}", True),
            ("start.n", "<", "{{#start.m#}}", False),
        ],
    ),
    "ifelse_number_absent": (
        {"start": {"n": None, "m": None}},
        [
            ("start.n", "null", "", True),
            ("start.n", "not null", "", False),
            ("start.n", "empty", "", True),
            ("start.n", "not empty", "", False),
            ("start.n", "=", "5", False),
            ("start.n", ">", "5", False),
            ("start.n", "≠", "5", False),
        ],
    ),
    "ifelse_string": (
        {"start": {"s": "hello", "s2": "hello"}},
        [
            ("start.s", "contains", "ell", True),
            ("start.s", "contains", "ELL", False),
            ("start.s", "contains", "", True),
            ("start.s", "not contains", "ell", False),
            ("start.s", "not contains", "zzz", True),
            ("start.s", "start with", "he", True),
            ("start.s", "start with", "lo", False),
            ("start.s", "end with", "lo", True),
            ("start.s", "end with", "he", False),
            ("start.s", "is", "hello", True),
            ("start.s", "is", "Hello", False),
            ("start.s", "is not", "hello", False),
            ("start.s", "is not", "x", True),
            ("start.s", "empty", "", False),
            ("start.s", "not empty", "", True),
            ("start.s", "in", ["hello", "x"], True),
            ("start.s", "in", ["x"], False),
            ("start.s", "not in", ["hello"], False),
            ("start.s", "not in", ["x"], True),
            ("start.s", "null", "", False),
            ("start.s", "not null", "", True),
            ("start.s", "is", "{{#start.s2#}}", True),
            ("start.s", "contains", "{{#start.s2#}}", True),
            ("start.s2", "empty", "", False),
            ("start.s2", "null", "", False),
            ("start.s2", "not null", "", True),
            ("start.s2", "contains", "a", False),
            ("start.s2", "is", "", False),
        ],
    ),
}
