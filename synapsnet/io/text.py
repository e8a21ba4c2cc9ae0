"""Text of other programs, whose encoding is not stated."""

from __future__ import annotations

import ast
import codecs
import operator
import re
from pathlib import Path

from synapsnet.errors import InputError

ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
NUMBER = re.compile(r"u?int(8|16|32|64)?|float(16|32|64)?")
LARGEST_POWER = 64.0  # largest exponent that is computed: larger ones could take for ever


def assigned_number(source: str, name: str) -> float | str | None:
    """The last number that Python code assigns to a name, found without executing it.

    It understands numbers, arithmetic, names assigned before, and `float(...)`, `np.float64(...)` and the like.

    Returns
    -------
    float, str or None
        The line itself if it is none of these; None if nothing is assigned to the name.
    """
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        statements = [statement for line in source.splitlines() for statement in _parsed(line)]
    known: dict[str, float] = {}
    assigned: float | str | None = None
    for statement in statements:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        for target in targets:
            if not isinstance(target, ast.Name) or value is None:
                continue
            try:
                known[target.id] = _number(value, known)
            except (ValueError, ArithmeticError, RecursionError):
                known.pop(target.id, None)
            if target.id == name:
                assigned = known.get(name, ast.unparse(statement))
    return assigned


def _parsed(line: str) -> list[ast.stmt]:
    try:
        return ast.parse(line.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _number(node: ast.expr, known: dict[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _number(node.operand, known)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        left, right = _number(node.left, known), _number(node.right, known)
        if isinstance(node.op, ast.Pow) and abs(right) > LARGEST_POWER:
            raise ValueError
        return float(ARITHMETIC[type(node.op)](left, right))
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if NUMBER.fullmatch(called):
            return _number(node.args[0], known)
    raise ValueError


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16, as its first bytes say, or else in Windows' cp1252.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}; check the path.") from error
    try:
        return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
