"""Tests of `hpo dashboard`."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpo.cli import main
from hpo.results.dashboard import PASSWORD_VARIABLE
from tests.hpo.conftest import FinishedStudy

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def _served(folder: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Runs the command on a free port; yields its address."""
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "hpo", "dashboard", "--port", "0"],
        cwd=folder,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("Dashboard at http://127.0.0.1:"), line
        yield line.split()[2], server
    finally:
        server.kill()
        server.communicate()


def _get(url: str, password: str | None = None) -> bytes:
    request = urllib.request.Request(url)
    if password:
        coded = base64.b64encode(f"any:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {coded}")
    with NO_PROXY.open(request, timeout=30) as answer:
        content: bytes = answer.read()
        return content


def test_serves_the_studies_and_ends_with_ctrl_c(finished_study: FinishedStudy) -> None:
    """The page, the studies and the kept weights are served; Ctrl-C ends it with status 0."""
    with _served(finished_study.folder) as (url, server):
        assert b"<html" in _get(url).lower()
        (study,) = json.loads(_get(f"{url}api/studies"))["study_summaries"]
        assert study["study_name"] == "colours"
        detail = json.loads(_get(f"{url}api/studies/{study['study_id']}"))
        artifacts = {row["filename"]: row["artifact_id"] for row in detail["artifacts"]}
        assert artifacts.keys() - {"report.html"} == {  # which another test may have written
            "manifest.json",
            "trial-00000.weights.safetensors",
            "trial-00002.weights.safetensors",
        }
        manifest = _get(f"{url}artifacts/{study['study_id']}/{artifacts['manifest.json']}")
        assert json.loads(manifest)["classes"] == ["blue", "green", "red"]
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
        assert server.returncode == 0, errors
        assert errors == ""


def test_many_requests_are_answered_at_once(finished_study: FinishedStudy) -> None:
    """More than there are threads, as browsers send them, and nothing is said of it."""
    with _served(finished_study.folder) as (url, server):
        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(_get, [f"{url}api/studies"] * 64))
        assert len({*answers}) == 1
        server.send_signal(signal.SIGINT)
        assert server.communicate(timeout=30)[1] == ""


def test_a_password_guards_every_route(finished_study: FinishedStudy) -> None:
    """Without it neither the page nor the studies can be had, and nothing can be deleted."""
    with _served(finished_study.folder, **{PASSWORD_VARIABLE: "s3cret"}) as (url, _):
        for path in ("", "api/studies", "static/bundle.js"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                _get(url + path)
            assert caught.value.code == 401
            caught.value.close()
        request = urllib.request.Request(f"{url}api/studies/1", method="DELETE")
        with pytest.raises(urllib.error.HTTPError) as caught:
            NO_PROXY.open(request, timeout=30)
        assert caught.value.code == 401
        caught.value.close()
        assert json.loads(_get(f"{url}api/studies", "s3cret"))["study_summaries"]


def test_other_machines_need_a_password(
    finished_study: FinishedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--host 0.0.0.0 alone is refused before anything listens."""
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    result = finished_study.type("dashboard", "--host", "0.0.0.0")
    assert result.exit_code == 1
    assert result.output == (
        "Error: Anyone who can open the dashboard can delete studies, so other machines need a "
        "password. Received: --host 0.0.0.0 without one. Set HPO_DASHBOARD_PASSWORD, or stay on "
        "127.0.0.1 and use an SSH tunnel, or add --insecure on a network that only you use.\n"
    )


def test_without_a_study_there_is_nothing_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to type first, and no storage is created."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["dashboard"])
    assert result.exit_code == 1
    assert "There is no study here yet." in result.output
    assert list(tmp_path.iterdir()) == []
