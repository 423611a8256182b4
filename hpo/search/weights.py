"""Which pretrained weights can be had on this machine, here already or downloaded now."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from models.backbones import BACKBONES, weights_path
from models.errors import ModelError

DOWNLOAD_TIMEOUT_S = 900

_DOWNLOAD = """
import json, sys
from models.backbones import BACKBONES
from models.bodies import download_weights
from models.errors import ModelError
failed = {}
for name in sys.argv[2:]:
    try:
        download_weights(BACKBONES[name], int(sys.argv[1]))
    except ModelError as error:
        failed[name] = str(error)
print("\\n" + json.dumps(failed))
"""


def unavailable(names: Sequence[str], image_size_px: int) -> dict[str, str]:
    """Returns the backbones of `names` whose weights cannot be had, with the reason.

    Missing weights are downloaded by Keras, in a process of its own: this one stays without
    TensorFlow.
    """
    missing = [
        name
        for name in names
        if BACKBONES[name].family == "imagenet"
        and BACKBONES[name].min_size_px <= image_size_px
        and weights_path(BACKBONES[name], image_size_px) is None
    ]
    return _download(missing, image_size_px) if missing else {}


def _download(names: Sequence[str], image_size_px: int) -> dict[str, str]:
    command = [sys.executable, "-c", _DOWNLOAD, str(image_size_px), *names]
    try:
        run = subprocess.run(command, capture_output=True, timeout=DOWNLOAD_TIMEOUT_S, check=True)
    except subprocess.TimeoutExpired:
        return dict.fromkeys(names, f"no answer within {DOWNLOAD_TIMEOUT_S} s")
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ModelError(f"Looking for pretrained weights failed. Received: {last}.") from error
    failed: dict[str, str] = json.loads(run.stdout.splitlines()[-1])
    return failed
