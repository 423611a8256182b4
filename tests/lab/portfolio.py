"""Finds recipes for the opening: `python -m tests.lab.portfolio` shows them.

Greedy cover over recorded runs of many sets, as auto-sklearn builds its portfolio (Feurer et al.
2015 and 2020) and zero-shot search its first settings (Winkelmolen et al. 2020): the next recipe
is the one that most improves the best of the chosen ones, in the mean over the sets, for what it
costs. Gain by cost is what keeps the whole way down short, not only its end (Streeter & Golovin
2008).

A recipe is used on the backbone and image size that won the race, so what counts of a recorded run
is by how much it beats the solved head of its own backbone and size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat

import click
import numpy as np

from studies.domains import Value
from studies.parameters import PARAMETERS
from studies.suggest import params_of
from studies.trial_config import TrialConfig
from tests.lab.candidates import PHOTOS, whole_space
from tests.lab.curves import read_all
from tests.lab.world import World, worlds

MOST = 4
"""Recipes; with a race of four to six heads they make the first eight to ten trials."""
LEAST_GAIN = 0.003
"""A recipe that takes away less than this share of the errors, in the mean, is left out."""
_OF_THE_WINNER = ("backbone", "image_size_px")


@dataclass(frozen=True)
class Recipe:
    """What was chosen.

    Attributes:
        name: What the step is called.
        wanted: Its settings.
        gain: Share of the solved head's errors that the recipes until this one take away, in the
            mean over the sets.
        candidate: Name of the recorded candidate.
    """

    name: str
    wanted: Mapping[str, Value]
    gain: float
    candidate: str


def find_recipes(known: Sequence[World], most: int = MOST) -> list[Recipe]:
    """Returns the recipes that the sets' runs speak for, in their order.

    Args:
        known: The sets; those without solved heads say nothing.
        most: How many at most.
    """
    known = [world for world in known if any(run.config.is_solved for run in world.runs)]
    table = {
        name: run.config
        for world in known
        for name, run in world.curves.runs.items()
        if run.accuracy and not run.config.is_solved
    }
    rows = {name: found for name in table if (found := _row(name, known)) is not None}
    reached, chosen = np.zeros(len(known)), list[Recipe]()
    while rows and len(chosen) < most:
        better = {name: np.maximum(reached, gains) for name, (gains, _) in rows.items()}
        adds = {name: float((better[name] - reached).mean()) for name in rows}
        useful = [name for name in rows if adds[name] >= LEAST_GAIN]
        if not useful:
            break
        best = max(useful, key=lambda name: adds[name] / rows[name][1])
        reached = better[best]
        del rows[best]
        wanted = _wanted(table[best])
        name = _name(wanted, [recipe.name for recipe in chosen])
        chosen.append(Recipe(name, wanted, float(reached.mean()), best))
    return chosen


def _row(name: str, known: Sequence[World]) -> tuple[np.ndarray, float] | None:
    """Returns a candidate's gain on each set and its mean cost; None if it is not on all sets."""
    gains, costs = [], []
    for world in known:
        run = world.curves.runs.get(name)
        if run is None or not run.accuracy:
            return None
        model = run.config.model
        solved = [
            max(other.accuracy)
            for other in world.runs
            if other.config.is_solved
            and other.config.model.backbone == model.backbone
            and other.config.model.image_size_px == model.image_size_px
        ]
        if not solved:
            return None
        errors = max(1 - solved[0], 1 / world.curves.validation_images)
        gains.append((max(run.accuracy) - solved[0]) / errors)
        costs.append(world.whole_cost(run).seconds / world.usual_s)
    return np.array(gains), float(np.mean(costs))


def _wanted(config: TrialConfig) -> dict[str, Value]:
    """Returns a run's settings that mean something beside the others, numbers rounded."""
    space = whole_space(PHOTOS)
    model = config.model.model_copy(update={"classes": PHOTOS.classes})
    params = params_of(config.model_copy(update={"model": model}), space)
    wanted: dict[str, Value] = {"pretrained": config.model.pretrained}
    for name in dict.fromkeys(re.sub("_on$", "", name) for name in params):
        row = PARAMETERS[name]
        section, _, field = row.target.partition(".")
        value = row.encode(getattr(getattr(config, section), field)) if field else params[name]
        wanted[name] = float(f"{value:.2g}") if isinstance(value, float) else value
    return {name: value for name, value in wanted.items() if name not in _OF_THE_WINNER}


def _name(wanted: Mapping[str, Value], taken: Sequence[str]) -> str:
    stages = int(wanted["trainable_stages"])
    if stages:
        name = "wholly fine-tuned" if stages == 5 else "fine-tuned"
    else:
        name = "trained head" if wanted["head_widths"] == "none" else "hidden layer"
    numbered = [name, *(f"{name} {number}" for number in range(2, 10))]
    return next(each for each in numbered if each not in taken)


def text_of(recipes: Sequence[Recipe]) -> str:
    """Returns the recipes as they stand in `studies/portfolio.py`."""
    return "\n".join(
        f"# {r.name}, recorded as {r.candidate!r}: with it {r.gain:.1%} of the errors are gone\n"
        + pformat(dict(r.wanted), sort_dicts=False, width=96)
        for r in recipes
    )


@click.command()
def main() -> None:
    """Shows the recipes that the recorded runs speak for."""
    known = worlds(read_all())
    click.echo(f"By {len(known)} sets: {', '.join(world.curves.name for world in known)}.")
    click.echo(text_of(find_recipes(known)))


if __name__ == "__main__":
    main()
