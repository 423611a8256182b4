"""Runs `quickstart.ipynb` and keeps its outputs: `make notebook`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("quickstart.ipynb")
OWN = ("HPO_RUNS", "HPO_STORAGE")
TIMEOUT_S = 900


def executed(folder: Path) -> nbformat.NotebookNode:
    """Returns the notebook as it is after all its cells have run in a folder.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    inherited = {name: value for name, value in os.environ.items() if name not in OWN}
    client = NotebookClient(notebook, timeout=TIMEOUT_S, kernel_name="python3")
    client.execute(env=inherited | {"HPO_CACHE_DIR": str(folder / "cache")}, cwd=str(folder))
    for cell in notebook.cells:  # what differs each time and nobody reads
        cell.metadata.pop("execution", None)
    return notebook


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        made = executed(Path(scratch))
    nbformat.write(made, NOTEBOOK)
