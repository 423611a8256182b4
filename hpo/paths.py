"""Where a run keeps what it makes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from studies.storage import default_url

RUNS = Path(os.environ.get("HPO_RUNS", "hpo_runs"))
"""The folder studies live in, in the folder the command is typed in unless HPO_RUNS names it."""


@dataclass(frozen=True)
class Paths:
    """The folders and the storage of one invocation.

    Attributes:
        storage: Storage URL, which may hold a password: show `studies.storage.masked` of it.
        runs: The folder for everything else.
    """

    storage: str
    runs: Path = RUNS

    @property
    def exist(self) -> bool:
        """Whether there may be a study: a server, or a SQLite file that is there."""
        return not self.storage.startswith("sqlite:///") or Path(self.storage[10:]).exists()

    @property
    def artifacts(self) -> Path:
        """Folder of the artifacts of all studies."""
        return self.runs / "artifacts"

    def study(self, name: str) -> Path:
        """Returns the folder of a study's checkpoints and logs."""
        return self.runs / "work" / name


def paths(storage: str | None) -> Paths:
    """Returns the paths for the value of `--storage`, or for none."""
    return Paths(storage or default_url(RUNS))


storage_option = click.option(
    "--storage",
    metavar="URL",
    envvar="HPO_STORAGE",
    help="Database of the studies instead of ./hpo_runs/studies.db, "
    "e.g. postgresql://user@host/name; also read from HPO_STORAGE.",
)
study_option = click.option(
    "--study", metavar="NAME", help="Name of the study. [default: the latest]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
