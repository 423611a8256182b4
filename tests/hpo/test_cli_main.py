"""Tests of `hpo` itself."""

from __future__ import annotations

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
