"""Networks that a program defines, as the files that a study keeps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpo.search.networks import as_files
from models.errors import ModelError
from studies.networks import Network


def network_files(networks: Any, folder: Path) -> list[str]:
    """Returns the files that hold networks.

    Args:
        networks: Networks, files of them, or one of these.
        folder: Where the sources of networks are written.

    Raises:
        ModelError: One is no network, or has no source that could be kept.
    """
    one = isinstance(networks, (str, os.PathLike, Network)) or not isinstance(networks, Sequence)
    listed = [networks] if one else list(networks)
    for each in listed:
        if not isinstance(each, (str, os.PathLike, Network)):
            raise ModelError(
                "networks= takes functions with @hpo.network(…) above them, or files of such. "
                f"Received: {each!r}. Decorate it."
            )
    return as_files(listed, folder)
