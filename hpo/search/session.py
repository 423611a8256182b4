"""Runs a prepared study: decodes its images, tells its workers, watches signals, sums up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import Decoded, open_store
from data_pipeline.system import HANG_UP
from data_pipeline.unchanged import require_unchanged
from hpo.search.board import duration, new_board
from hpo.search.claims import Claims
from hpo.search.coordinator import Search, StudyGoneError
from hpo.search.open_study import OpenStudy, read_manifest
from hpo.search.processes import WorkerPool
from hpo.search.recorder import Recorder
from hpo.search.runner import Runner, Setup
from hpo.search.views import LineView, Screen
from hpo.trust import require_trusted
from studies.errors import StudyError
from studies.grid import at_most
from studies.learning import Learned
from studies.leases import Leases
from studies.network_files import NetworkFile
from studies.objectives import objectives_of
from studies.portfolio import opening, planned
from studies.record import STUDY_KEY, TOTAL_KEY
from studies.samplers import Exhaustive
from studies.scheduler import Done, Scheduler, TrialRecord
from studies.settings import CHANGEABLE, StudySettings
from studies.space import DataFacts, Space
from studies.stateless_sampler import StatelessSampler


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        interrupted: By Ctrl-C, SIGTERM, the end of the terminal, or `Stop`.
        out_of_time: By `--timeout`.
        failure: What made it stop, or None.
    """

    interrupted: bool
    out_of_time: bool
    failure: str | None


@dataclass
class Stop:
    """Asks a search to end from another thread, as Ctrl-C does from the terminal.

    Attributes:
        asked: Whether it was asked to.
    """

    asked: bool = False
    _search: Search | None = None

    def __call__(self) -> None:
        """Lets every trial finish its epoch, and the search end."""
        self.asked = True
        if self._search:
            self._search.pause()

    def watch(self, search: Search) -> None:
        """Takes over a search, which may have been asked to end before it began."""
        self._search = search
        if self.asked:
            search.pause()


@contextmanager
def new_pool() -> Iterator[WorkerPool]:
    """Yields a pool of workers, which are ended at once where they have not been by then."""
    pool = WorkerPool()
    try:
        yield pool
    finally:
        pool.close(at_once=True)


def run_study(
    opened: OpenStudy,
    asked: Mapping[str, Any],
    screen: Screen,
    runner: Runner,
    *,
    began_s: float,
    decoded: Decoded | None = None,
    stop: Stop | None = None,
) -> Ending:
    """Trains the study's trials until there are as many as asked for.

    Args:
        opened: The study.
        asked: What the user wrote now; of it only what may change on a continued study counts.
        screen: Where to show it.
        runner: What trains them.
        began_s: Monotonic time at which the user typed the command, from which `--timeout` counts.
        decoded: Images that were decoded while the data set was read.
        stop: Ends it from another thread.

    Raises:
        StudyError: The study was deleted or renamed meanwhile.
    """
    require_trusted(opened.study.study_name, opened.record.networks)
    now = {key: value for key, value in asked.items() if key in CHANGEABLE}
    now.setdefault("trials", opened.study.user_attrs.get(TOTAL_KEY, opened.record.trials))
    opened.study.set_user_attr(TOTAL_KEY, now["trials"])
    settings = opened.record.read_settings(**now)
    space, total = opened.record.read_space(), settings.trials
    learned = None
    if opened.record.learned_from:
        learned = Learned.of(opened.files.read_lessons(), space)
    opened.study.sampler = StatelessSampler(settings.sampler, settings.seed, learned)
    held = at_most(space, total)
    if held is not None:
        # A sampler that learns would train some of so few again and again, and others never.
        opened.study.sampler = StatelessSampler(Exhaustive(), settings.seed)
        if held < total:
            screen.say(
                f"The space holds {held:,} different trials. Each is trained once, which makes "
                f"{held:,} instead of {total:,}."
            )
        total = held
    objectives = objectives_of(opened.record.settings)
    objective = objectives.first
    leases, facts = Leases(opened.storage.engine), DataFacts.model_validate(opened.record.facts)
    # Where every combination is tried anyway, none of them has to come first.
    steps = () if held is not None else opening(space, facts)
    scheduler = Scheduler(
        rule=settings.pruner,
        total=total,
        keep_top=settings.keep_top,
        keep_bytes=settings.keep_mb * 1_000_000,
        maximize=objective.maximize,
        opening=planned(steps, space, facts),
        perfect=objective.perfect,
        patient_images=_validation_images(opened) if settings.patience else 0,
    )
    claims = Claims(opened.study, space, facts, leases, scheduler, steps)
    trials = claims.trials()
    if isinstance(scheduler.next(trials), Done):
        screen.say(_why_done(scheduler, trials))
        return Ending(False, False, None)
    board = new_board(opened.study.study_name, settings.metric, total)
    board.resume(trials)
    manifest = read_manifest(opened)
    if not opened.fresh:
        require_unchanged(manifest, opened.files.stamps)
    view, stop = screen.view(board), stop or Stop()
    recorder = Recorder(opened.study, opened.files, leases, objectives)
    deadline_s = began_s + settings.timeout_s if settings.timeout_s else None
    board.deadline_s = deadline_s
    search = Search(claims, recorder, runner, view, deadline_s)
    stop.watch(search)
    try:
        runner.start(settings.workers, settings.device)
        first = search.first()
        runner.begin(_setup(settings, space, opened.record.networks), opened.files, first)
        with view:
            if first:
                # While the workers get ready. Other sizes are decoded by the first to need them.
                _decode(manifest, first.config.model.image_size_px, view, decoded)
            prepared_s = time.monotonic() - began_s
            with _signals(search, view) as signalled:
                try:
                    search.run()
                finally:
                    runner.close(at_once=bool(search.failure) or len(signalled) > 1)
                    if len(signalled) > 1:  # a notebook's process lives on
                        search.let_go()
    except StudyGoneError as error:
        runner.close(at_once=True)
        raise StudyError(_what_became_of(opened)) from error
    interrupted = bool(signalled) or stop.asked
    out_of_time = search.pausing and not interrupted
    failure = search.failure
    if out_of_time and not failure and not search.epochs:
        failure = (
            "--timeout must leave time to train an epoch. Received: "
            f"{duration(settings.timeout_s)}, of which {duration(prepared_s)} went by until the "
            "images were ready, which is faster the next time. Give more."
        )
    return Ending(interrupted, out_of_time, failure)


def _validation_images(opened: OpenStudy) -> int:
    return sum(item.split == "validation" for item in read_manifest(opened).items)


def _why_done(scheduler: Scheduler, trials: Sequence[TrialRecord]) -> str:
    if scheduler.exhausted(trials):
        return (
            "More trials cannot be expected to help; none was trained. Without --patience auto the "
            "search goes on."
        )
    total = scheduler.total
    return f"The study has its {total} trials; none was trained. For more: --trials {2 * total}"


def _setup(settings: StudySettings, space: Space, networks: tuple[NetworkFile, ...]) -> Setup:
    return Setup(
        image_size_px=space.largest_px,
        device=settings.device,
        seed=settings.seed,
        metric=settings.metric,
        costs=settings.against,
        precision=settings.precision,
        networks=networks,
    )


def _decode(
    manifest: Manifest, image_size_px: int, view: LineView, decoded: Decoded | None
) -> None:
    """Decodes the images at the first trial's size, before a worker needs them."""

    def progress(done: int, total: int) -> None:
        view.board.activity = f"decoding images, {done / total:.0%}" if done < total else ""

    open_store(manifest, image_size_px, Cache(), progress=progress, decoded=decoded)
    if decoded:
        decoded.clear()


def _what_became_of(opened: OpenStudy) -> str:
    """Deletes the files of a study that was deleted, and returns what to tell the user.

    The dashboard renames a study by making a copy of it, which needs the files, and deleting it.
    """
    old = opened.study.study_name
    for study in opened.storage.get_all_studies():
        record = study.user_attrs.get(STUDY_KEY, {})
        if record.get("manifest_artifact") == opened.files.key:
            return (
                f"A study keeps its name while it is searched. Received: {old!r}, which is now "
                f"{study.study_name!r}. Type the command again with --study {study.study_name}; "
                "nothing is lost."
            )
    opened.files.delete()
    return (
        f"A study must be there while it is searched. Received: {old!r}, which was deleted. "
        "Its files are deleted, too; the command begins it anew."
    )


@contextmanager
def _signals(search: Search, view: LineView) -> Iterator[list[int]]:
    """Lets the first signal finish the epochs under way, and the second end at once.

    Only the main thread hears signals; in another one nothing is done.

    SIGHUP comes when the terminal is closed, from the system and often again from the shell, so it
    never ends anything at once. Nothing can be printed from then on.

    Yields:
        The signals that came, each repetition of SIGHUP left out.
    """
    came: list[int] = []
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def handle(number: int, _: object) -> None:
        search.pause()
        if number == HANG_UP:
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a descriptor is needed
                for terminal in terminals:
                    os.dup2(nowhere.fileno(), terminal)
            if came:
                return
        came.append(number)
        if len(came) > 1:
            view.show("Stopping at once. Nothing is lost: type the same command again.")
            raise KeyboardInterrupt
        view.show("Finishing the epoch and saving; once more to stop at once.")

    before = {}
    hears = threading.current_thread() is threading.main_thread()
    for number in (signal.SIGINT, signal.SIGTERM, HANG_UP) if hears else ():
        # `nohup` has SIGHUP ignored, and means it.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
