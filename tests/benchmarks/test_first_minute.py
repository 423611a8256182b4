"""How soon a search says something, beside what it cannot do without; run with `make bench`.

`HPO_TEST_PHOTOS` is a folder `{train,validation,test}/<class>/`, and `KERAS_HOME` holds the weights
of MobileNet 0.75.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

pytestmark = pytest.mark.bench

PHOTOS = os.environ.get("HPO_TEST_PHOTOS")
AT_MOST = 2
FIRST_EPOCH = sa.text("SELECT count(*) FROM trial_intermediate_values")

LEAST = """
import json, os, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

began = time.perf_counter()
import keras, numpy as np, tensorflow as tf
imported = time.perf_counter()
from PIL import Image

def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((96, 96), Image.Resampling.BILINEAR))

root = Path(sys.argv[1])
with ThreadPoolExecutor(os.cpu_count()) as pool:
    parts = {
        part: list(pool.map(read, sorted((root / part).glob("*/*"))))
        for part in ("train", "validation", "test")
    }
decoded = time.perf_counter()
network = keras.applications.MobileNet(
    alpha=0.75, include_top=False, weights=None, input_shape=(96, 96, 3), pooling="avg"
)
forward = tf.function(lambda images: network(images, training=False))
images = np.stack([*parts["train"], *parts["validation"]]).astype(np.float32) / 127.5 - 1
for begin in range(0, len(images), 64):
    forward(images[begin : begin + 64]).numpy()
passed = time.perf_counter()
print(json.dumps([imported - began, decoded - imported, passed - decoded]))
"""
"""Seconds of importing TensorFlow, decoding every image, and a pass over those that are used."""


@pytest.mark.skipif(not PHOTOS, reason="HPO_TEST_PHOTOS is not set")
@pytest.mark.timeout(900)
def test_the_first_validated_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command to the first accuracy in the study, with an empty cache."""
    ours_s = _first_accuracy_s(tmp_path)
    least = subprocess.run(
        [sys.executable, "-c", LEAST, str(PHOTOS)], check=True, capture_output=True, text=True
    )
    least_s = json.loads(least.stdout.splitlines()[-1])
    figures = {
        "what": "seconds from `hpo run` to the first validated accuracy",
        "ours": round(ours_s, 1),
        "import, decode, pass": [round(seconds, 1) for seconds in least_s],
        "ratio": round(ours_s / sum(least_s), 2),
    }
    with capsys.disabled():
        print("\n" + json.dumps(figures))
    assert ours_s <= AT_MOST * sum(least_s)


def _first_accuracy_s(folder: Path) -> float:
    environment = os.environ | {"HPO_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-m", "hpo", "run", "--data", str(PHOTOS), "--trials", "1"]
    began = time.monotonic()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        database = sa.create_engine(f"sqlite:///{folder / 'hpo_runs' / 'studies.db'}")
        while not _has_one(database):
            assert process.poll() is None, "it ended before"
            time.sleep(0.1)
        seconds = time.monotonic() - began
        process.kill()
        database.dispose()
    return seconds


def _has_one(database: sa.Engine) -> bool:
    if not Path(str(database.url.database)).exists():
        return False
    try:
        with database.connect() as connection:
            return bool(connection.scalar(FIRST_EPOCH))
    except sa.exc.OperationalError:  # its tables are being made
        return False
