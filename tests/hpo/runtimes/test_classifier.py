"""Tests of what an exported model says about images."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from data_pipeline.store import Examples
from hpo.runtimes.classifier import BATCH, Classifier
from models.config import ModelConfig
from models.export import whole_model

SIZE_PX = 8


@pytest.fixture(params=["softmax", "sigmoid"])
def classifier(request: pytest.FixtureRequest) -> Classifier:
    """A classifier of random weights for two classes, with either output."""
    config = ModelConfig(backbone="cnn", image_size_px=SIZE_PX, classes=2, output=request.param)
    return Classifier(whole_model(config, class_names=("cat", "dog")))


@pytest.fixture
def images_bhwc() -> np.ndarray:
    """More images than a batch holds, so that the last batch is a small one."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (BATCH + 3, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)


def test_both_outputs_give_two_probabilities(
    classifier: Classifier, images_bhwc: np.ndarray
) -> None:
    """A sigmoid unit's share is the second class's; the first has the rest."""
    shares = classifier.image(images_bhwc[0])
    assert classifier.class_names == ["cat", "dog"]
    assert shares.shape == (2,)
    assert shares.sum() == pytest.approx(1)
    assert shares.min() > 0


def test_a_split_is_classified_in_its_own_order(
    classifier: Classifier, images_bhwc: np.ndarray
) -> None:
    """Rows of a store may be in any order and repeated; each gets its image's probabilities."""
    rows = np.random.default_rng(1).integers(len(images_bhwc), size=BATCH + 3)
    split = Examples(images_bhwc, rows, np.zeros(len(rows), np.int32), ("",) * len(rows))
    shares = classifier.split(split)
    assert shares.shape == (BATCH + 3, 2)
    for place in (0, BATCH - 1, BATCH + 2):
        alone = classifier.image(images_bhwc[rows[place]])
        assert shares[place] == pytest.approx(alone, abs=1e-6)


def test_an_empty_split_gives_no_rows(classifier: Classifier, images_bhwc: np.ndarray) -> None:
    """A data set without test images is no special case."""
    empty = Examples(images_bhwc, np.array([], np.int64), np.array([], np.int32), ())
    assert classifier.split(empty).shape == (0, 2)


@pytest.mark.parametrize("size_px", [(1, 1), (5, 200), (64, 48)])
def test_images_of_any_size_are_taken(classifier: Classifier, size_px: tuple[int, int]) -> None:
    """The model resizes; a uniform image is the same image at any size."""
    image_hwc = np.full((*size_px, 3), 90, np.uint8)
    expected = classifier.image(np.full((SIZE_PX, SIZE_PX, 3), 90, np.uint8))
    assert classifier.image(image_hwc) == pytest.approx(expected, abs=1e-5)


def test_many_models_in_a_row_say_nothing() -> None:
    """TensorFlow warns of a function that is traced again and again; here it is one a model."""
    code = (
        "from hpo.quiet import load_tensorflow; load_tensorflow()\n"
        "import numpy as np\n"
        "from hpo.runtimes.classifier import Classifier\n"
        "from models.config import ModelConfig\n"
        "from models.export import whole_model\n"
        "config = ModelConfig(backbone='cnn', image_size_px=8, classes=2)\n"
        "model = whole_model(config, class_names=('cat', 'dog'))\n"
        "for _ in range(9): Classifier(model).image(np.zeros((8, 8, 3), np.uint8))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "WARNING:tensorflow" not in done.stderr
