"""How long a command takes to start; run with `make bench`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hpo.hand_tuned import finish, new_study

pytestmark = pytest.mark.bench

COMMANDS = (["--help"], ["run", "--help"], ["backbones"], ["studies"], ["trials"])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_and_listings_answer_within_a_second(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the median of five, beside a small study."""
    finish(new_study(tmp_path), [1, 2, 3])
    command, seconds = [sys.executable, "-m", "hpo", *words], []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        seconds.append(time.perf_counter() - began)
    taken_s = statistics.median(seconds)
    with capsys.disabled():
        print("\n" + json.dumps({"what": f"hpo {' '.join(words)}", "s": round(taken_s, 2)}))
    assert taken_s < 1.0
