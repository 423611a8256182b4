"""The command line. A command's module is imported when the command is used, and not before."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from data_pipeline.errors import DataError
from models.errors import ModelError
from studies.errors import StudyError
from studies.wording import did_you_mean

COMMANDS = {
    "run": "hpo.cli.run",
    "continue": "hpo.cli.continue_",
    "worker": "hpo.cli.worker",
    "best": "hpo.cli.best",
    "report": "hpo.cli.report",
    "predict": "hpo.cli.predict",
    "serve": "hpo.cli.serve",
    "dashboard": "hpo.cli.dashboard",
    "studies": "hpo.cli.studies",
    "rename": "hpo.cli.rename",
    "delete": "hpo.cli.delete",
    "trials": "hpo.cli.trials",
    "compare": "hpo.cli.compare",
    "analyse": "hpo.cli.analyse",
    "import": "hpo.cli.import_",
    "presets": "hpo.cli.presets",
    "doctor": "hpo.cli.doctor",
    "backbones": "hpo.cli.backbones",
    "networks": "hpo.cli.networks",
    "cache": "hpo.cli.cache",
}
"""Command name to the module that holds a click command of the module's name."""

USER_ERRORS = (DataError, ModelError, StudyError)
"""Errors that a user can fix; anything else is a bug and keeps its traceback."""


class UserError(click.ClickException):
    """A message for the user; ends with the error's own status."""

    def __init__(self, error: DataError | ModelError | StudyError) -> None:
        super().__init__(str(error))
        self.exit_code: int = error.exit_code  # type: ignore[misc]  # click declares it on the class


class Commands(click.Group):
    """The commands of `COMMANDS`, imported on use; turns user errors into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the commands in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command `cmd_name`, or None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        command: click.Command = getattr(module, COMMANDS[cmd_name].rpartition(".")[2])
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that was typed.

        Raises:
            click.UsageError: There is none of this name; names the nearest.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if question := did_you_mean(args[0], COMMANDS):
                ctx.fail(f"No such command {args[0]!r}. {question}")
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command.

        Raises:
            click.ClickException: The user can fix what went wrong.
        """
        try:
            return super().invoke(ctx)
        except USER_ERRORS as error:
            raise UserError(error) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise SystemExit(130) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hpo", prog_name="hpo")
def main() -> None:
    """Tune Keras image classifiers, from a folder of images to an exported model.

    \b
    hpo run --data photos --trials 50      search
    hpo dashboard                          watch it in a browser
    hpo report                             read what was found
    hpo best --export model.keras          export the best model
    hpo predict model.keras cat.jpg        use it
    hpo serve model.keras                  let others use it
    """
    # Before anything imports TensorFlow, which workers do with this environment. It uses oneDNN by
    # itself only on CPUs with AVX-512 for neural networks; a frozen MobileNet is 2.1 times as fast
    # with it on others, too.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # file names need not be text
