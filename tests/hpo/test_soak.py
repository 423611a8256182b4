"""Studies killed at random: at any time and at named points, by a seed that nobody has chosen."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fuzzing import new_seed
from tests.hpo.running import SETTINGS, WORDS, Run, faults, no_orphans, table, type_run

STUDIES = int(os.environ.get("HPO_SOAK_STUDIES", "8"))
LAUNCHES = 16
CHANCE = "0.02"
"""Of dying at a point; a trial of four epochs passes some sixty in each of its two processes."""
NEVER = "1e-12"


@dataclass
class Figures:
    """What happened to studies that were killed often.

    Attributes:
        launches: Commands typed.
        kills: Processes killed, by what killed them.
        begun: Epochs begun, over all processes.
        again: Epochs begun that had been begun before: what was trained of them was lost.
        trials: Trials that there are in the end.
        doubled: Trials beyond those asked for.
    """

    launches: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    begun: int = 0
    again: int = 0
    trials: int = 0
    doubled: int = 0

    def __str__(self) -> str:
        """All figures in a line each."""
        named = sum(count for what, count in self.kills.items() if what.startswith(POINTS))
        return (
            f"{self.launches} commands typed, {self.kills.total()} processes killed: {named} at "
            f"{sum(what.startswith(POINTS) for what in self.kills)} named points, "
            f"{self.kills.total() - named} at random times; {self.begun} epochs begun, "
            f"{self.again} of them again; {self.trials} trials, {self.doubled} doubled"
        )


POINTS = ("before", "after")


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_killed_often(tmp_path: Path) -> None:
    """Each study ends with its trials, none doubled, and equal to its undisturbed twin."""
    figures = Figures()
    for _ in range(STUDIES):
        seed = new_seed()
        twin, folder = tmp_path / f"{seed}-undisturbed", tmp_path / str(seed)
        for each in (twin, folder):
            each.mkdir()
            (each / "s.toml").write_text(f"seed = {seed}\n{SETTINGS}")
        print(f"\nseed {seed}", flush=True)
        assert type_run(twin, *WORDS).process.returncode == 0
        with no_orphans(folder):
            kill_often(folder, seed, figures)
        rows = table(folder)
        figures.trials += len(rows)
        figures.doubled += len(rows) - 8
        assert [row["number"] for row in rows] == list(range(8))
        assert {row["state"] for row in rows} <= {"COMPLETE", "PRUNED"}
        assert rows == table(twin)
        count_faults(folder / "faults", figures)
        print(figures, flush=True)
    assert figures.kills.total() >= 5 * STUDIES


def kill_often(folder: Path, seed: int, figures: Figures) -> None:
    """Types a command until it ends by itself, killing what it starts by turns in two ways."""
    rng = random.Random(seed)
    for launch in range(LAUNCHES):
        figures.launches += 1
        chance = (NEVER, CHANCE)[launch % 2]
        run = Run(folder, *WORDS, environment=faults(folder, launch, seed=str(seed), chance=chance))
        if launch % 2 == 0:  # a trial that kills three workers in a row has failed
            for what in ["worker"] * rng.randint(0, 2) + [rng.choice(["coordinator", "both"])]:
                figures.kills[what] += kill_at_random(run, what, rng)
        if run.end(1200) == 0:
            return
    for launch in range(LAUNCHES, LAUNCHES + 3):  # a worker killed thrice in its start ends a run
        figures.launches += 1
        run = type_run(folder, *WORDS, environment=faults(folder, launch, chance=NEVER))
        if run.process.returncode == 0:
            return
    raise AssertionError(run.output)


def kill_at_random(run: Run, what: str, rng: random.Random) -> bool:
    """Kills the coordinator, its worker or both, some epochs later; False where all is over."""
    epochs, delay_s = rng.choice([0, 1, 1, 2, 3]), rng.uniform(0.0, 0.3)
    epochs_before = run.count(r" epoch \d")
    if epochs:
        run.wait_for(lambda: run.count(r" epoch \d") >= epochs_before + epochs, timeout_s=600)
    else:
        run.wait_for(run.workers)
        delay_s *= 10  # anywhere within its start
    time.sleep(delay_s)
    workers = run.workers()
    if run.process.poll() is not None or not workers:
        return False
    if what != "coordinator":
        workers[0].kill()
    if what != "worker":
        run.process.send_signal(signal.SIGKILL)
        run.end()
    return True


def count_faults(folder: Path, figures: Figures) -> None:
    """Adds what the processes themselves wrote down."""
    for path in folder.iterdir():
        if path.name.startswith(POINTS):
            figures.kills[path.name] += len(path.read_text().splitlines())
    epochs = (folder / "epochs").read_text().splitlines()
    figures.begun += len(epochs)
    figures.again += len(epochs) - len(set(epochs))
