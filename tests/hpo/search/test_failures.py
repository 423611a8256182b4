"""What follows when trials fail, and lack of memory told apart from other ends of a worker."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import cast

import pytest
from optuna.trial import TrialState

from data_pipeline.system import oom_kills
from hpo.search.claims import Claim
from hpo.search.failures import Failures, out_of_memory
from hpo.search.recorder import state_of
from models.config import ModelConfig, OwnNetwork
from studies.record import Outcome
from studies.trial_config import TrialConfig

BAD_ALLOC = "terminate called after throwing an instance of 'std::bad_alloc'\n  @ 0x1 main\n"
SEGFAULT, ABORT, KILL = -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGKILL


@pytest.mark.parametrize(
    ("status", "printed", "starved"),
    [
        (ABORT, BAD_ALLOC, True),
        (127, "cannot allocate memory for thread-local data: ABORT\n", True),
        (ABORT, "Check failed: 1 == 2\n", False),
        (SEGFAULT, "", False),
        (KILL, BAD_ALLOC, False),
        (0, BAD_ALLOC, False),
        (1, "MemoryError", False),
    ],
)
def test_out_of_memory(status: int, printed: str, starved: bool) -> None:
    """An abort is lack of memory where it was said; other ends are not."""
    found = out_of_memory(status, printed, oom_kills())
    assert (found is not None) == starved
    assert found is None or printed.splitlines()[0].strip() in found


def test_the_kernels_killer() -> None:
    """A kill is lack of memory where the kernel has killed somebody since."""
    assert out_of_memory(KILL, "", oom_kills() - 1) == (
        "The kernel killed the worker because memory ran out."
    )


_LIMITED = """
import resource, signal
resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))
from hpo.search.failures import out_of_memory
print(out_of_memory(-signal.SIGSEGV, "", 0), out_of_memory(-signal.SIGKILL, "", 10**9), sep="\\n")
"""


def test_a_crash_under_a_limit() -> None:
    """Below a `ulimit -v` a crash without a word is lack of memory, and a kill is not."""
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", _LIMITED], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "The worker crashed (-11) under the memory limit of 1.0 GB that is set (ulimit -v).",
        "None",
    ], done.stderr


def claim_of(backbone: str, *, own: bool) -> Claim:
    """A trial of a network, of a user's file or not."""
    network = OwnNetwork(code="1") if own else None
    model = ModelConfig(backbone=backbone, image_size_px=8, classes=3, own=network)
    return cast("Claim", SimpleNamespace(config=TrialConfig(model=model)))


@pytest.mark.parametrize(
    ("networks", "own", "backbones", "stops"),
    [
        (("plain", "plain", "plain"), True, 2, False),
        (("plain", "plain", "plain"), True, 1, True),
        (("plain", "other", "plain"), True, 2, True),
        (("cnn", "cnn", "cnn"), False, 2, True),
    ],
)
def test_one_network_of_ones_own_does_not_end_a_search(
    networks: tuple[str, ...], own: bool, backbones: int, stops: bool
) -> None:
    """Others are searched on; what fails for all of them ends it as ever."""
    failures, failed = Failures(), Outcome(reason="failed", message="ValueError: no")
    said = [failures.of_trial(claim_of(name, own=own), failed, backbones) for name in networks]
    assert said[:2] == [None, None]
    assert (said[2] == "ValueError: no") == stops


def test_a_network_of_ones_own_that_fails_is_learned_from() -> None:
    """A sampler forgets failed trials, and would come back."""
    failed = Outcome(reason="failed")
    assert state_of(claim_of("plain", own=True).config, failed) is TrialState.PRUNED
    assert state_of(claim_of("cnn", own=False).config, failed) is TrialState.FAIL
    complete = Outcome(reason="complete", value=0.5)
    assert state_of(claim_of("plain", own=True).config, complete) is TrialState.COMPLETE
