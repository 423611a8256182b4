"""A worker that trains nothing: it speaks the protocol and answers at once with a made-up curve.

A script by itself, so that sixteen of them start in no time: `python fake_worker.py [SECONDS]`,
where an epoch takes SECONDS.
"""

from __future__ import annotations

import json
import math
import sys
import time
import zlib
from pathlib import Path
from typing import Any

EPOCHS = 5


def say(kind: str, **words: Any) -> None:
    """Sends an event."""
    print(json.dumps({"kind": kind, **words}), flush=True)


def hear() -> dict[str, Any]:
    """Waits for a command; the end of the input is the end of the process."""
    line = sys.stdin.readline()
    if not line:
        raise SystemExit
    command: dict[str, Any] = json.loads(line)
    return command


def objective(config: dict[str, Any]) -> float:
    """Returns the best accuracy that a trial can reach, which depends on its settings."""
    rate = math.log10(config["optimizer"]["learning_rate"])
    noise = zlib.crc32(json.dumps(config, sort_keys=True).encode()) / 2**32
    return 0.9 - 0.05 * abs(rate + 3) - 0.1 * config["model"]["dropout"] + 0.05 * noise


def train(job: dict[str, Any], epoch_s: float) -> None:
    """Answers for one trial."""
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    marks = folder / "epochs"  # stands for the checkpoint
    done = len(marks.read_text()) if marks.exists() else 0
    say("started", epoch=done)
    epochs = min(EPOCHS, job["config"]["training"]["epochs"])
    best = objective(job["config"])
    curve = [best * (1 - 0.5 ** (epoch + 1)) for epoch in range(epochs)]
    reason = "complete"
    while done < epochs:
        time.sleep(epoch_s)
        done += 1
        marks.write_text("." * done)
        say("epoch", values=curve[:done], metrics={"loss": 1.0})
        while (answer := hear())["kind"] == "stop":
            pass
        if answer["action"] == "pause":
            say("finished", outcome=None)
            return
        if answer["action"] == "prune":
            reason = "pruned"
            break
    (folder / f"best-{done:04d}.weights.safetensors").write_bytes(bytes(1000))
    names = ("accuracy", "loss", "val_accuracy", "val_loss", "val_macro_f1")
    say(
        "finished",
        outcome={
            "reason": reason,
            "value": curve[done - 1] if reason == "complete" else None,
            "best_epoch": done,
            "history": dict.fromkeys(names, curve[:done]),
            "seconds": {"total": epoch_s * done, "training": epoch_s * done},
            "facts": {"parameters": 1000, "images_per_s": 1.0, "device": "none"},
        },
    )


def main() -> None:
    """Trains trials until there are no more."""
    epoch_s = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    say("ready", device="none")
    while (job := hear())["kind"] != "train":
        pass
    while True:
        if job["kind"] == "train":
            train(job, epoch_s)
        job = hear()


if __name__ == "__main__":
    main()
