"""Mutation operators: small changes like a tired developer's mistakes. Decides only; writes nothing.

Most are those of mutmut: comparisons, arithmetic, ``and`` and ``or``, numbers, ``not``, ``break``, cases of ``match``.
Others are missing in mutmut, or are limited here to those that are hard to notice: an omitted argument or statement, a
guard that never holds, a misspelled key, a condition of SQL.
"""

import ast
import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

Operator: TypeAlias = Callable[[Any], Iterable[cst.CSTNode]]
"""Yields all mutations of one kind for a node."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutation of one file."""

    path: str
    """Relative to the root of the repository."""
    line: int
    """Counted from 1."""
    text: str
    """Mutated text of the whole file."""
    diff: str

    @classmethod
    def of(cls, path: str, line: int, before: str, after: str) -> Self:
        """Return the mutant that replaces ``before`` by ``after``."""
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), path, path, n=2, lineterm="")
        return cls(path, line, after, "\n".join(lines))


@dataclass(frozen=True, slots=True)
class Place:
    """Possible mutation. Cheap: the text is generated on demand."""

    path: str
    line: int
    module: cst.Module
    node: cst.CSTNode
    instead: cst.CSTNode

    def mutant(self) -> Mutant | None:
        """Return the mutant; ``None`` if the result is invalid or equivalent Python."""
        before = self.module.code
        changed = self.module.deep_replace(self.node, self.instead)
        assert isinstance(changed, cst.Module)
        after = changed.code
        try:
            if ast.dump(ast.parse(after)) == ast.dump(ast.parse(before)):
                return None
            compile(after, self.path, "exec", dont_inherit=True)
        except SyntaxError:
            return None
        return Mutant.of(self.path, self.line, before, after)


def places(path: str, text: str) -> list[Place]:
    """Return the possible mutations of a file, from top to bottom."""
    wrapper = MetadataWrapper(cst.parse_module(text))
    visitor = _Places(path, wrapper.module)
    wrapper.visit(visitor)
    return visitor.found


def around(text: str, line: int) -> range:
    """Return the lines of the innermost statement around a line; of a compound statement, only its header."""
    inner = range(line, line + 1)
    for node in ast.walk(ast.parse(text)):  # from outer to inner
        if isinstance(node, ast.stmt | ast.match_case | ast.ExceptHandler):
            pattern = node.pattern if isinstance(node, ast.match_case) else node
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            first, last = pattern.lineno, pattern.end_lineno or pattern.lineno
            if body:
                head = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
                last = max(first, head.lineno - 1)
            if first <= line <= last:
                inner = range(first, last + 1)
    return inner


def uses(text: str, line: int) -> set[int]:
    """Return the lines that use a name defined by the top-level statement around a line."""
    tree = ast.parse(text)
    for statement in tree.body:
        if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names = {statement.name}
            else:
                stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
                names = {node.id for node in stored if isinstance(node.ctx, ast.Store)}
            named = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
            return {node.lineno for node in named if node.id in names}
    return set()


def is_made_at_import(text: str, line: int) -> bool:
    """Return whether a line belongs to a top-level statement other than a function or class."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    statements = (one for one in ast.parse(text).body if one.lineno <= line <= (one.end_lineno or one.lineno))
    return any(not isinstance(statement, definitions) for statement in statements)


def _shorter_call(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Omit a keyword argument, or the last argument. Without an earlier one most calls fail at once."""
    for number, argument in enumerate(node.args):
        last = number == len(node.args) - 1
        if argument in _asserted(node):
            continue
        if argument.star == "" and (argument.keyword is not None or (last and number > 0)):
            rest = [*node.args[:number], *node.args[number + 1 :]]
            if last and rest:
                rest[-1] = rest[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            yield node.with_changes(args=rest)


def _left_out(node: cst.Expr) -> Iterator[cst.CSTNode]:
    if isinstance(node.value, cst.Call | cst.Await):
        yield cst.Pass()


def _never(node: cst.If) -> Iterator[cst.CSTNode]:
    yield node.with_changes(test=cst.Name("False"), whitespace_before_test=cst.SimpleWhitespace(" "))


def _asserted(node: cst.CSTNode) -> list[cst.Arg]:
    """Return the argument of ``zip`` that asserts equal lengths. Assertions are not mutated."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Name) or node.func.value != "zip":
        return []
    return [argument for argument in node.args if argument.keyword is not None and argument.keyword.value == "strict"]


_NAME: Final = re.compile(r"""["'][\w./:-]+["']""")


def _misspelled(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """Misspell a key or a name. Sentences are left alone: their words are not behaviour."""
    if _NAME.fullmatch(node.value):
        yield node.with_changes(value=f"{node.value[0]}XX{node.value[1:]}")


_SQL: Final = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|ORDER BY)\b")
_CLAUSES: Final = ((" AND ", " OR "), (" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > "), (" DESC", ""))


def _other_clause(node: cst.SimpleString | cst.FormattedStringText) -> Iterator[cst.CSTNode]:
    if _SQL.search(node.value):
        for clause, instead in _CLAUSES:
            for match in re.finditer(re.escape(clause), node.value):
                yield node.with_changes(value=node.value[: match.start()] + instead + node.value[match.end() :])


OPERATORS: Final[tuple[tuple[type[cst.CSTNode] | tuple[type[cst.CSTNode], ...], Operator], ...]] = (
    (cst.BaseNumber, mutators.operator_number),
    (cst.Name, mutators.operator_name),
    (cst.AugAssign, mutators.operator_augmented_assignment),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.Call, mutators.operator_symmetric_string_methods_swap),
    (cst.Call, mutators.operator_unsymmetrical_string_methods_swap),
    (cst.Call, _shorter_call),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, mutators.operator_swap_op),
    (cst.Match, mutators.operator_match),
    (cst.IfExp, mutators.operator_if_exp),
    (cst.Expr, _left_out),
    (cst.If, _never),
    (cst.SimpleString, _misspelled),
    ((cst.SimpleString, cst.FormattedStringText), _other_clause),
)
_LOGS: Final = frozenset({"log", "_log", "_LOG", "logger"})
_NOT_CHANGED: Final = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.Assert)


class _Places(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: str, module: cst.Module) -> None:
        super().__init__()
        self.found: list[Place] = []
        self._path = path
        self._module = module
        self._asserted: list[cst.Arg] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, _NOT_CHANGED) or _is_text_or_log(node) or _is_type(node) or node in self._asserted:
            return False
        self._asserted += _asserted(node)
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                for instead in operator(node):
                    line = self.get_metadata(PositionProvider, node).start.line
                    self.found.append(Place(self._path, line, self._module, node, instead))
        return True


def _is_text_or_log(node: cst.CSTNode) -> bool:
    """Return whether a statement is a docstring or writes to the log."""
    if not isinstance(node, cst.Expr):
        return False
    match node.value:
        case cst.SimpleString() | cst.ConcatenatedString():
            return True
        case cst.Call(func=cst.Attribute(value=cst.Name(value=name))):
            return name in _LOGS
    return False


def _is_type(node: cst.CSTNode) -> bool:
    """Return whether it only serves the type checker."""
    match node:
        case cst.AnnAssign(annotation=cst.Annotation(annotation=cst.Name(value="TypeAlias"))):
            return True
        case cst.Assign(value=cst.Call(func=cst.Name(value="TypeVar"))):
            return True
        case cst.If(test=cst.Name(value="TYPE_CHECKING")):
            return True
    return False
