"""The dashboard of a study, served by this process."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

import hpo
from tests.hpo.api.conftest import FAST


def test_it_is_served_until_it_is_closed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a storage, however often it is asked for; a notebook shows a link, Colab its proxy's."""
    study = hpo.search("photos", trials=1, space=FAST)
    dashboard = study.dashboard()
    assert dashboard.url.endswith("/dashboard/studies/1")
    with urllib.request.urlopen(dashboard.url) as answer:
        assert answer.status == 200
    assert study.dashboard().port == dashboard.port
    assert f'<a href="{dashboard.url}"' in dashboard._repr_html_()

    shown: list[tuple[int, str]] = []
    output = ModuleType("google.colab.output")
    output.serve_kernel_port_as_window = lambda port, path: shown.append((port, path))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    assert dashboard._repr_html_() == ""
    assert shown == [(dashboard.port, "/dashboard/studies/1")]

    dashboard.close()
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset
        urllib.request.urlopen(dashboard.url, timeout=5)
