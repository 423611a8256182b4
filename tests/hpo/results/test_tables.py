"""Tests of tables."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from hpo.results.tables import Column, printable, show

COLUMNS = (Column("name"), Column("value", ".2f"), Column("empty"))


def test_text_is_aligned_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers stand right, text left, empty columns are left out, nothing is cut."""
    long = "x" * 200
    show(COLUMNS, [["a", 1.0, None], [long, 12.345, None], [None, None, None]])
    assert capsys.readouterr().out == (
        f"name{' ' * 196}  value\na{' ' * 199}   1.00\n{long}  12.35\n-{' ' * 199}      -\n"
    )


def test_letters_may_be_two_columns_wide(capsys: pytest.CaptureFixture[str]) -> None:
    """What follows a Chinese name stands where it stands after a Latin one."""
    show(COLUMNS, [["狗", 1.0, None], ["dog", 2.0, None]])
    assert capsys.readouterr().out == "name  value\n狗     1.00\ndog    2.00\n"


def test_no_rows_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A heading without rows would say nothing."""
    show(COLUMNS, [])
    assert capsys.readouterr().out == ""


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and line breaks in names are shown, not obeyed."""
    show(COLUMNS, [["a\x1b[2Jb\nc\u202e", 1.0, None]])
    assert capsys.readouterr().out.splitlines()[1] == r"a\x1b[2Jb\nc\u202e   1.00"
    assert printable("Grün\t") == r"Grün\t"


def test_a_terminal_gets_a_drawn_table() -> None:
    """On a narrow terminal names are folded, numbers are not; names in brackets are no markup."""
    code = (
        "from hpo.results.tables import *;"
        "show([Column('name'), Column('a long title', ',d')], [['[red]' + 'x' * 40, 1234567]])"
    )
    parent, child = pty.openpty()
    subprocess.run(
        [sys.executable, "-P", "-c", code],
        stdout=child,
        check=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "30"},
    )
    os.close(child)
    lines = os.read(parent, 10_000).decode().splitlines()
    os.close(parent)
    assert "1,234,567" in " ".join(lines)
    assert "".join(line.split()[0] for line in lines if "x" in line) == "[red]" + "x" * 40
    assert max(map(len, lines[1:])) <= 30


def test_a_terminal_gets_whole_words() -> None:
    """Text is broken between words, and words in brackets are no markup."""
    code = "from hpo.results.tables import say; say('[red] ' + 'paragraph ' * 9)"
    parent, child = pty.openpty()
    subprocess.run(
        [sys.executable, "-P", "-c", code],
        stdout=child,
        check=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "35"},
    )
    os.close(child)
    words = os.read(parent, 10_000).decode().split()
    os.close(parent)
    assert words == ["[red]", *["paragraph"] * 9]
