"""The real `hpo`, whose workers train nothing: `python -m tests.hpo.search.fake_hpo run …`.

HPO_TEST_EPOCH_S is how long an epoch takes, HPO_TEST_LEASE_S how long a silent process keeps its
trials.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hpo.cli import main
from hpo.search import coordinator, processes
from hpo.training.checkpoint import best_path
from studies import leases

SCRIPT = Path(__file__).with_name("fake_worker.py")

SUFFIX = best_path(Path(), 0).name.removeprefix("best-0000")

processes.WORKER = (sys.executable, str(SCRIPT), os.environ.get("HPO_TEST_EPOCH_S", "0"), SUFFIX)
if lease_s := float(os.environ.get("HPO_TEST_LEASE_S", "0")):
    leases.LEASE_S, coordinator.BEAT_S = lease_s, lease_s / 5

if __name__ == "__main__":
    main()
