"""The real `hpo run` in a process of its own, to be watched and killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
import psutil

from studies.storage import default_url, open_storage

TIMING = {"seconds", "seconds_per_epoch", "timing", "images_per_s"}
SETTINGS = """
data = "digits"
pruner = { name = "percentile", n_startup_trials = 2, n_warmup_epochs = 1, n_min_trials = 1 }
[space]
backbone = "cnn"
batch_size = [64, 128]
epochs = { low = 3, high = 6 }
augmentation = ["none", "shift"]
"""
NO_MORE: Mapping[str, str] = MappingProxyType({})
FAULTS = Path(__file__).parent / "faults"


WORDS = ("--config", "s.toml", "--trials", "8")


class Run:
    """One `hpo run`, or another command that trains, under way.

    Attributes:
        lines: What it has printed so far.
    """

    program: tuple[str, ...] = ("-m", "hpo")

    def __init__(
        self,
        folder: Path,
        *words: str,
        command: str = "run",
        environment: Mapping[str, str] = NO_MORE,
        before: Callable[[], None] | None = None,
        terminal: int | None = None,
    ) -> None:
        """Types it.

        Args:
            folder: Where.
            words: What follows the command.
            command: `run` or `worker`.
            environment: Variables besides those set here.
            before: Called in the new process before the command.
            terminal: A terminal's descriptor to print on; nothing is read of it here.
        """
        settings = {
            "HPO_CACHE_DIR": str(folder / "cache"),
            "PYTHONUNBUFFERED": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "COLUMNS": "200",
        }
        inherited = {key: value for key, value in os.environ.items() if key != "HPO_STORAGE"}
        self.process = subprocess.Popen(
            [sys.executable, *self.program, command, *words],
            cwd=folder,
            env=inherited | settings | environment,
            preexec_fn=before,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        if self.process.stdout is None:
            return
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        """All it has printed so far."""
        return "\n".join(self.lines)

    def workers(self) -> list[psutil.Process]:
        """Its worker processes."""
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def wait_for(self, condition: Callable[[], Any], timeout_s: float = 90.0) -> bool:
        """Waits until something holds; False where the run has ended before it did."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.process.poll() is not None:
                return bool(condition())
            assert time.monotonic() < deadline, self.output
            time.sleep(0.005)
        return True

    def count(self, pattern: str) -> int:
        """How many of the lines match."""
        return sum(bool(re.search(pattern, line)) for line in self.lines)

    def end(self, timeout_s: float = 120.0) -> int:
        """Waits for the end and returns the exit code."""
        try:
            return self.process.wait(timeout_s)
        finally:
            self.process.kill()
            self._reader.join()


def type_run(folder: Path, *words: str, environment: Mapping[str, str] = NO_MORE) -> Run:
    """Types `hpo run` in a folder and waits for its end."""
    run = Run(folder, *words, environment=environment)
    run.end(300)
    return run


def study_of(folder: Path, name: str = "digits") -> optuna.Study:
    """The study in a folder."""
    storage = open_storage(default_url(folder / "hpo_runs"))
    return optuna.load_study(study_name=name, storage=storage)


def table(folder: Path, name: str = "digits") -> list[dict[str, Any]]:
    """Everything about each trial that does not tell the time."""
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "value": trial.value,
            "params": trial.params,
            "reports": trial.intermediate_values,
            **{key: value for key, value in trial.user_attrs.items() if key not in TIMING},
        }
        for trial in study_of(folder, name).get_trials(deepcopy=False)
    ]


@contextmanager
def no_orphans(folder: Path) -> Iterator[None]:
    """Checks that no worker of a folder's studies outlives what is done inside."""
    yield
    deadline = time.monotonic() + 20
    while left := _workers_of(folder):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _workers_of(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if "hpo.training.worker" in (process.info["cmdline"] or []):
            found += [process.pid] if process.info["cwd"] == str(folder.resolve()) else []
    return found


def faults(folder: Path, launch: int, **more: str) -> dict[str, str]:
    """The environment in which processes die at named points, as `tests/hpo/faults` says."""
    (folder / "faults").mkdir(exist_ok=True)
    paths = [str(FAULTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "HPO_TEST_FAULTS": str(folder / "faults"),
        "HPO_TEST_LAUNCH": str(launch),
        **{f"HPO_TEST_{name.upper()}": value for name, value in more.items()},
    }


def kill_at_points(folder: Path, words: tuple[str, ...]) -> list[str]:
    """Types a command until it ends by itself, its processes killed once at each named point.

    Returns:
        Where they were killed, in no order.
    """
    code, launch = -signal.SIGKILL, 0
    while code == -signal.SIGKILL:
        run = type_run(folder, *words, environment=faults(folder, launch))
        code, launch = run.process.returncode, launch + 1
    assert code == 0, run.output
    return [
        path.name for path in (folder / "faults").iterdir() if path.name[:5] in ("befor", "after")
    ]
