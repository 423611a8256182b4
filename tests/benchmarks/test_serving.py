"""Exported models in use against their bare runtime; run with `make bench`.

The model is a MobileNet for 224 px with random weights: its speed does not depend on them. The
pictures are smooth noise as JPEGs, about as large as photos of their size.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_pipeline.reading import Reading
from data_pipeline.system import processors
from hpo.results.classify import classify
from hpo.runtimes.table import load, load_for
from tests.benchmarks.measure import compare
from tests.hpo.cli.test_serve import served

pytestmark = pytest.mark.bench

SIZE_PX = (320, 240)
FILES = 192
CLIENTS = 200
SECONDS = 30
SLICES = 2
"""Runs of the server; the bare runtime is measured before, between and after them."""

EXPORT = """
import sys
from pathlib import Path
from hpo.quiet import load_tensorflow
load_tensorflow()
from hpo.converters.conversion import Conversion
from hpo.converters.onnx_file import convert
from hpo.runtimes.metadata import Metadata
from models.config import ModelConfig
from models.export import whole_model
config = ModelConfig(backbone="mobilenet_1.0", image_size_px=224, classes=3)
model = whole_model(config, class_names=("a", "b", "c"))
metadata = Metadata(classes=("a", "b", "c"), image_size_px=224)
convert(Conversion(model, metadata, Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file, exported in a process of its own."""
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    subprocess.run([sys.executable, "-P", "-c", EXPORT, str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """JPEG files."""
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(FILES):
        coarse = random.integers(0, 256, (15, 20, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(SIZE_PX, Image.Resampling.BICUBIC)
        noisy = np.asarray(image) + random.normal(0, 6, (*SIZE_PX[::-1], 3))
        picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{number:04d}.jpg", quality=85)
    return sorted(folder.iterdir())


def bare(path: Path, images: Sequence[np.ndarray]) -> Callable[[], int]:
    """The faster of two ways to use the bare runtime: all threads on a batch, or one on each."""
    shared, alone = load(path), load_for(path, processors())

    def batches() -> int:
        for begin in range(0, len(images), 32):
            shared.predict(images[begin : begin + 32])
        return len(images)

    def singles() -> int:
        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(lambda image: alone.predict([image]), images))
        return len(images)

    return max((batches, singles), key=lambda work: statistics.median(rates(work, 3)))


def rates(work: Callable[[], int], times: int) -> list[float]:
    """Units a second, each time, after one that is not counted."""
    work()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        found.append(work() / (time.perf_counter() - began))
    return found


def test_predict_keeps_up_with_the_bare_runtime(
    model: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Files to classes, on all processors, against decoded arrays to classes."""
    images = [np.asarray(Image.open(file)) for file in photos]
    loaded = load_for(model, processors())

    def ours() -> int:
        return len(list(classify(loaded, photos, Reading(), processors())))

    with capsys.disabled():
        found = compare("hpo predict, images a second", bare(model, images), ours, at_least=0.8)
        found.show()
    assert found.ratio >= found.at_least


def test_the_first_answer_comes_within_a_second(
    model: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """From the start of the process, in the median of nine."""
    command, seconds = [sys.executable, "-m", "hpo", "predict", str(model), str(photos[0])], []
    for _ in range(9):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        seconds.append(time.perf_counter() - began)
    taken_s = statistics.median(seconds)
    with capsys.disabled():
        print("\n" + json.dumps({"what": "hpo predict model.onnx one.jpg", "s": round(taken_s, 2)}))
    assert taken_s < 1.0


@pytest.mark.timeout(900)
def test_the_server_keeps_up_with_the_bare_runtime(
    model: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """200 clients at once for 30 s, twice, without an error, and the bare runtime in turns."""
    images = [np.asarray(Image.open(photos[0]))] * 64
    reference = bare(model, images)
    alone, together, answers = rates(reference, 2), [], []
    with served(model) as (port, _):
        for _ in range(SLICES):
            words = [str(port), str(photos[0]), str(CLIENTS), str(SECONDS)]
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.load", *words],
                capture_output=True,
                check=True,
            )
            answers.append(json.loads(done.stdout))
            together.append(answers[-1]["a_second"])
            alone += rates(reference, 2)
    ratio = statistics.median(together) / statistics.median(alone)
    with capsys.disabled():
        row = {"reference": statistics.median(alone), "ours": statistics.median(together)}
        print("\n" + json.dumps({"what": "hpo serve, 200 clients", **row, "ratio": ratio}))
        print(json.dumps(answers))
    assert [answer["errors"] for answer in answers] == [[]] * SLICES
    assert ratio >= 0.8
