"""Tests of `hpo` itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpo.cli import COMMANDS, main


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    """One that is like none is not."""
    result = CliRunner().invoke(main, ["trails"], prog_name="hpo")
    assert result.exit_code == 2
    assert result.output.endswith("Error: No such command 'trails'. Did you mean trials?\n")
    result = CliRunner().invoke(main, ["xyz"], prog_name="hpo")
    assert result.output.endswith("Error: No such command 'xyz'.\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_overview_says_what_each_command_does(command: str) -> None:
    """In 80 columns, with no sentence cut short."""
    result = CliRunner().invoke(main, ["--help"], prog_name="hpo", terminal_width=80)
    line = next(line for line in result.output.splitlines() if line.split()[:1] == [command])
    assert line.endswith(".")
    assert not line.endswith("...")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["backbones"]], ids=" ".join)
def test_first_looks_import_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    """They answer within a second, as tests/benchmarks/test_start.py measures."""
    code = (
        "import sys, hpo.cli\n"
        "try: hpo.cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'tensorflow', 'keras', 'optuna', 'sklearn', 'scipy', 'pandas', 'PIL', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
