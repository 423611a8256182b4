"""What is said where pretrained weights cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpo.search import weights as weights_module
from hpo.search.weights import unavailable


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose way to the network ends at a port where nothing listens."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return tmp_path


def test_a_failed_download_is_one_line_without_a_host(offline: Path) -> None:
    """One failure stands for all that were to come from the same place."""
    found = unavailable(["mobilenet_0.75", "cnn", "vgg16"])
    assert list(found) == ["mobilenet_0.75", "vgg16"]
    assert found["mobilenet_0.75"] == found["vgg16"]
    reason = found["vgg16"]
    assert reason.startswith("mobilenet_7_5_224_tf_no_top.h5 must be downloaded. Received: ")
    assert "Connection refused" in reason
    assert len(reason.splitlines()) == 1
    assert "google" not in reason
    assert "://" not in reason


def test_what_is_here_or_has_no_weights_is_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process is started where there is nothing to download."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(weights_module, "_download", lambda names: 1 / 0)
    file = tmp_path / "models" / "mobilenet_7_5_224_tf_no_top.h5"
    file.parent.mkdir()
    file.touch()
    assert unavailable(["mobilenet_0.75", "cnn"]) == {}
