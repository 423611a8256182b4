"""File names that look as if several images were of one thing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

_NUMBERED = re.compile(r"^(?P<group>.*\d[^_\-. ]*)[_\-. ]+[^_\-. \d]*\d+[^_\-. ]*$")
"""A name with a number, and behind it another number: `patient012_3`, `IMG_20240101_0007`."""
_MOSTLY = 0.8
_FEWEST_GROUPS = 5


def groups_in_names(paths: Sequence[str], classes: int) -> str | None:
    """Returns what looks like groups, with an example; None where names say nothing.

    Args:
        paths: The images.
        classes: Number of classes; a number that is part of a class's name makes no group.
    """
    if not paths:
        return None
    stems = [PurePosixPath(path).stem for path in paths]
    found = [match["group"] for stem in stems if (match := _NUMBERED.match(stem))]
    groups = Counter(found)
    shared = sum(count for count in groups.values() if count > 1)
    if shared < _MOSTLY * len(paths) or len(groups) < max(_FEWEST_GROUPS, 2 * classes):
        return None
    name, count = groups.most_common(1)[0]
    return f"{len(groups)} groups, such as {name} with {count} images"
