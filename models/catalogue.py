"""The backbones that a network can be built on, as one value.

Reading it needs no TensorFlow. To add a backbone for everybody, add a row to `models.scratch`,
`models.imagenet` or `models.hub`; to add one for a single study, use `Catalogue.with_rows`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models import hub, imagenet, scratch
from models.backbone import Backbone
from models.errors import ModelError


@dataclass(frozen=True)
class Catalogue:
    """Backbones by their names.

    Attributes:
        rows: Name to backbone, in the order in which they are listed.
    """

    rows: Mapping[str, Backbone]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, name: str) -> Backbone:
        """Returns the backbone of that name.

        Raises:
            ModelError: There is none.
        """
        if name in self.rows:
            return self.rows[name]
        near = difflib.get_close_matches(name, self.rows, n=3) or list(self.rows)
        raise ModelError(
            "A backbone must be a row of `hpo backbones`. "
            f"Received: {name!r}. Did you mean {', '.join(near)}?"
        )

    def with_rows(self, *rows: Backbone) -> Catalogue:
        """Returns a catalogue with these backbones after the present ones.

        Raises:
            ModelError: Two backbones would have the same name.
        """
        joined = dict(self.rows)
        for row in rows:
            if row.name in joined:
                raise ModelError(
                    "Each backbone must have a name of its own. "
                    f"Received: a second {row.name!r}. Rename it."
                )
            joined[row.name] = row
        return Catalogue(MappingProxyType(joined))


BUILT_IN = Catalogue(MappingProxyType({})).with_rows(*scratch.ROWS, *imagenet.ROWS, *hub.ROWS)
"""The backbones that everybody has."""
