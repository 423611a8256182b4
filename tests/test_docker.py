"""Tests of what the images of `docker/` install; building them needs Docker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.hpo.small_onnx import write_model

DOCKERFILE = Path(__file__).parents[1] / "docker" / "serve.Dockerfile"
ONLY = """
import re, sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

allowed, todo = {"hpo"}, sys.argv.pop(1).split(",")
while todo:
    name = plain(todo.pop())
    if name not in allowed:
        allowed.add(name)
        try:
            needed = [row for row in requires(name) or () if ";" not in row]
            todo += [re.split(r"[^\\w.-]", row)[0] for row in needed]
        except PackageNotFoundError:
            pass
known = packages_distributions()

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if path is None and name in known and not allowed & {plain(row) for row in known[name]}:
            raise ModuleNotFoundError(f"{name} is not in the image")

sys.meta_path.insert(0, Refuse())
from hpo.cli import main
main()
"""
"""Runs a command in a Python that has only some packages and what they require."""


def test_the_serving_image_installs_all_that_is_imported(tmp_path: Path) -> None:
    """`hpo predict` and `hpo serve` start with the packages that its Dockerfile names."""
    text = DOCKERFILE.read_text().replace("\\\n", " ").replace('"${RUNTIME}"', "onnxruntime")
    found = re.search(r"pip install --constraint constraints.txt ([^&]*)", text)
    assert found
    write_model(tmp_path / "m.onnx")
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    command = [sys.executable, "-P", "-c", ONLY, ",".join(found[1].split())]
    predict = ["predict", str(tmp_path / "m.onnx"), str(tmp_path / "a.png")]
    done = subprocess.run([*command, *predict], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[1] == "red"
    # A host of nobody's (RFC 5737): everything is imported before it is refused.
    serve = ["serve", str(tmp_path / "m.onnx"), "--host", "192.0.2.1"]
    done = subprocess.run(
        [*command, *serve], capture_output=True, text=True, env={"HPO_SERVE_TOKEN": "x"}
    )
    assert "must be able to listen on the address" in done.stderr, done.stderr
