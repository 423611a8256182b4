"""Studies in a folder that cannot be written: archived runs, mounts for reading."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.hpo.conftest import FinishedStudy

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# Root may write everything by a right that is taken from it here.
AS_ANYBODY = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)
pytestmark = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="as root, needs setpriv"
)


@pytest.fixture
def archive(own_study: FinishedStudy) -> Iterator[Path]:
    """A folder that holds a finished study and that the commands below cannot write."""
    (own_study.folder / "hpo_runs" / "studies.lock").unlink(missing_ok=True)
    _set_modes(own_study.folder, writable=False)
    yield own_study.folder
    _set_modes(own_study.folder, writable=True)


def _set_modes(folder: Path, *, writable: bool) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod((0o755 if path.is_dir() else 0o644) if writable else path.stat().st_mode & 0o555)


def _command(archive: Path, *words: str) -> subprocess.Popen[str]:
    """Types a command in the archive."""
    return subprocess.Popen(
        [*AS_ANYBODY, sys.executable, "-P", "-m", "hpo", *words],
        cwd=archive,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _typed(archive: Path, *words: str) -> tuple[int, str, str]:
    process = _command(archive, *words)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def test_it_can_be_listed(archive: Path) -> None:
    """Studies, trials, the best one and the comparison, as in a folder that can be written."""
    for words in (["studies"], ["trials"], ["best"], ["compare"], ["analyse", "--csv"]):
        status, output, errors = _typed(archive, *words)
        assert (status, errors) == (0, ""), words
        assert output, words
    (study,) = json.loads(_typed(archive, "studies", "--json")[1])
    assert (study["study"], study["trials"]["complete"]) == ("colours", 3)
    assert not list((archive / "hpo_runs").glob("*.lock"))


def test_a_folder_of_a_killed_program_can_be_listed(archive: Path) -> None:
    """What its database still has in the log is listed too, or else it is said how."""
    file = archive / "hpo_runs" / "studies.db"
    _set_modes(archive, writable=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE studies SET study_name = 'renamed'")
        connection.commit()
        assert file.with_name("studies.db-wal").stat().st_size > 0
        _set_modes(archive, writable=False)
        status, output, errors = _typed(archive, "studies", "--json")
        assert (status, errors) == (0, "")
        assert json.loads(output)[0]["study"] == "renamed"


def test_the_dashboard_shows_it(archive: Path) -> None:
    """It serves the study, and ends with Ctrl-C."""
    server = _command(archive, "dashboard", "--port", "0")
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[2]
        with NO_PROXY.open(f"{url}api/studies", timeout=30) as answer:
            (study,) = json.load(answer)["study_summaries"]
        assert study["study_name"] == "colours"
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
        assert (server.returncode, errors) == (0, "")
    finally:
        server.kill()
        server.communicate()


def test_a_model_can_be_exported_from_it(archive: Path, tmp_path: Path) -> None:
    """To a place that can be written."""
    target = tmp_path / "model.keras"
    status, output, errors = _typed(archive, "best", "--export", str(target))
    assert status == 0, errors
    assert "Loaded again in a fresh process" in output
    assert target.stat().st_size > 0


def test_what_would_write_is_refused(archive: Path) -> None:
    """With one sentence, before anything is computed."""
    for words in (["best", "--test"], ["worker"]):
        status, _, errors = _typed(archive, *words)
        assert status == 1, errors
        assert "Traceback" not in errors
        assert "studies.db" in errors
