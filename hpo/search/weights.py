"""Which pretrained weights this machine has, or can download now."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from models.catalogue import BUILT_IN, Catalogue
from models.errors import ModelError

DOWNLOAD_TIMEOUT_S = 900

_DOWNLOAD = """
import json, sys
from models.catalogue import BUILT_IN
from models.errors import ModelError
failed = {}
for name in sys.argv[1:]:
    try:
        BUILT_IN.find(name).weights.fetch()
    except ModelError as error:
        failed = dict.fromkeys(sys.argv[1 + sys.argv[1:].index(name):], str(error))
        break
print("\\n" + json.dumps(failed))
"""
"""One failure is taken for all that follow, as they come from one host, and each try may wait long
for a network that is not there."""


def unavailable(names: Sequence[str], catalogue: Catalogue = BUILT_IN) -> dict[str, str]:
    """Returns the backbones of `names` whose weights are not available, with the reason.

    Missing weights are downloaded by Keras, in a process of its own: this one stays without
    TensorFlow. Backbones without weights need none.
    """
    missing = []
    for name in names:
        row = catalogue.find(name)
        if row.weights and row.weights.here() is None:
            missing.append(name)
    return _download(missing) if missing else {}


def _download(names: Sequence[str]) -> dict[str, str]:
    command = [sys.executable, "-P", "-c", _DOWNLOAD, *names]
    try:
        run = subprocess.run(command, capture_output=True, timeout=DOWNLOAD_TIMEOUT_S, check=True)
    except subprocess.TimeoutExpired:
        return dict.fromkeys(names, f"no answer within {DOWNLOAD_TIMEOUT_S} s")
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ModelError(f"Looking for pretrained weights failed. Received: {last}.") from error
    failed: dict[str, str] = json.loads(run.stdout.splitlines()[-1])
    return failed
