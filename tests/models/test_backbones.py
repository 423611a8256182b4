"""The table of backbones, without building any."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.backbones import BACKBONES, find_backbone, weights_file, weights_folder, weights_path
from models.errors import ModelError
from models.preprocessing import PREPROCESSING

LISTED = "import models.backbones, models.preprocessing, models.optimizers, sys"


def test_tables_are_read_without_tensorflow() -> None:
    """Listing backbones and optimizers imports neither TensorFlow nor Keras."""
    code = f"{LISTED}; print(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("row", BACKBONES.values(), ids=BACKBONES.keys())
class TestRow:
    """What holds for every row."""

    def test_preprocessing_exists(self, row) -> None:
        """A row names a row of the preprocessing table."""
        assert row.preprocessing in PREPROCESSING

    def test_weights_belong_to_imagenet_rows(self, row) -> None:
        """Pretrained rows have a weights file and the others none."""
        assert (row.weights_file is not None) == (row.family == "imagenet")
        assert bool(row.weights_sizes_px) == ("{size}" in (row.weights_file or ""))


def test_no_two_rows_share_a_weights_file() -> None:
    """Every pretrained row has weights of its own."""
    files = [row.weights_file for row in BACKBONES.values() if row.weights_file]
    assert len(files) == len(set(files))


@pytest.mark.parametrize(
    ("name", "size_px", "expected"),
    [
        ("mobilenet_0.75", 96, "mobilenet_7_5_224_tf_no_top.h5"),
        ("mobilenet_0.75", 128, "mobilenet_7_5_128_tf_no_top.h5"),
        ("mobilenet_0.75", 64, "mobilenet_7_5_224_tf_no_top.h5"),
        (
            "mobilenet_v2_0.35",
            96,
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5",
        ),
        ("vgg16", 96, "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("cnn", 96, None),
    ],
)
def test_weights_file_depends_on_the_size(name: str, size_px: int, expected: str | None) -> None:
    """Only the MobileNets have files for several sizes; other sizes use 224's."""
    assert weights_file(BACKBONES[name], size_px) == expected


def test_weights_are_looked_for_in_keras_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file counts once it lies in the folder Keras downloads to."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    row = BACKBONES["mobilenet_0.75"]
    assert weights_path(row, 96) is None
    file = tmp_path / "models" / "mobilenet_7_5_224_tf_no_top.h5"
    file.parent.mkdir()
    file.touch()
    assert weights_path(row, 96) == file
    assert weights_path(row, 128) is None
    assert weights_path(BACKBONES["cnn"], 96) is None


def test_keras_home_defaults_to_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without KERAS_HOME the weights lie in ~/.keras/models."""
    monkeypatch.delenv("KERAS_HOME", raising=False)
    assert weights_folder() == Path.home() / ".keras" / "models"


def test_misspelt_name_is_answered_with_similar_ones() -> None:
    """The error names what was asked for and what there is."""
    with pytest.raises(ModelError, match=r"Received: 'mobilenet_75'.*mobilenet_0\.75"):
        find_backbone("mobilenet_75")
