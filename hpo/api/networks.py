"""Networks that a program defines, as the files that a study keeps.

A network of a module is carried by the module's file. One of a notebook or a script is written to a
file of its own, with the imports, functions and constants that it uses.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import linecache
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from data_pipeline.sources.written import write_text
from models.errors import ModelError
from studies.networks import Network

_HOW = "Define it inside the function or in a file, and pass the file: networks='my_networks.py'."


def network_files(networks: Any, folder: Path) -> list[str]:
    """Returns the files that hold networks.

    Args:
        networks: Networks, files of them, or one of these.
        folder: Where the sources of notebooks' cells are written.

    Raises:
        ModelError: One is no network, or has no source that could be kept.
    """
    one = isinstance(networks, (str, os.PathLike, Network)) or not isinstance(networks, Sequence)
    files: list[str] = []
    cells: list[Network] = []
    for each in [networks] if one else networks:
        if isinstance(each, (str, os.PathLike)):
            files.append(os.fspath(each))
        elif not isinstance(each, Network):
            raise ModelError(
                "networks= takes functions with @hpo.network(…) above them, or files of such. "
                f"Received: {each!r}. Decorate it."
            )
        elif file := _file_of(each.function):
            files.append(file)
        else:
            cells.append(each)
    if cells:
        path = folder / f"{cells[0].name}.py"
        files.append(write_text(path, source_of(cells)))
    return list(dict.fromkeys(files))


def _file_of(function: Callable[..., Any]) -> str | None:
    """Returns the file of a module; None of a notebook, and of a script, which searches itself."""
    if function.__module__ in (None, "__main__"):
        return None
    file = inspect.getsourcefile(function)
    return file if file and Path(file).is_file() else None


def source_of(networks: Iterable[Network]) -> str:
    """Returns a module with networks and all that they use.

    Raises:
        ModelError: One has no source, or uses something that cannot be written down.
    """
    found: dict[str, str] = {}
    for each in networks:
        _define(each.name, each, found)
    imports = [text for text in found.values() if text.startswith(("import ", "from "))]
    others = [text for text in found.values() if text not in imports]
    return "\n\n\n".join(["\n".join(imports), *others]).strip() + "\n"


def _define(name: str, value: object, found: dict[str, str]) -> None:
    """Adds what defines a name, after all that it uses itself."""
    if name in found:
        return
    if isinstance(value, ModuleType):
        found[name] = f"import {value.__name__} as {name}"
        return
    code = value.function if isinstance(value, Network) else value
    inside = getattr(code, "__module__", None)
    if inside not in (None, "__main__") and hasattr(code, "__qualname__"):
        found[name] = f"from {inside} import {code.__qualname__} as {name}"
    elif inspect.isfunction(code) or inspect.isclass(code):
        text = _text(name, code)
        found[name] = ""  # it may use itself
        for used in _used(code, text):
            _define(used, _globals(code)[used], found)
        found[name] = found.pop(name) or text
    elif _can_be_written(value):
        found[name] = f"{name} = {value!r}"
    else:
        raise ModelError(
            "A network of a notebook may use modules, functions, classes, numbers and texts of its "
            f"cells. Received: {name!r}, a {type(value).__name__}. {_HOW}"
        )


def _text(name: str, code: Any) -> str:
    try:
        source = _of_class(code) if inspect.isclass(code) else inspect.getsource(code)
        return textwrap.dedent(source).strip()
    except (OSError, TypeError) as error:
        raise ModelError(
            "A network of a notebook must have a source that can be kept with the study. "
            f"Received: {name!r}, without one ({error}). {_HOW}"
        ) from error


def _of_class(code: type) -> str:
    """Returns the source of a class, which `inspect` looks for in files only."""
    functions = [each for each in vars(code).values() if inspect.isfunction(each)]
    lines = linecache.getlines(functions[0].__code__.co_filename) if functions else []
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.ClassDef) and node.name == code.__name__:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno])
    raise OSError("it is in no cell that is still known")


def _globals(code: Any) -> dict[str, Any]:
    if inspect.isfunction(code):
        return code.__globals__
    import __main__

    return vars(__main__)


def _used(code: Any, text: str) -> Iterator[str]:
    """Yields the global names that a function or class uses, its decorators and defaults too."""
    known = _globals(code)
    names = dict.fromkeys(_in_head(text))
    for function in [code] if inspect.isfunction(code) else vars(code).values():
        if inspect.isfunction(function):
            names |= dict.fromkeys(_loaded(function.__code__))
    return (name for name in names if name in known and not hasattr(builtins, name))


def _in_head(text: str) -> Iterator[str]:
    (definition,) = ast.parse(text).body
    assert isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    heads: list[ast.AST] = list(definition.decorator_list)
    heads += definition.bases if isinstance(definition, ast.ClassDef) else [definition.args]
    for head in heads:
        yield from (node.id for node in ast.walk(head) if isinstance(node, ast.Name))


def _loaded(code: CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _loaded(constant)


def _can_be_written(value: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, RecursionError):
        return False
