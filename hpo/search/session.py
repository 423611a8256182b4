"""Runs a prepared study: decodes its images, tells its workers, watches signals, sums up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import Decoded, open_store
from data_pipeline.unchanged import require_unchanged
from hpo.search.board import new_board
from hpo.search.claims import Claims
from hpo.search.coordinator import JobSettings, Search
from hpo.search.crew import Crew
from hpo.search.open_study import OpenStudy, read_manifest
from hpo.search.recorder import Recorder
from hpo.search.views import LineView, TableView
from hpo.training.protocol import Begin, Train
from studies.grid import combinations
from studies.leases import Leases
from studies.pruners import make_pruner
from studies.record import TOTAL_KEY
from studies.settings import CHANGEABLE, StudySettings
from studies.space import DataFacts, Space
from studies.stateless_sampler import StatelessSampler


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        interrupted: By Ctrl-C or SIGTERM.
        out_of_time: By `--timeout`.
        failure: What made it stop, or None.
    """

    interrupted: bool
    out_of_time: bool
    failure: str | None


@contextmanager
def new_crew() -> Iterator[Crew]:
    """Yields a crew, whose workers are ended at once where they have not been by then."""
    crew = Crew()
    try:
        yield crew
    finally:
        crew.close(at_once=True)


def start_early(crew: Crew, settings: StudySettings) -> None:
    """Starts the workers of a study that is about to be created."""
    crew.start(settings.workers, _gpus(settings))


def run_study(
    opened: OpenStudy,
    asked: Mapping[str, Any],
    console: Console,
    crew: Crew,
    *,
    began_s: float,
    decoded: Decoded | None = None,
) -> Ending:
    """Trains the study's trials until there are as many as asked for.

    Args:
        opened: The study.
        asked: What the user wrote now; of it only what may change on a continued study counts.
        console: Where to show it.
        crew: Who trains them.
        began_s: Monotonic time at which the user typed the command, from which `--timeout` counts.
        decoded: Images that were decoded while the data set was read.
    """
    now = {key: value for key, value in asked.items() if key in CHANGEABLE}
    now.setdefault("trials", opened.study.user_attrs.get(TOTAL_KEY, opened.record.trials))
    opened.study.set_user_attr(TOTAL_KEY, now["trials"])
    settings = StudySettings.model_validate(opened.record.settings | now)
    recorder = _recorder(opened, settings)
    space, total = Space.model_validate(opened.record.space), settings.trials
    if settings.sampler.name == "exhaustive":
        total = min(total, combinations(space))
    claims = Claims(
        study=opened.study,
        space=space,
        facts=DataFacts.model_validate(opened.record.facts),
        leases=recorder.leases,
        total=total,
    )
    board = new_board(opened.study.study_name, settings.metric, total)
    board.resume(opened.study)
    if claims.finished():
        console.print(
            f"The study has its {total} trials; none was trained. For more: --trials {2 * total}",
            highlight=False,
        )
        return Ending(False, False, None)
    manifest = read_manifest(opened)
    if not opened.fresh:
        require_unchanged(manifest, opened.stamps)
    view = (TableView if console.is_terminal else LineView)(board, console)
    job = JobSettings(settings.seed, settings.metric, settings.precision)
    deadline = began_s + settings.timeout_s if settings.timeout_s else None
    search = Search(claims, recorder, crew, job, view, deadline)
    crew.start(settings.workers, _gpus(settings))
    crew.begin(_begin(opened, settings, search.first()), opened.folder / "logs")
    with view:
        _decode(manifest, settings, view, decoded)  # while the workers make themselves ready
        with _signals(search, view) as signalled:
            try:
                search.run()
            finally:
                crew.close(at_once=bool(search.failure) or len(signalled) > 1)
    return Ending(bool(signalled), search.pausing and not signalled, search.failure)


def _decode(
    manifest: Manifest, settings: StudySettings, view: LineView, decoded: Decoded | None
) -> None:
    """Decodes the images once, before the workers need them."""
    assert settings.image_size_px is not None

    def progress(done: int, total: int) -> None:
        view.board.activity = f"decoding images, {done / total:.0%}" if done < total else ""

    size_px = settings.image_size_px
    open_store(manifest, size_px, Cache(), progress=progress, decoded=decoded)
    if decoded:
        decoded.clear()


def _recorder(opened: OpenStudy, settings: StudySettings) -> Recorder:
    study = opened.study
    study.sampler = StatelessSampler(settings.sampler, settings.seed)
    study.pruner = make_pruner(settings.pruner)
    trials_folder = opened.folder / "trials"
    trials_folder.mkdir(parents=True, exist_ok=True)
    return Recorder(
        study=study,
        artifacts=opened.artifacts,
        leases=Leases(opened.storage.engine),
        trials_folder=trials_folder,
        metric=settings.metric,
        keep_top=settings.keep_top,
    )


def _begin(opened: OpenStudy, settings: StudySettings, first: Train | None) -> Begin:
    assert settings.image_size_px is not None
    return Begin(
        manifest=str(opened.artifacts.path(opened.record.manifest_artifact).resolve()),
        image_size_px=settings.image_size_px,
        device=settings.device,
        threads=max(1, len(os.sched_getaffinity(0)) // settings.workers),
        first=first,
    )


def _gpus(settings: StudySettings) -> Sequence[str]:
    return gpu_ids() if settings.device != "cpu" else ()


def gpu_ids() -> tuple[str, ...]:
    """Returns the ids of the GPUs that workers may use, without importing TensorFlow."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return tuple(filter(None, os.environ["CUDA_VISIBLE_DEVICES"].split(",")))
    if shutil.which("nvidia-smi") is None:
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(index) for index in range(len(lines)))


@contextmanager
def _signals(search: Search, view: LineView) -> Iterator[list[int]]:
    """Lets the first Ctrl-C or SIGTERM finish the epochs under way, and the second end at once.

    Yields:
        The signals that came.
    """
    came: list[int] = []

    def handle(number: int, _: object) -> None:
        came.append(number)
        search.pause()
        if len(came) > 1:
            view.show("Stopping at once. Nothing is lost: type the same command again.")
            raise KeyboardInterrupt
        view.show("Finishing the epoch and saving; once more to stop at once.")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
