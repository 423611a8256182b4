"""Where a run keeps what it makes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from studies.storage import default_url, sqlite_file

RUNS = Path(os.environ.get("HPO_RUNS", "hpo_runs"))
"""The folder studies live in, in the folder the command is typed in unless HPO_RUNS names it."""


def runs() -> Path:
    """Returns that folder as an absolute path, which a later change of folder does not move."""
    return RUNS.absolute()


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
        file = sqlite_file(self.storage)
        return file is None or file.exists()

    @property
    def artifacts(self) -> Path:
        """Folder of the artifacts of all studies."""
        return self.runs / "artifacts"

    def study(self, name: str, key: str) -> Path:
        """Returns the folder of a study's checkpoints and logs.

        Args:
            name: The study's name, for people who look into the folder; it may have had another
                when the folder was made, and another storage may have a study of the same name.
            key: What no other study has: letters, digits and hyphens.
        """
        work = self.runs / "work"
        for ending in (key, key[:8]):  # earlier versions wrote the first letters of the key
            for folder in work.glob(f"*-{ending}"):
                return folder
        return work / f"{name}-{key}"


def paths(storage: str | None) -> Paths:
    """Returns the paths for the value of `--storage`, or for none."""
    return Paths(storage or default_url(RUNS))
