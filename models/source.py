"""The text of a user's network file: run from the text alone, errors shown as the user's line.

The text goes wherever the network is built, to workers and to exports, and the file need not be
there any more.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePath
from types import ModuleType

from models.errors import ModelError

MOST_LINES = 6
"""Lines of an error's own words that are shown."""
_PROCESSES = frozenset({"os.fork", "os.forkpty"})
_HUNG = "Timeout ("
"""How `faulthandler` begins, where it prints what a process was doing."""


@dataclass(frozen=True)
class Source:
    """A network file.

    Attributes:
        name: What messages call it, such as `my_networks.py`.
        text: What it says.
    """

    name: str
    text: str

    @cached_property
    def digest(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def stem(self) -> str:
        """Its name without the ending."""
        return PurePath(self.name).stem

    def run(self) -> ModuleType:
        """Returns the module that the text makes, run once in a process.

        Raises:
            ModelError: The text cannot be run; names the user's line.
        """
        return _run(self)

    def problem(self, error: BaseException, function: str = "") -> ModelError:
        """Returns what went wrong while the text was run or a function of it, as its line.

        Where the line is not known it is that of the function.
        """
        where, line = self._place(error)
        if not line and function:
            where = f"{self.name}, line {line_of_function(self, function)}"
        code = f"\n    {line}" if line else ""
        return ModelError(f"{where}: {_words(error)}{code}")

    def _place(self, error: BaseException) -> tuple[str, str]:
        """Returns the innermost place in the text that an error passed through, and its code."""
        if isinstance(error, SyntaxError) and error.filename == self.name:
            return f"{self.name}, line {error.lineno}", (error.text or "").strip()
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == self.name]
        if not frames:
            return self.name, ""
        return f"{self.name}, line {frames[-1].lineno}", (frames[-1].line or "").strip()


def _words(error: BaseException) -> str:
    """Returns what happened, in a line or a few."""
    if isinstance(error, ModelError):
        return str(error)
    if isinstance(error, SystemExit):
        return "A network file must not end the program. Received: exit(). Leave it out."
    if isinstance(error, EOFError):
        return "A network file cannot ask for input. Write the value into the file."
    text = str(error).strip()
    if isinstance(error, SyntaxError):
        text = error.msg
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        said += ". A network file stands alone: write what it needs into it, or install the package"
    # Keras adds the arguments of the call, of which the first lines say enough.
    return "\n    ".join(said.splitlines()[:MOST_LINES])


@lru_cache
def _run(source: Source) -> ModuleType:
    name = source.name
    module = ModuleType(f"networks_{source.digest}")
    # Tracebacks and `inspect` read lines from here; no file of that name is looked for.
    linecache.cache[name] = (len(source.text), None, source.text.splitlines(keepends=True), name)
    sys.modules[module.__name__] = module  # dataclasses look there for their module
    try:
        code = compile(source.text, name, "exec")
        with no_processes():
            exec(code, module.__dict__)  # noqa: S102 - the user named the file, or said --trust
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise source.problem(error) from error
    return module


@contextmanager
def no_processes() -> Iterator[None]:
    """Refuses copies of this process while a user's code is run: each would go on as a worker."""
    _Hook.ready()
    before, _Hook.refuses = _Hook.refuses, True
    try:
        yield
    finally:
        _Hook.refuses = before


class _Hook:
    """Python's audit hook, which cannot be taken away again."""

    refuses = False
    _added = False

    @classmethod
    def ready(cls) -> None:
        if not cls._added:
            sys.addaudithook(cls._heard)
            cls._added = True

    @classmethod
    def _heard(cls, event: str, _: object) -> None:
        if cls.refuses and event in _PROCESSES:
            raise ModelError(
                "A network file must not start copies of the process. "
                f"Received: {event}. Leave it out."
            )


def line_of_function(source: Source, name: str) -> int:
    """Returns the line, from 1, of a function's `def`; 1 where it is not written as one."""
    lines = [node.lineno for node in _functions(source) if node.name == name]
    return lines[-1] if lines else 1


def _functions(source: Source) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(source.text).body if isinstance(node, ast.FunctionDef)]


def defined_twice(source: Source) -> ast.FunctionDef | None:
    """Returns the first function of the text that has another one's name; None without any."""
    seen: set[str] = set()
    for node in _functions(source):
        if node.name in seen:
            return node
        seen.add(node.name)
    return None


def where_it_hung(source: Source, printed: str) -> str:
    """Returns where in the text a process was that `faulthandler` printed the stack of."""
    stack = printed.partition(_HUNG)[2]
    found = re.search(rf'File "{re.escape(source.name)}", (line \d+)', stack)
    return f"{source.name}, {found[1]}" if found else source.name
