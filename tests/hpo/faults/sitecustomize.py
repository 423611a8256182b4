"""Kills the processes of a study at named points, where this folder is on PYTHONPATH.

`HPO_TEST_FAULTS` names a folder that remembers what was killed; `HPO_TEST_LAUNCH` numbers the
command typed. In each launch two workers and then the coordinator die: at the first points where
nobody died before. With `HPO_TEST_CHANCE` it is one worker and the coordinator, at any point with
that chance. The product knows nothing of this.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import os
import random
import signal
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("HPO_TEST_FAULTS", "."))
LAUNCH = os.environ.get("HPO_TEST_LAUNCH", "0")
CHANCE = float(os.environ.get("HPO_TEST_CHANCE", "0"))
ROLE = "worker" if "hpo.training.worker" in sys.orig_argv else "coordinator"

NAMED = {
    "coordinator": {
        "end of a trial": ("optuna.study.study", "Study.tell"),
        "report": ("hpo.search.recorder", "Recorder.report"),
        "artifact": ("hpo.search.files", "_put"),
    },
    "worker": {
        "checkpoint": ("hpo.training.checkpoint", "save"),
        "best weights": ("hpo.training.checkpoint", "save_weights"),
        "rename": ("hpo.training.checkpoint", "Path.replace"),
    },
}
"""Role, then what is done, then the module and function that do it."""
FURTHER = {
    "coordinator": {
        "claim": ("hpo.search.claims", "Claims._claim"),
        "finish": ("hpo.search.recorder", "Recorder.finish"),
        "collect": ("hpo.search.recorder", "Recorder.tidy"),
        "kept weights": ("hpo.search.files", "Files.keep"),
        "verdict": ("hpo.search.processes", "LocalWorker.send"),
    },
    "worker": {
        "event": ("hpo.training.worker", "PipeLink.send"),
        "write": ("hpo.training.checkpoint", "_write"),
        "load": ("hpo.training.checkpoint", "load"),
        "trial": ("hpo.training.trial", "run_trial"),
    },
}
RNG = random.Random(f"{os.environ.get('HPO_TEST_SEED')} {LAUNCH} {ROLE}")


def die_perhaps(point: str) -> None:
    """Kills this process where it is its turn."""
    if RNG.random() >= CHANCE if CHANCE else not is_due(point):
        return
    names = [f"{ROLE} in launch {LAUNCH}"]
    names += [f"second {ROLE} in launch {LAUNCH}"] * (ROLE == "worker" and not CHANCE)
    if not any(map(is_first, names)):
        return
    with (FOLDER / point).open("a") as file:
        file.write(f"{LAUNCH}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def is_first(name: str) -> bool:
    """Whether nobody has this name yet."""
    try:
        (FOLDER / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def is_due(point: str) -> bool:
    """Whether nobody died here yet, and it is not the worker's turn to die before."""
    if (FOLDER / point).exists():
        return False
    to_come = [f"{when} {name}" for name in NAMED["worker"] for when in ("before", "after")]
    return (
        ROLE == "worker"
        or "artifact" in point  # the first is made before there are workers
        or (FOLDER / f"worker in launch {LAUNCH}").exists()
        or all((FOLDER / name).exists() for name in to_come)
    )


def mortal(point: str, function):
    """Returns the function with a death before and one after it."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        die_perhaps(f"before {point}")
        result = function(*args, **kwargs)
        die_perhaps(f"after {point}")
        return result

    return call


def counted(function):
    """Returns a trial's epoch with a line in a file for each that begins."""

    @functools.wraps(function)
    def call(run, phase_run):
        with (FOLDER / "epochs").open("a") as file:
            file.write(f"{run.job.number} {run.state.epoch + 1}\n")
        return function(run, phase_run)

    return call


def patch(module: object, path: str, wrap) -> None:
    """Puts a wrapped function in the place of a module's function or method."""
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, module)
    setattr(owner, name, wrap(getattr(owner, name)))


class Patching(importlib.abc.MetaPathFinder):
    """Finds modules as usual, and patches those that have points once they are loaded."""

    def find_spec(self, name, path=None, target=None):
        """Returns a module's spec, where it has points."""
        points = NAMED[ROLE] | (FURTHER[ROLE] if CHANCE else {})
        mine = {point: where[1] for point, where in points.items() if where[0] == name}
        trains = name == "hpo.training.trial" and ROLE == "worker"
        if not mine and not trains:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module: object) -> None:
            load(module)
            for point, function in mine.items():
                patch(module, function, functools.partial(mortal, point))
            if trains:
                patch(module, "TrialRun._epoch", counted)

        spec.loader.exec_module = exec_module
        return spec


if "HPO_TEST_FAULTS" in os.environ:
    sys.meta_path.insert(0, Patching())
