"""`hpo backbones`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpo.cli.backbones import backbones
from models.catalogue import BUILT_IN


def run(*args: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(backbones, args)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with the weights of one backbone."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = tmp_path / "models" / "mobilenet_7_5_224_tf_no_top.h5"
    file.parent.mkdir()
    file.touch()
    return tmp_path


def test_table(keras_home: Path) -> None:
    """Every backbone is listed with what one chooses by."""
    lines = run().splitlines()
    assert len(lines) == 1 + len(BUILT_IN)
    assert lines[0].split("  ")[0] == "backbone"
    table = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[1:]}
    assert table["cnn"] == "389,856 8 0..1 -"
    assert table["mobilenet_0.75"] == "1,832,976 32 -1..1 yes"
    assert table["xception"] == "20,861,480 71 -1..1 no"
    assert table["resnet50"] == "23,587,712 32 BGR, mean 0 no"


def test_image_size_decides_which_are_listed(keras_home: Path) -> None:
    """Backbones that need more pixels are left out; one file of weights serves every size."""
    rows = {row["name"]: row for row in json.loads(run("--json", "--image-size", "64"))}
    assert set(BUILT_IN) - set(rows) == {
        "cats_dogs_small_cnn",
        "weather_2",
        "inception_v3",
        "xception",
    }
    assert rows["mobilenet_0.75"]["weights_here"] is True
    at_128 = {row["name"]: row for row in json.loads(run("--json", "--image-size", "128"))}
    assert at_128["mobilenet_0.75"]["weights_here"] is True
    assert at_128["mobilenet_0.75"]["weights_file"] == "mobilenet_7_5_224_tf_no_top.h5"


def test_json(keras_home: Path) -> None:
    """JSON holds the same rows, and null where there is nothing to download."""
    rows = {row["name"]: row for row in json.loads(run("--json"))}
    assert list(rows) == list(BUILT_IN)
    assert rows["cnn"] == {
        "name": "cnn",
        "parameters": 389_856,
        "min_size_px": 8,
        "preprocessing": "unit",
        "source": "four convolutions with batch normalisation (Ioffe & Szegedy 2015)",
        "weights_file": None,
        "weights_here": None,
    }


def test_nothing_fits() -> None:
    """Where no backbone takes such small images, that is said."""
    assert run("--image-size", "5") == "No backbone takes images of 5 px.\n"


def test_tensorflow_is_not_imported() -> None:
    """Listing stays fast."""
    code = (
        "import sys; from hpo.cli.backbones import backbones;"
        "backbones(['--json'], standalone_mode=False);"
        "assert not {'tensorflow', 'keras', 'optuna'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
