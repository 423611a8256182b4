"""Optuna's private parts stay behind one module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from optuna.storages._rdb.models import BaseModel

from studies import optuna_private

ROOT = Path(optuna_private.__file__).parents[1]
MODULES = [
    path.relative_to(ROOT).as_posix()
    for package in ("data_pipeline", "hpo", "models", "studies")
    for path in sorted((ROOT / package).rglob("*.py"))
]
ATTRIBUTES = {"_storage", "_study_id", "_trial_id", "_get_trials", "_backend"}
METHODS = {
    f"{verb}_{owner}_system_attr{plural}"
    for owner in ("study", "trial")
    for verb, plural in (("get", "s"), ("set", ""))
}
"""System attributes are where Optuna and its dashboard keep what is theirs."""
TABLES = set(BaseModel.metadata.tables)


def private_uses(source: str) -> Iterator[str]:
    """Yields what a module uses of Optuna that Optuna does not promise to keep."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if name in ATTRIBUTES | METHODS:
                yield name
            case ast.ImportFrom(module=str(module)) if module.startswith("optuna"):
                names = [*module.split("."), *(alias.name for alias in node.names)]
                yield from (f"{module}: {name}" for name in names if name.startswith("_"))
            case ast.Call(func=ast.Attribute(attr="table"), args=[ast.Constant(value=name), *_]):
                if name in TABLES:
                    yield f"table {name}"
            case ast.Constant(value=str(text)) if text.startswith(("artifacts:", "dashboard:")):
                yield text


@pytest.mark.parametrize("module", MODULES)
def test_nothing_else_reaches_behind_optunas_interface(module: str) -> None:
    """When Optuna is upgraded, one module is to be checked."""
    found = set(private_uses((ROOT / module).read_text()))
    assert bool(found) == (module == "studies/optuna_private.py"), found


def test_the_tables_have_these_columns() -> None:
    """What is selected by hand is what the Optuna that is installed creates."""
    tables = [value for value in vars(optuna_private).values() if isinstance(value, sa.TableClause)]
    assert len(tables) >= 6
    for table in tables:
        theirs = BaseModel.metadata.tables[table.name].columns.keys()
        assert set(table.columns.keys()) <= set(theirs), table.name
