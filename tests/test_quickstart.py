"""The notebook of the quickstart runs, and holds what it has put out."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from docs.quickstart import NOTEBOOK, executed


def test_its_outputs_are_kept() -> None:
    """Of every cell that has any, in the order in which they were run, with the live table."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"display_data", "execute_result"}
    shown = [output.data for output in outputs]
    assert sum("image/png" in data for data in shown) == 2
    assert any("4/4 trials" in data.get("text/html", "") for data in shown)
    assert NOTEBOOK.stat().st_size < 400_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs(tmp_path: Path) -> None:
    """In a folder of its own, without an error."""
    outputs = [o for cell in executed(tmp_path).cells for o in cell.get("outputs", ())]
    assert any("4/4 trials" in output.data.get("text/html", "") for output in outputs)
    assert (tmp_path / "model.keras").exists()
