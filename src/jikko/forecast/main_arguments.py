"""Whether the ``main`` of a Python program can be called with the input variables of its node."""

import ast
from collections.abc import Sequence
from typing import Final

_REBINDING: Final = frozenset({"eval", "exec", "globals", "locals", "setattr", "vars"})
"""Functions by which a program may have another ``main``, without its name."""


def refusal_of_main(tree: ast.Module, given: Sequence[str]) -> str:
    """What Python says when it calls ``main`` with these names; ``""`` if it takes them, or that cannot be told.

    It can be told of a function that is defined once, at the top of the program, and that nothing else may replace.
    """
    mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    if len(mains) != 1 or mains[0].decorator_list:
        return ""
    if any(node is not mains[0] and _may_rebind(node) for node in ast.walk(tree)):
        return ""
    arguments = mains[0].args
    if arguments.posonlyargs:
        return ""
    positional, by_keyword = arguments.args, arguments.kwonlyargs
    known = {each.arg for each in (*positional, *by_keyword)}
    unknown = [name for name in given if name not in known]
    if unknown and arguments.kwarg is None:
        return f"main() got an unexpected keyword argument '{unknown[0]}'"
    needed = [each.arg for each in positional[: len(positional) - len(arguments.defaults)]]
    if missing := [name for name in needed if name not in given]:
        return _missing("positional", missing)
    needed = [each.arg for each, default in zip(by_keyword, arguments.kw_defaults, strict=True) if default is None]
    missing = [name for name in needed if name not in given]
    return _missing("keyword-only", missing) if missing else ""


def _may_rebind(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="main", ctx=ast.Store() | ast.Del()):
            return True
        case ast.Name(id=name):
            return name in _REBINDING
        case ast.alias(name=name, asname=asname):
            return "main" in (asname, name) or name == "*"
        case ast.Global(names=names):
            return "main" in names
        case ast.ClassDef(name="main") | ast.FunctionDef(name="main") | ast.AsyncFunctionDef(name="main"):
            # Such as in a branch.
            return True
        case ast.Attribute(value=ast.Name(id="main")):
            # Such as its ``__defaults__``.
            return isinstance(node.ctx, ast.Store)
        case ast.Attribute(attr="main", ctx=ast.Store() | ast.Del()) | ast.ExceptHandler(name="main"):
            return True
        case ast.MatchAs(name="main") | ast.MatchStar(name="main") | ast.MatchMapping(rest="main"):
            return True
    return False


def _missing(kind: str, names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    *others, last = quoted
    listed = last if not others else f"{', '.join(others)}{',' if len(others) > 1 else ''} and {last}"
    return f"main() missing {len(names)} required {kind} argument{'s' if len(names) > 1 else ''}: {listed}"
