"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hpo.cli import completion

if TYPE_CHECKING:
    from click.types import OptionHelpExtra
    from pydantic.fields import FieldInfo


class SettingOption(click.Option):
    """An option for one key of `studies.settings.StudySettings`, under that key's name.

    Its help and its default are those of the key. Both are looked up only when the help is printed:
    importing the settings takes longer than everything else that `hpo --help` does. The default is
    never a value of the option, since a study that is continued keeps what it was created with.
    """

    @property
    def setting(self) -> FieldInfo:
        """The key."""
        from studies.settings import StudySettings

        assert self.name is not None
        return StudySettings.model_fields[self.name]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Returns the option's names and help."""
        self.help = f"{self.setting.description}{' Can be repeated.' * self.multiple}"
        return super().get_help_record(ctx)

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Returns what stands in brackets after the help."""
        extra, default = super().get_help_extra(ctx), self.setting.default
        if default not in (None, ()) and default is not False:
            extra["default"] = str(default)
        return extra


class Duration(click.ParamType[float]):
    """A duration such as `90s`, `15m` or `1h30m`."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Returns seconds."""
        from studies.settings import seconds

        try:
            return float(seconds(value))
        except ValueError as error:
            self.fail(f"It {error}. Received: {value!r}.", param, ctx)


def setting_option(*names: str, **more: Any) -> Callable[..., Any]:
    """Returns an option of the kind `SettingOption`."""
    return click.option(*names, cls=SettingOption, **more)


timeout_option = setting_option("--timeout", "timeout_s", type=Duration())
workers_option = setting_option("--workers", type=click.IntRange(1, 256))
device_option = setting_option("--device", type=click.Choice(["auto", "cpu", "gpu"]))
storage_option = click.option(
    "--storage",
    metavar="URL",
    envvar="HPO_STORAGE",
    help="Database of the studies instead of ./hpo_runs/studies.db, "
    "e.g. postgresql://user@host/name; also read from HPO_STORAGE.",
)
study_option = click.option(
    "--study",
    metavar="NAME",
    shell_complete=completion.studies,
    help="Name of the study.  [default: the latest]",
)
layers_option = click.option(
    "--trust", "trusts", is_flag=True, help="Run the Python file with the layers beside the model."
)
trust_option = click.option(
    "--trust",
    "trusts",
    is_flag=True,
    help="Run the Python code of networks that a study from elsewhere carries.",
)
DATA_OPTIONS = (
    setting_option("--class-pattern", metavar="REGEX"),
    setting_option("--class-level", type=click.IntRange(min=1), metavar="N"),
    setting_option("--images", metavar="FOLDER"),
    setting_option("--file-column", metavar="NAME"),
    setting_option("--label-column", metavar="NAME"),
    setting_option("--split-column", metavar="NAME"),
    setting_option("--group-column", metavar="NAME"),
    setting_option("--group-pattern", metavar="REGEX"),
    setting_option("--group-level", type=click.IntRange(min=1), metavar="N"),
    setting_option("--exclude", metavar="NAME", multiple=True),
    setting_option("--min-class-images", type=click.IntRange(min=0), metavar="N"),
    setting_option("--draw-validation", is_flag=True, default=None),
)
"""How the images of a data set are labelled and split, where the data do not show it."""


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of `DATA_OPTIONS`."""
    for option in reversed(DATA_OPTIONS):
        command = option(command)
    return command


LANGUAGES = ("en", "ko")
"""Those of `hpo.report.language.LANGUAGES`, which is imported only when it is used."""
language_option = click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="Language of the page.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
