"""What all commands that read a study have in common."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from hpo.cli import main
from tests.hpo.conftest import FinishedStudy

COMMANDS = ("best", "predict", "dashboard", "studies", "trials")
LISTINGS = (("studies",), ("trials",), ("trials", "--timing"), ("best",), ("best", "--json"))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_comes_with_an_example(command: str) -> None:
    """The example begins with the command itself, on a line of its own."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    after = result.output.split("Examples:\n")[1]
    assert after.splitlines()[0].startswith(f"    hpo {command}")


@pytest.mark.parametrize("words", LISTINGS)
def test_listings_never_import_tensorflow(
    finished_study: FinishedStudy, words: tuple[str, ...]
) -> None:
    """A listing answers in the time Python and SQLAlchemy take to start."""
    code = (
        "import sys; from hpo.cli import main\n"
        f"main({list(words)!r}, standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'scipy', 'pandas', 'matplotlib'}\n"
        "sys.exit(f'imported: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=finished_study.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "colours" in done.stdout or words[0] == "trials"
    assert time.perf_counter() - began < 5  # about 0.7 s where nothing else runs
