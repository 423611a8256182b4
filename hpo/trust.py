"""Which network files this user has had run: code of other people is not run unasked.

A text is trusted once the user has named its file here, or said `--trust`. A study that was copied
from elsewhere, or lies in a database that others write to, carries text that is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from models.source import Source
from studies.errors import StudyError
from studies.network_files import NetworkFile


def folder() -> Path:
    """Returns where the trusted texts are: in `HPO_CONFIG_DIR`, or this user's settings."""
    root = os.environ.get("HPO_CONFIG_DIR") or platformdirs.user_config_dir("hpo")
    return Path(root).expanduser() / "trusted"


def trust(sources: Iterable[Source]) -> None:
    """Notes that the user wants these texts to be run."""
    for source in sources:
        path = _path(source)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.write_text(source.text, encoding="utf-8")
            temporary.replace(path)


def require_trusted(study: str, files: Iterable[NetworkFile]) -> None:
    """Refuses to go on with a study whose code was never named here.

    Raises:
        StudyError: It carries such code.
    """
    sources = [file.source for file in files]
    unknown = [source.name for source in sources if not is_trusted(source)]
    if unknown:
        raise StudyError(
            f"The study {study!r} carries Python code that was not named here before. "
            f"Received: {', '.join(unknown)}. Read it with `hpo networks --study {study}`. If you "
            "trust whoever wrote it, type the command again with --trust."
        )


def is_trusted(source: Source) -> bool:
    """Returns whether the user has named this text, or said that it is trusted."""
    path = _path(source)
    return path.is_file() and path.read_bytes() == source.text.encode()


def _path(source: Source) -> Path:
    return folder() / f"{source.digest}.py"
