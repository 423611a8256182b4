"""Compares the ways to search: `python -m tests.lab.report`, or `make lab-report`.

Every set is searched with recipes that the other sets' runs speak for, so that no method knows the
set that it is judged on.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import optuna

from studies.portfolio import Step, opening
from tests.lab.curves import read_all
from tests.lab.methods import METHODS
from tests.lab.portfolio import find_recipes
from tests.lab.regret import (
    BUDGET_RUNS,
    COSTS,
    SHARES,
    budget_of,
    interquartile_mean,
    interval,
    regrets_of,
)
from tests.lab.simulate import Method, Simulation
from tests.lab.teachers import learned_of
from tests.lab.world import World, worlds

SEEDS = 30
TRIALS = 20
"""A study has no more, however little each of them costs."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "laboratory.md"
_MARKED = re.compile(r"(<!-- lab (\w+) -->\n).*?(<!-- end of lab -->)", re.DOTALL)

Row = dict[str, Any]
"""Of one study: method, set, seed, its regrets by cost, and whether the opening had its best."""


def steps_of(world: World, known: Sequence[World]) -> tuple[Step, ...]:
    """Returns the opening of a set's studies, whose recipes the other sets speak for."""
    others = [other for other in known if other.curves.name != world.curves.name]
    recipes = {recipe.name: recipe.wanted for recipe in find_recipes(others)}
    if not recipes:
        return opening(world.space, world.curves.facts)
    return opening(world.space, world.curves.facts, recipes)


def studies(
    known: Sequence[World], methods: Sequence[Method], seeds: int, done: Sequence[Row]
) -> Iterator[Row]:
    """Yields every study that is not done, simulated."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ran = {(row["method"], row["set"], row["seed"]) for row in done}
    prepared = [(world, budget_of(world), steps_of(world, known)) for world in known]
    for seed in range(seeds):
        for world, budget, steps in prepared:
            for method in methods:
                if (method.name, world.curves.name, seed) in ran:
                    continue
                learned = learned_of(world, known) if method.learns else None
                search = Simulation(world, method, seed, TRIALS, budget, steps, learned)
                points = search.run()
                first = len(steps) if method.opens else 0
                yield {
                    "method": method.name,
                    "set": world.curves.name,
                    "seed": seed,
                    "opened": bool(points) and points[-1].trial < first,
                } | {cost: regrets_of(world, points, cost, budget) for cost in COSTS}


def tables(rows: Sequence[Row], known: Sequence[World]) -> str:
    """Returns the tables of the document."""
    seeds = 1 + max(row["seed"] for row in rows)
    sets = [world.curves.name for world in known]
    runs = sum(len(world.runs) for world in known)
    parts = [
        f"{len(sets)} sets ({', '.join(sets)}), {runs} recorded runs, {seeds} seeds a set, at "
        f"most {TRIALS} trials a study. The whole budget is what {BUDGET_RUNS} recorded runs cost "
        "in the mean."
    ]
    for cost in COSTS:
        found = _by_method(rows, cost, sets)
        parts += [f"Normalised regret by {cost}, interquartile mean [95 % interval]:"]
        parts += [_table(found), _verdict(found)]
    ours = [row for row in rows if row["method"] == METHODS[0].name]
    searched = 1 - np.mean([row["opened"] for row in ours])
    parts += [f"The best trial of {METHODS[0].name} is not one of the opening in {searched:.0%}."]
    return "\n\n".join(parts)


def recorded(known: Sequence[World]) -> str:
    """Returns the table of what is recorded."""
    columns = ("set", "classes", "shorter side", "images", "runs", "best", "median", "minutes")
    lines = [columns, ("---",) * len(columns)]
    for world in known:
        facts, curves = world.curves.facts, world.curves
        spent_s = sum(sum(run.seconds) + run.ready_s for run in world.runs)
        spent_s += sum(curves.passes.values())
        lines.append(
            (
                curves.name,
                str(facts.classes),
                f"{facts.native_size_px} px",
                f"{facts.train_images} + {curves.validation_images}",
                str(len(world.runs)),
                f"{world.best:.4f}",
                f"{world.usual:.4f}",
                f"{spent_s / 60:.0f}",
            )
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


Found = Mapping[str, list[tuple[float, float, float]]]
"""Method to mean, low and high end at each share of the budget."""


def _by_method(rows: Sequence[Row], cost: str, sets: Sequence[str]) -> Found:
    found = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        regrets = np.array(
            [
                [row[cost] for row in rows if (row["method"], row["set"]) == (method, name)]
                for name in sets
            ]
        )  # (sets, seeds, shares)
        found[method] = [
            (interquartile_mean(regrets[:, :, share]), *interval(regrets[:, :, share]))
            for share in range(len(SHARES))
        ]
    return found


def _table(found: Found) -> str:
    lines = [["method", *(f"{share:.0%}" for share in SHARES)], ["---"] * (1 + len(SHARES))]
    for method, cells in found.items():
        lines.append([method, *(f"{m:.3f} [{low:.3f}, {high:.3f}]" for m, low, high in cells)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _verdict(found: Found) -> str:
    """Returns where ours is ahead with intervals apart, and where it is not."""
    ours, *others = METHODS[0].name, *(name for name in found if name != METHODS[0].name)
    ahead, missed = [], []
    for name in others:
        apart = [mine[2] < theirs[1] for mine, theirs in zip(found[ours], found[name], strict=True)]
        shares = [f"{share:.0%}" for share, is_apart in zip(SHARES, apart, strict=True) if is_apart]
        lacking = [
            f"{share:.0%}" for share, is_apart in zip(SHARES, apart, strict=True) if not is_apart
        ]
        ahead += [f"{name} at {', '.join(shares)}"] if shares else []
        missed += [f"{name} at {', '.join(lacking)}"] if lacking else []
    said = f"Ahead, intervals apart: {'; '.join(ahead) or 'of none'}."
    return said + (f" Not ahead: {'; '.join(missed)}." if missed else "")


@click.command()
@click.option("--seeds", default=SEEDS, help="Studies a set and method.")
@click.option("--minutes", default=60.0, help="Stop after so long; the next call goes on.")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("build/lab.jsonl"),
    help="Studies that were simulated already.",
)
@click.option("--write", is_flag=True, help="Write the tables into docs/laboratory.md.")
def main(seeds: int, minutes: float, results: Path, write: bool) -> None:
    """Simulates studies and compares them."""
    known, until_s = worlds(read_all()), time.monotonic() + 60 * minutes
    results.parent.mkdir(parents=True, exist_ok=True)
    done = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    with results.open("a") as file:
        for row in studies(known, METHODS, seeds, done):
            done.append(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
            if time.monotonic() > until_s:
                break
    whole = min(
        sum((row["method"], row["set"]) == (method.name, world.curves.name) for row in done)
        for method in METHODS
        for world in known
    )
    text = tables([row for row in done if row["seed"] < whole], known)
    click.echo(text)
    if write:
        parts = {"recorded": recorded(known), "compared": text}
        old = DOCUMENT.read_text()
        DOCUMENT.write_text(
            _MARKED.sub(lambda match: f"{match[1]}\n{parts[match[2]]}\n\n{match[3]}", old)
        )


if __name__ == "__main__":
    main()
