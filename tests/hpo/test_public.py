"""What `from hpo import …` gives, and what `import hpo` costs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"tensorflow", "keras", "optuna", "numpy", "pydantic", "sqlalchemy"}


def test_importing_it_brings_nothing_heavy() -> None:
    """A name is loaded when it is asked for."""
    code = f"import hpo, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_declaring_a_network_brings_no_tensorflow() -> None:
    """A file of networks is read by people who have not trained anything yet."""
    code = "from hpo import network, Choice, IntRange, FloatRange; import sys;"
    code += "print(sorted({'tensorflow', 'keras', 'optuna'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
