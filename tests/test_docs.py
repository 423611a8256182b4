"""The generated parts of the documentation are what the program says now."""

import subprocess
import sys

from docs.generate import README

RENDERED = "from docs.generate import *; print(rendered(README.read_text('utf-8')), end='')"


def test_readme_is_up_to_date() -> None:
    """README.md is what `make docs` would write, in a process where nothing else has run."""
    made = subprocess.run([sys.executable, "-c", RENDERED], capture_output=True, cwd=README.parent)
    assert made.returncode == 0, made.stderr.decode()
    assert README.read_text(encoding="utf-8") == made.stdout.decode(), "run `make docs`"


def test_every_picture_of_the_readme_exists() -> None:
    """README.md shows no picture that is not there."""
    import re

    pictures = re.findall(r"!\[.*?\]\((.+?)\)", README.read_text(encoding="utf-8"))
    assert pictures
    assert [name for name in pictures if not (README.parent / name).is_file()] == []
