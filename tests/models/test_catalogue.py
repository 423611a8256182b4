"""The catalogue of backbones, without building any."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.backbone import Backbone
from models.catalogue import BUILT_IN
from models.errors import ModelError
from models.preprocessing import PREPROCESSING

LISTED = "import models.catalogue, models.preprocessing, models.optimizers, sys"
IDENTITY = Backbone("identity", lambda images: images)


def test_tables_are_read_without_tensorflow() -> None:
    """Listing backbones and optimizers imports neither TensorFlow nor Keras."""
    code = f"{LISTED}; print(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("row", BUILT_IN.rows.values(), ids=list(BUILT_IN))
def test_preprocessing_exists(row: Backbone) -> None:
    """A row names a row of the preprocessing table."""
    assert row.preprocessing in PREPROCESSING


def test_no_two_rows_share_a_weights_file() -> None:
    """Every pretrained row has weights of its own."""
    files = [row.weights.file_name for row in BUILT_IN.rows.values() if row.weights]
    assert len(files) == len(set(files)) > 20


def test_weights_are_looked_for_in_keras_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file counts once it lies in the folder Keras downloads to."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    weights = BUILT_IN.find("mobilenet_0.75").weights
    assert weights is not None
    assert weights.here() is None
    file = tmp_path / "models" / "mobilenet_7_5_224_tf_no_top.h5"
    file.parent.mkdir()
    file.touch()
    assert weights.here() == file


def test_keras_home_defaults_to_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without KERAS_HOME the weights lie in ~/.keras/models."""
    monkeypatch.delenv("KERAS_HOME", raising=False)
    weights = BUILT_IN.find("vgg16").weights
    assert weights is not None
    assert weights.folder == Path.home() / ".keras" / "models"


def test_misspelt_name_is_answered_with_similar_ones() -> None:
    """The error names what was asked for and what there is."""
    with pytest.raises(ModelError, match=r"Received: 'mobilenet_75'.*mobilenet_0\.75"):
        BUILT_IN.find("mobilenet_75")


def test_added_rows_come_last_and_leave_the_catalogue_as_it_was() -> None:
    """A catalogue is a value: adding a row gives another one."""
    more = BUILT_IN.with_rows(IDENTITY)
    assert list(more) == [*BUILT_IN, "identity"]
    assert more.find("identity") is IDENTITY
    assert "identity" not in BUILT_IN
    assert len(more) == len(BUILT_IN) + 1


def test_a_taken_name_is_refused() -> None:
    """A row never replaces another one of its name."""
    with pytest.raises(ModelError, match=r"Received: a second 'identity'"):
        BUILT_IN.with_rows(IDENTITY, IDENTITY)
