"""A network defined in a cell is carried by its source, and by nothing else of the cell."""

from __future__ import annotations

import linecache
import math
from typing import Any

import pytest

from models.errors import ModelError
from studies.network_files import declare
from studies.network_source import source_of

CELL = """
import math as m
from collections import OrderedDict
import hpo
from hpo import Choice, IntRange, network

WIDTH = 3
UNITS = IntRange(8, 64, step=8)

class Scale(OrderedDict):
    def times(self):
        return WIDTH

def twice(x):
    return m.floor(x) * 2

@network(
    units=UNITS,
    kind=Choice("a", "b"),
)
def plain(images, *, units, kind):
    return twice(units), Scale().times(), kind

open_files = object()
raise_if_run_again()
"""


def cell(text: str, **names: Any) -> dict[str, Any]:
    """What a notebook knows after a cell."""
    name = f"<cell {hash(text)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    known: dict[str, Any] = {"__name__": "__main__", **names}
    exec(compile(text, name, "exec"), known)
    return known


def test_the_text_is_the_function_and_what_it_needs() -> None:
    """It declares the same network where nothing else of the cell is."""
    known = cell(CELL, raise_if_run_again=lambda: None)
    source = source_of(known["plain"])
    assert source.name == "plain.py"
    assert "raise_if_run_again" not in source.text
    assert "open_files" not in source.text
    (declared,) = declare(source).networks
    assert declared.name == "plain"
    assert declared.settings["units"].domain.model_dump()["step"] == 8
    again = source.run().plain
    assert again(None, units=2.5, kind="a") == (math.floor(2.5) * 2, 3, "a")


def test_what_other_cells_define_is_found() -> None:
    """Helpers of an earlier cell are part of the text."""
    known = cell("def helper(x):\n    return x + 1\n")
    text = "from hpo import network\n\n@network()\ndef later(images):\n    return helper(images)\n"
    source = source_of(cell(text, helper=known["helper"])["later"])
    assert source.run().later(1) == 2


def test_what_is_no_code_is_refused() -> None:
    """An open file or a trained model cannot be written down."""
    text = "from hpo import network\n\n@network()\ndef net(images):\n    return thing\n"
    with pytest.raises(ModelError, match=r"Received: thing, a object"):
        source_of(cell(text, thing=object())["net"])


def test_a_network_without_source_is_refused() -> None:
    """As one that was typed at Python's prompt."""
    known: dict[str, Any] = {"__name__": "__main__"}
    exec("from hpo import network\n@network()\ndef net(images):\n    return images\n", known)
    with pytest.raises(ModelError, match=r"whose source is not known"):
        source_of(known["net"])
