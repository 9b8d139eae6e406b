"""Sizes of functions, and classes by their kind."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from sources import Function, Source, last_name

COMPILERS = {"njit", "jit", "intrinsic", "overload", "inlined", "compiled", "bare", "threaded"}
"""Last names of the decorators that compile a function: numba's own, and the kernels' names for them with fixed options."""


def num_arguments(function: Function) -> int:
    """Return the number of arguments of a function, ``self`` and ``cls`` left out."""
    own = function.args
    named = [*own.posonlyargs, *own.args, *([own.vararg] if own.vararg else []), *own.kwonlyargs, *([own.kwarg] if own.kwarg else [])]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def is_compiled(function: Function) -> bool:
    """Whether a decorator of the function compiles it."""
    return any(last_name(decorator) in COMPILERS for decorator in function.decorator_list)


def num_lines(function: Function) -> int:
    """Return the number of lines of a function from ``def`` on, its docstring left out."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def is_abstract(node: ast.ClassDef) -> bool:
    """Whether a class derives directly from ``ABC`` or ``Protocol``, or declares an abstract method."""
    bases = {last_name(base) for base in node.bases} | {last_name(keyword.value) for keyword in node.keywords if keyword.arg == "metaclass"}
    return bool(bases & {"ABC", "ABCMeta", "Protocol"}) or any(is_declaration(method) for method in methods(node))


def methods(node: ast.ClassDef) -> list[Function]:
    """Return the methods that a class defines itself."""
    return [item for item in node.body if isinstance(item, Function)]


def is_declaration(method: Function) -> bool:
    """Whether a method is declared abstract, so that a subclass is to write it."""
    return any("abstract" in last_name(decorator) for decorator in method.decorator_list)


def repeated_classes(sources: Iterable[Source]) -> Iterator[str]:
    """Places of public classes whose name is used for another class, too."""
    places = defaultdict(list)
    for source in sources:
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{source.path}:{node.lineno}")
    for name, found in sorted(places.items()):
        if len(found) > 1:
            yield f"{found[0]}: {name}, also in {', '.join(found[1:])}"
