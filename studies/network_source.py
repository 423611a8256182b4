"""A network that was defined in Python, in a notebook's cell or a script, as a text of its own.

The cell or script as a whole cannot be run again, since it may be what searches. So the text is put
together of the function and of all that it names.
"""

from __future__ import annotations

import ast
import builtins
import linecache
from collections.abc import Iterator, Mapping
from symtable import SymbolTable, symtable
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

from models.errors import ModelError
from models.source import Source
from studies.domains import Choices, Fixed, FloatRange, IntRange
from studies.networks import Network

_PUBLIC = "studies.networks"
"""Where the names are that a user imports from `hpo`."""


def source_of(network: Network) -> Source:
    """Returns a network's own file: its function, and what that needs.

    Raises:
        ModelError: Something it names is neither code, nor imported, nor a plain value.
    """
    made = _Text(network.function.__globals__, network.function.__module__)
    made.define(network.name, network)
    return Source(f"{network.name}.py", "\n\n".join([*made.imports, *made.parts]) + "\n")


class _Text:
    """The lines so far.

    Attributes:
        imports: Name to the line that imports it.
        parts: Definitions, each after those that it needs.
    """

    def __init__(self, names: Mapping[str, Any], module: str) -> None:
        self._names, self._module = names, module
        self._seen: set[str] = set()
        self.imports: list[str] = []
        self.parts: list[str] = []

    def define(self, name: str, value: Any) -> None:
        """Adds what gives a name its value, unless it is there."""
        if name in self._seen:
            return
        self._seen.add(name)
        home = getattr(value, "__module__", None)
        if isinstance(value, ModuleType):
            self.imports.append(f"import {value.__name__} as {name}")
        elif isinstance(value, Network):
            self._code(name, value.function)
        elif isinstance(value, FunctionType | type) and home == self._module:
            self._code(name, value)
        elif isinstance(value, FunctionType | type) or hasattr(value, "__qualname__"):
            place = "hpo" if home == _PUBLIC else home
            self.imports.append(f"from {place} import {value.__qualname__} as {name}")
        else:
            self.parts.append(f"{name} = {self._value(name, value)}")

    def _code(self, name: str, value: Any) -> None:
        text = _definition(name, value)
        for needed in _names_in(text):
            if needed in self._names:
                self.define(needed, self._names[needed])
        self.parts.append(text)

    def _value(self, name: str, value: Any) -> str:
        if isinstance(value, Choices | IntRange | FloatRange):
            return self._domain(value)
        if isinstance(value, Fixed):
            return repr(value.value)
        try:
            if ast.literal_eval(repr(value)) == value:
                return repr(value)
        except (ValueError, SyntaxError):
            pass
        raise ModelError(
            "A network may use code, imports, numbers, texts and lists of these. "
            f"Received: {name}, a {type(value).__name__}. Make it within the function."
        )

    def _domain(self, domain: Choices | IntRange | FloatRange) -> str:
        kind = "Choice" if isinstance(domain, Choices) else type(domain).__name__
        if kind not in self._seen:
            self._seen.add(kind)
            self.imports.append(f"from hpo import {kind}")
        if isinstance(domain, Choices):
            return f"Choice({', '.join(map(repr, domain.values))})"
        more = f", step={domain.step!r}" if domain.step is not None else ", log=True" * domain.log
        return f"{kind}({domain.low!r}, {domain.high!r}{more})"


def _definition(name: str, value: Any) -> str:
    """Returns the text of a function or a class, its decorators among it.

    Raises:
        ModelError: Its lines are not known, as of what was typed at Python's prompt.
    """
    members = [value] if isinstance(value, FunctionType) else vars(value).values()
    for code in (each.__code__ for each in members if isinstance(each, FunctionType)):
        lines = linecache.getlines(code.co_filename)
        for node in ast.walk(ast.parse("".join(lines))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == value.__name__:
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                last = node.end_lineno or first
                if first <= code.co_firstlineno <= last:
                    return dedent("".join(lines[first - 1 : last])).rstrip()
    raise ModelError(
        f"A network is carried by its source. Received: {name}, whose source is not known. Define "
        "it in a notebook's cell or in a file."
    )


def _names_in(text: str) -> list[str]:
    """Returns the names that a text reads and does not bind itself, in their order."""
    names = dict.fromkeys(_read_in(symtable(text, "", "exec")))
    return [name for name in names if not hasattr(builtins, name)]


def _read_in(table: SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and symbol.is_global():
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _read_in(inner)
