"""What the shell offers when Tab is pressed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hpo.conftest import FinishedStudy

ROOT = Path(__file__).parents[3]


def offered(folder: Path, *words: str) -> list[str]:
    """The completions of the last of these words, as bash asks for them."""
    variables = {
        "_HPO_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["hpo", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code = "from hpo.cli import main; main(prog_name='hpo')"
    command = [sys.executable, "-P", "-c", code]  # a folder may hold a models.py
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("compa",), ["plain,compare"]),
        (("run", "--pres"), ["plain,--preset"]),
        (("run", "--preset", "wea"), ["plain,weather"]),
        (("run", "--data", "dig"), ["plain,digits"]),
        (("run", "--data", "pho"), ["file,pho"]),
        (("best", "--study", "c"), []),
    ],
)
def test_names_and_files(tmp_path: Path, words: tuple[str, ...], found: list[str]) -> None:
    """Commands, options, presets and data sets; no study where there is none, and no error."""
    assert offered(tmp_path, *words) == found
    assert not list(tmp_path.iterdir())


def test_studies(finished_study: FinishedStudy) -> None:
    """Those in the folder."""
    assert offered(finished_study.folder, "trials", "--study", "col") == ["plain,colours"]


def test_the_documented_lines_are_those_of_click() -> None:
    """Each prints a script for its shell."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    shells = re.findall(r"_HPO_COMPLETE=(\w+)_source", text)
    assert shells == ["bash", "zsh", "fish"]
    for shell in shells:
        done = subprocess.run(
            [sys.executable, "-c", "from hpo.cli import main; main(prog_name='hpo')"],
            env=os.environ | {"_HPO_COMPLETE": f"{shell}_source"},
            capture_output=True,
            text=True,
        )
        assert "_HPO_COMPLETE" in done.stdout
