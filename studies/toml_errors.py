"""Where in a TOML file something is that its reader did not like.

tomllib and tomlkit tell the line of a syntax error, and of nothing that they could read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Location = tuple[str | int, ...]
"""Keys and indices that lead to a value, as pydantic reports them."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*="""
)


def line_of(text: str, location: Location) -> int | None:
    """Returns the line, from 1, of the value at `location` or else of the innermost table around.

    Args:
        text: A valid TOML document.
        location: Such as `("space", "dropout", "low")` or `("baseline", 0, "label")`.
    """
    best, found = 0, None
    location = _flat(location)
    for line, place in _places(text):
        path = _flat(place)
        depth = len(path)
        if depth > best and location[:depth] == path:
            best, found = depth, line
    return found


def _flat(location: Location) -> Location:
    """Returns a location whose dotted names, such as `plain.filters`, are keys of their own."""
    parts = ([part] if isinstance(part, int) else part.split(".") for part in location)
    return tuple(part for some in parts for part in some)


def _places(text: str) -> Iterator[tuple[int, Location]]:
    """Yields the line of every table header and key with the path it stands for."""
    table: Location = ()
    counts: dict[Location, int] = {}
    quoted: str | None = None
    for line, content in enumerate(text.splitlines(), start=1):
        outside = quoted is None
        quoted = _still_quoted(content, quoted)
        if not outside:
            continue
        if header := _HEADER.match(content):
            table = _keys(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
            table = _indexed(table, counts)
            yield line, table
        elif key := _KEY.match(content):
            yield line, table + _keys(key[1])


def _keys(dotted: str) -> Location:
    parts = re.findall(r"""[\w-]+|"[^"]*"|'[^']*'""", dotted)
    return tuple(part.strip("\"'") for part in parts)


def _indexed(table: Location, counts: dict[Location, int]) -> Location:
    """Returns `table` with the index of the latest element after each array of tables in it."""
    path: Location = ()
    for depth, key in enumerate(table, start=1):
        index = counts.get(table[:depth])
        path += (key,) if index is None else (key, index)
    return path


def _still_quoted(content: str, quoted: str | None) -> str | None:
    """Returns the quotes of the multi-line text that goes on after this line, if one does."""
    for quotes in re.findall(r'"""|' + "'''", content):
        quoted = quotes if quoted is None else None if quotes == quoted else quoted
    return quoted
