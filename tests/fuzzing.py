"""Properties tried on a few examples that are always the same, and on many new ones in the soak."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

FEW = 150
MANY = int(os.environ.get("HPO_SOAK_EXAMPLES", "5000"))


def new_seed() -> int:
    """A seed that nobody has chosen, or the one in HPO_SOAK_SEED to see something again."""
    return int(os.environ.get("HPO_SOAK_SEED") or random.SystemRandom().randrange(10**6))


def few(check: Callable[[Any], None], examples: SearchStrategy[Any], count: int = FEW) -> None:
    """Tries a property on the same examples each time."""
    _try(check, examples, settings(max_examples=count, derandomize=True, database=None))


def many(check: Callable[[Any], None], examples: SearchStrategy[Any]) -> None:
    """Tries a property on examples that nobody has seen, and prints their seed and number."""
    number, tried = new_seed(), 0

    def counted(example: Any) -> None:
        nonlocal tried
        tried += 1
        check(example)

    print(f"\nseed {number}", flush=True)
    _try(seed(number)(counted), examples, settings(max_examples=MANY, database=None))
    print(f"{tried} inputs tried")


def _try(check: Callable[[Any], None], examples: SearchStrategy[Any], how: settings) -> None:
    quiet = settings(how, deadline=None, suppress_health_check=list(HealthCheck))
    quiet(given(examples)(check))()
