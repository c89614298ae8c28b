"""Static checks of Python code: missing modules, and syntax errors."""

import ast
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.forecast.outcome import will_fail
from jikko.sandbox.languages.refusals import module_advice

_REBINDING: Final = frozenset({"eval", "exec", "globals", "locals", "setattr", "vars"})
"""Functions by which a program may rebind ``main`` without naming it."""


def refusal_of_main(tree: ast.Module, given: Sequence[str]) -> str:
    """Return Python's error when it calls ``main`` with these names; ``""`` if it accepts them, or that is uncertain.

    It is certain for a function that is defined once, at the top of the program, and never rebound.
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
            # For example in a branch.
            return True
        case ast.Attribute(value=ast.Name(id="main")):
            # For example its ``__defaults__``.
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


_CATCHES: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_MAX_LISTED_MODULES: Final = 10
"""Maximum number of reported modules per program."""


_TESTS: Final = (
    *(ast.BoolOp, ast.Compare, ast.UnaryOp, ast.If, ast.IfExp, ast.While, ast.Match, ast.Assert),
    *(ast.comprehension, ast.Call, ast.keyword),
)


def _uses_of_null(tree: ast.Module, names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield those arguments of ``main`` that fail if they are ``None``, with the line.

    They are added, or have attributes or items; those that the program tests, passes on, sets, or names in a ``try`` or
    ``with`` are left out.
    """
    used: dict[str, int] = {}
    safe: set[str] = set()
    mains = [node for node in tree.body if names and isinstance(node, ast.FunctionDef) and node.name == "main"]
    for node in (inner for main in mains for inner in ast.walk(main)):
        operands: Sequence[ast.AST] = ()
        match node:
            case ast.Attribute(value=value) | ast.Subscript(value=value):
                operands = (value,)
            case ast.BinOp(left=left, right=right, op=op) if not isinstance(op, ast.Mod):
                operands = left, right
            case ast.Try() | ast.With():
                safe.update(one.id for one in ast.walk(node) if isinstance(one, ast.Name))
            case ast.Name(id=name, ctx=ast.Store()):
                safe.add(name)
            case ast.FunctionDef() | ast.Lambda() if node not in mains:
                safe.update(one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg))
            case _ if isinstance(node, _TESTS):
                safe.update(one.id for one in ast.iter_child_nodes(node) if isinstance(one, ast.Name))
        for one in operands:
            if isinstance(one, ast.Name):
                used[one.id] = min(one.lineno, used.get(one.id, one.lineno))
    yield from ((name, used[name]) for name in names if name in used and name not in safe)


def _incomplete_return(tree: ast.Module, outputs: Sequence[str]) -> tuple[int, str] | None:
    """Return line and output of the first ``return`` of ``main`` whose literal lacks a declared output."""
    mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    pending: list[ast.AST] = [line for main in mains[-1:] for line in main.body]
    found: list[tuple[int, str]] = []
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                continue
            case ast.Return(value=ast.Dict(keys=keys)):
                if all(isinstance(key, ast.Constant) for key in keys):
                    written = {key.value for key in keys if isinstance(key, ast.Constant)}
                    found += [(node.lineno, name) for name in outputs if name not in written]
            case ast.Return(value=None | ast.Constant() | ast.JoinedStr() | ast.List()):
                found += [(node.lineno, name) for name in outputs]
        pending += ast.iter_child_nodes(node)
    return min(found, default=None, key=lambda each: each[0])


def diagnose_python(
    code: str,
    where: str,
    has_module: Callable[[str], bool],
    given: Sequence[str] | None = None,
    optional: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> Iterator[Diagnostic]:
    """Yield the failures of a program, in line order. ``where``: Its path in the document.

    An import by itself, at the top or in ``main``, certainly fails; in a branch or another function it may. One whose
    failure the program catches is left out. ``has_module``: Whether programs can import a top-level module. ``given``:
    Arguments of ``main``; ``None`` if unknown. ``optional``: Those of them that a run may leave null. ``outputs``:
    Names of the declared outputs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
            compile(tree, "<code>", "exec", dont_inherit=True)
    except SyntaxError as error:
        yield will_fail("code.not_python_line", where, reason=error.msg, line=error.lineno or 1)
        return
    except (ValueError, RecursionError, MemoryError) as error:
        code = "code.not_python" if str(error) else "code.not_python_nested"
        yield will_fail(code, where, reason=str(error))
        return
    listed: set[str] = set()
    for module, line, certain in _imports(tree):
        top = module.partition(".")[0]
        if top in listed or len(listed) >= _MAX_LISTED_MODULES or has_module(top):
            continue
        listed.add(top)
        severity: Severity = "will_fail" if certain else "may_fail"
        remedy = Phrase(*module_advice(top, sys.stdlib_module_names))
        params = {"module": repr(top), "line": line}
        yield Diagnostic("import.missing", params, where=where, severity=severity, remedy=remedy)
    if not _may_define_main(tree):
        yield will_fail("code.no_main", where)
    elif given is not None and (refused := refusal_of_main(tree, given)):
        yield will_fail("code.main_refuses", where, "remedy.same_arguments", reason=refused)
    for name, line in _uses_of_null(tree, optional):
        params, remedy = {"name": name, "line": line}, Phrase("remedy.or_empty", {"name": name})
        yield Diagnostic("code.null_input", params, where=where, severity="may_fail", remedy=remedy)
    if incomplete := _incomplete_return(tree, outputs):
        params, remedy = {"line": incomplete[0], "name": repr(incomplete[1])}, Phrase("remedy.return_outputs")
        yield Diagnostic("code.incomplete_return", params, where=where, severity="may_fail", remedy=remedy)


def _imports(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """Yield every import whose failure is not caught: module, line, and whether it certainly runs."""
    pending: list[tuple[ast.AST, bool]] = [(node, True) for node in reversed(tree.body)]
    while pending:
        node, certain = pending.pop()
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, node.lineno, certain) for alias in names)
                continue
            case ast.ImportFrom(module=str(module), level=0):
                yield module, node.lineno, certain
                continue
            case ast.Try() if any(map(_catches, node.handlers)):
                below: list[ast.stmt] = [line for handler in node.handlers for line in handler.body]
                pending += [(line, False) for line in reversed(below + node.orelse + node.finalbody)]
                continue
            case ast.FunctionDef(name="main", body=body) if certain:
                pending += [(line, True) for line in reversed(body)]
                continue
            case ast.With(body=body) | ast.ClassDef(body=body) if certain:
                pending += [(line, True) for line in reversed(body)]
                continue
        pending += [(child, False) for child in reversed(list(ast.iter_child_nodes(node)))]


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCHES) for kind in kinds)


def _may_define_main(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name="main") | ast.AsyncFunctionDef(name="main") | ast.ClassDef(name="main"):
                return True
            case ast.Name(id="main", ctx=ast.Store()) | ast.Name(id="exec" | "globals" | "setattr"):
                return True
            case ast.alias(name=name, asname=asname) if "main" in (asname, name) or name == "*":
                return True
    return False
