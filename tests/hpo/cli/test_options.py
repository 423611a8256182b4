"""Options that set a key of the settings."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter, ValidationError

from hpo.cli import main
from hpo.cli.doctor import doctor
from hpo.cli.options import SettingOption
from hpo.cli.run import run
from hpo.cli.worker import worker
from studies.settings import StudySettings

OPTIONS = [
    pytest.param(option, id=f"{command.name} {option.opts[0]}")
    for command in (run, worker, doctor)
    for option in command.params
    if isinstance(option, SettingOption)
]


def allowed(option: click.Option, value: Any) -> bool:
    """Whether the settings take a value of the option's key."""
    field = StudySettings.model_fields[option.name or ""]
    given = (value,) if option.multiple else value
    try:
        TypeAdapter(field.rebuild_annotation()).validate_python(given)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("option", OPTIONS)
class TestSettingOption:
    """What holds for each of them."""

    def test_help_is_that_of_the_setting(self, option: SettingOption) -> None:
        """It begins with the description and shows the default, where there is one."""
        field = StudySettings.model_fields[option.name or ""]
        record = option.get_help_record(click.Context(run))
        assert record is not None
        assert record[1].startswith(field.description or "?")
        assert (f"default: {field.default}" in record[1]) == (
            field.default not in (None, ()) and field.default is not False
        )

    def test_it_takes_what_the_setting_takes(self, option: SettingOption) -> None:
        """Choices and bounds are the same."""
        if isinstance(option.type, click.Choice):
            assert all(allowed(option, choice) for choice in option.type.choices)
            assert not allowed(option, "something else")
        elif isinstance(option.type, click.IntRange):
            assert allowed(option, option.type.min)
            assert not allowed(option, (option.type.min or 0) - 1)
            if option.type.max is not None:
                assert allowed(option, option.type.max)
                assert not allowed(option, option.type.max + 1)


@pytest.mark.parametrize(("command", "words"), [(run, []), (worker, []), (doctor, ["digits"])])
def test_what_is_not_typed_is_not_set(command: click.Command, words: list[str]) -> None:
    """The default that the help shows is no value: a continued study keeps its own."""
    typed = command.make_context(command.name, words).params
    names = [row.name for row in command.params if isinstance(row, SettingOption)]
    assert {typed[name] for name in names} <= {None, ()}


def test_an_option_that_can_be_repeated_says_so() -> None:
    """Unlike the key in a file, which is a list."""
    result = CliRunner().invoke(main, ["run", "--help"], prog_name="hpo", terminal_width=200)
    (line,) = (line for line in result.output.splitlines() if line.startswith("  --exclude "))
    assert line.endswith("Can be repeated.")


def test_the_overview_does_not_wait_for_the_settings() -> None:
    """`hpo --help` shows one line of each command, for which nothing has to be looked up."""
    code = (
        "import sys, hpo.cli\n"
        "try: hpo.cli.main(['--help'])\n"
        "except SystemExit: assert 'studies.settings' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
