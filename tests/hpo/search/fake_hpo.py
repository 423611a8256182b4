"""The real `hpo`, whose workers train nothing: `python -m tests.hpo.search.fake_hpo run …`.

HPO_TEST_EPOCH_S is how long an epoch takes, HPO_TEST_LEASE_S how long a silent process keeps its
trials.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hpo.cli import main
from hpo.search import coordinator
from hpo.search.crew import WorkerSettings
from studies import leases

SCRIPT = Path(__file__).with_name("fake_worker.py")


def command(_: WorkerSettings) -> list[str]:
    """Returns the command line of a worker that trains nothing."""
    return [sys.executable, str(SCRIPT), os.environ.get("HPO_TEST_EPOCH_S", "0")]


WorkerSettings.command = command  # type: ignore[method-assign]
if lease_s := float(os.environ.get("HPO_TEST_LEASE_S", "0")):
    leases.LEASE_S, coordinator.BEAT_S = lease_s, lease_s / 5

if __name__ == "__main__":
    main()
