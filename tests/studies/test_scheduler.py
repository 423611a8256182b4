"""What becomes of each trial, decided over plain values; and whole studies, simulated."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from studies.freeze_thaw import FreezeThaw
from studies.pruners import Halving, NoPruner, Percentile
from studies.record import Reason
from studies.scheduler import (
    Done,
    Judgement,
    Keep,
    Planned,
    Prune,
    Resume,
    Rule,
    Scheduler,
    Start,
    TrialRecord,
    Wait,
)


def trial(number: int, status: Any = "ended", **fields: Any) -> TrialRecord:
    """A trial; one that has ended is complete."""
    reason: Reason | None = "complete" if status == "ended" else None
    return TrialRecord(number, status, **{"reason": reason, **fields})


class Always(NoPruner):
    """Ends everything."""

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Prunes."""
        return "prune"


SCHEDULER = Scheduler(NoPruner(), total=3)


class TestNext:
    """What a free worker does."""

    @pytest.mark.parametrize(
        ("statuses", "decision"),
        [
            ([], Start()),
            (["ended"], Start()),
            (["waiting", "waiting"], Start()),
            (["running", "running"], Start()),
            (["ended", "running", "ended"], Wait()),
            (["ended", "ended", "ended"], Done()),
            (["ended", "ended", "ended", "waiting"], Done()),
            (["ended", "paused"], Resume(1)),
            (["running", "paused", "paused"], Resume(1)),
            (["doubtful"], Wait(0)),
            (["doubtful", "paused"], Resume(1)),
            (["ended", "ended", "doubtful"], Wait(2)),
        ],
        ids=str,
    )
    def test_by_what_there_is(self, statuses: list[str], decision: Any) -> None:
        """Paused trials are resumed, then doubt is waited out, then trials are started."""
        trials = [trial(number, status) for number, status in enumerate(statuses)]
        assert SCHEDULER.next(trials) == decision

    def test_imported_runs_do_not_count(self) -> None:
        """`--trials 3` trains three whatever was imported."""
        trials = [trial(number, reason="imported") for number in range(5)]
        assert SCHEDULER.next(trials) == Start()
        assert SCHEDULER.next([*trials, *(trial(n) for n in (5, 6, 7))]) == Done()

    def test_duplicates_do_not_count(self) -> None:
        """They take no time; but where there are only duplicates left, the study ends."""
        trials = [trial(0), *(trial(n, reason="duplicate") for n in (1, 2))]
        assert SCHEDULER.next(trials) == Start()
        assert SCHEDULER.next([*trials, trial(3), trial(4)]) == Done()
        repeats = [trial(n, reason="duplicate") for n in range(4)]
        assert SCHEDULER.next(repeats) == Done()

    def test_a_paused_baseline_is_resumed(self) -> None:
        """Whatever a rule would make of it: a kill has paused it, or the user."""

        class EndsAll(NoPruner):
            def choose(self, paused: Sequence[TrialRecord], *_: Any, **__: Any) -> Prune:
                return Prune(paused[0].number)

        trials = [trial(0, "paused"), trial(1, "paused", baseline=True)]
        scheduler = replace(SCHEDULER, rule=EndsAll())
        assert scheduler.next(trials) == Resume(1)
        assert scheduler.next(trials[:1]) == Prune(0)


class TestJudge:
    """What happens after an epoch."""

    @pytest.mark.parametrize(
        ("fields", "judgement"),
        [
            ({}, "prune"),
            ({"baseline": True}, "continue"),
            ({"continues": 3}, "continue"),
            ({"epochs": 2}, "continue"),
        ],
        ids=["a trial", "a baseline", "one continued by hand", "after the last epoch"],
    )
    def test_never(self, fields: dict[str, Any], judgement: str) -> None:
        """Baselines and trials that are at their end are not pruned, whatever the rule says."""
        judged = trial(0, "running", **{"curve": [0.1, 0.2], "epochs": 5, **fields})
        assert replace(SCHEDULER, rule=Always()).judge(judged, [judged]) == judgement


class TestDuplicates:
    """Whose outcome a trial shares."""

    @pytest.mark.parametrize(
        "reason", ["complete", "stopped early", "pruned", "diverged", "out of memory"]
    )
    def test_of_what_would_end_so_again(self, reason: Reason) -> None:
        """Settings that were judged already are not trained again."""
        first, new = trial(0, reason=reason, settings="a"), trial(2, "running", settings="a")
        other = trial(1, settings="b")
        assert SCHEDULER.duplicate_of(new, [first, other, new]) is first

    @pytest.mark.parametrize("reason", ["failed", "hung", "imported"])
    def test_of_what_may_end_otherwise(self, reason: Reason) -> None:
        """A failure may have been the machine's, and an imported run was another's."""
        first, new = trial(0, reason=reason, settings="a"), trial(1, "running", settings="a")
        assert SCHEDULER.duplicate_of(new, [first, new]) is None

    def test_of_a_duplicate(self) -> None:
        """The trial that was trained is named, not another of its duplicates."""
        first, copy = trial(0, settings="a"), trial(1, reason="duplicate", settings="a")
        new = trial(2, "running", settings="a")
        assert SCHEDULER.duplicate_of(new, [first, copy, new]) is first

    def test_of_what_is_in_training(self) -> None:
        """Nothing is known of it yet."""
        first, new = (trial(number, "running", settings="a") for number in (0, 1))
        assert SCHEDULER.duplicate_of(new, [first, new]) is None

    def test_a_baseline_is_trained(self) -> None:
        """Its own figures are wanted."""
        new = trial(1, "running", settings="a", baseline=True)
        assert SCHEDULER.duplicate_of(new, [trial(0, settings="a"), new]) is None


def scored(number: int, value: float | None, status: str = "ended", **fields: Any) -> TrialRecord:
    """A trial with a value and weights of its second epoch."""
    return trial(number, status, **{"value": value, "best_epoch": 2, **fields})


class TestKeep:
    """Whose files stay."""

    def keep(self, *trials: TrialRecord, maximize: bool = True) -> Keep:
        """What is kept of two at most."""
        return Scheduler(NoPruner(), 9, keep_top=2, maximize=maximize).keep(trials)

    def test_the_best_and_the_baselines(self) -> None:
        """With their best epochs; the best keep their checkpoints, to be continued from."""
        values = (0.1, 0.5, 0.4, 0.8, 0.2)
        trials = [scored(n, value, baseline=n == 0) for n, value in enumerate(values)]
        assert self.keep(*trials) == Keep({3: 2, 1: 2, 0: 2}, frozenset({1, 3}))

    def test_less_may_be_better(self) -> None:
        """The lowest losses are kept."""
        trials = [scored(n, value) for n, value in enumerate((0.3, 0.1, 0.2))]
        assert self.keep(*trials, maximize=False).weights.keys() == {1, 2}

    def test_equal_values(self) -> None:
        """They go to the lower validation loss, then to the earlier trial."""
        losses = (None, 0.3, 0.2, 0.2)
        trials = [scored(n, 1.0, loss=loss) for n, loss in enumerate(losses)]
        assert list(self.keep(*trials).weights) == [2, 3]
        assert list(self.keep(*trials[:2]).weights) == [1, 0]

    def test_small_weights(self) -> None:
        """The next best stay as long as they fit; one that is too large makes room for others."""
        sizes = (1, 1, 50, 900, 60, None, 40)
        trials = [
            scored(number, 1.0 - number / 10, weights_bytes=size)
            for number, size in enumerate(sizes)
        ]
        scheduler = Scheduler(NoPruner(), 9, keep_top=2, keep_bytes=120)
        assert scheduler.keep(trials).weights.keys() == {0, 1, 2, 4}

    def test_paused_trials(self) -> None:
        """A paused trial's weights are kept beside those of the best, and its checkpoint always."""
        trials = [scored(0, 0.5), scored(1, 0.4), scored(2, 0.9, "paused"), trial(3, "paused")]
        keep = self.keep(*trials)
        assert keep.weights.keys() == {0, 1, 2}
        assert keep.checkpoints == {0, 1, 2, 3}
        assert self.keep(
            scored(0, 0.5), scored(1, 0.4), scored(2, 0.1, "paused")
        ).weights.keys() == {
            0,
            1,
        }

    @pytest.mark.parametrize("status", ["waiting", "running", "doubtful", "paused"])
    def test_checkpoints_of_what_has_not_ended(self, status: str) -> None:
        """Whoever trains them, it may end at any time."""
        assert self.keep(trial(0, status)).checkpoints == {0}

    def test_checkpoints_of_what_is_continued(self) -> None:
        """Until the trial that begins with them has ended. A solved head has no epochs."""
        trials = [scored(0, 0.1), scored(1, 0.9, solved=True), scored(2, 0.8)]
        assert self.keep(*trials).checkpoints == {2}
        assert self.keep(*trials, trial(3, "running", continues=0)).checkpoints == {0, 2, 3}

    @pytest.mark.parametrize(
        "fields", [{"reason": "duplicate"}, {"reason": "imported"}, {"best_epoch": None}]
    )
    def test_trials_without_weights(self, fields: dict[str, Any]) -> None:
        """They take nobody's place."""
        best = scored(0, 0.9, **fields)
        assert self.keep(best, scored(1, 0.5), scored(2, 0.4)).weights.keys() == {1, 2}


def recorded_curves(trials: int, epochs: int, seed: int = 0) -> list[list[float]]:
    """Curves as trials have them: they rise to a limit at a rate of their own, with noise."""
    rng = random.Random(seed)
    curves = []
    for _ in range(trials):
        limit, rate = rng.betavariate(4, 2), rng.uniform(0.05, 0.6)
        curves.append(
            [limit * (1 - 2 ** (-rate * n)) + rng.gauss(0, 0.01) for n in range(1, epochs + 1)]
        )
    return curves


def simulate(
    scheduler: Scheduler, curves: Sequence[Sequence[float]], workers: int = 1
) -> list[TrialRecord]:
    """Runs a whole study of recorded curves, an epoch of every worker in turn."""
    trials: list[TrialRecord] = []
    training: list[int | None] = [None] * workers
    done = False
    while not done or any(number is not None for number in training):
        for worker, number in enumerate(training):
            if number is None:
                decision = scheduler.next(trials)
                done = isinstance(decision, Done)
                if isinstance(decision, Start):
                    number = len(trials)
                    trials.append(trial(number, "running", epochs=len(curves[number])))
                elif isinstance(decision, Resume):
                    number = decision.number
                    trials[number] = replace(trials[number], status="running")
                elif isinstance(decision, Prune):
                    trials[decision.number] = replace(
                        trials[decision.number], status="ended", reason="pruned"
                    )
                training[worker] = number
            if number is not None and not train_an_epoch(scheduler, trials, number, curves[number]):
                training[worker] = None
    return trials


def train_an_epoch(
    scheduler: Scheduler, trials: list[TrialRecord], number: int, curve: Sequence[float]
) -> bool:
    """Trains a trial's next epoch; False if its worker is free then."""
    seen = curve[: len(trials[number].curve) + 1]
    now = trials[number] = replace(trials[number], curve=seen)
    judgement = scheduler.judge(now, trials)
    if judgement == "prune":
        trials[number] = replace(now, status="ended", reason="pruned")
    elif judgement == "pause":
        trials[number] = replace(now, status="paused")
    elif len(seen) == len(curve):
        best = max(seen)
        trials[number] = replace(
            now, status="ended", reason="complete", value=best, best_epoch=seen.index(best) + 1
        )
    return trials[number].status == "running"


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(
    "rule", [NoPruner(), Percentile(), Halving(), FreezeThaw()], ids=lambda r: r.name
)
def test_a_simulated_study(rule: Rule, workers: int) -> None:
    """Of 300 trials each ends once; pruning saves epochs and finds a trial near the best."""
    curves = recorded_curves(300, 30)
    trials = simulate(Scheduler(rule, total=300), curves, workers)
    assert [each.number for each in trials] == list(range(300))
    assert {each.status for each in trials} == {"ended"}
    epochs = sum(len(each.curve) for each in trials)
    best = max(each.value for each in trials if each.value is not None)
    if isinstance(rule, NoPruner):
        assert (epochs, best) == (9_000, max(map(max, curves)))
    else:
        assert epochs < 6_000
        assert best > max(map(max, curves)) - 0.03


def test_nothing_is_better_than_perfect() -> None:
    """A trial is pruned once it is slower to be perfect than one that has ended, not before."""
    scheduler = Scheduler(NoPruner(), total=10, perfect=1.0)
    perfect = trial(0, curve=(0.8, 0.9, 1.0), value=1.0, best_epoch=3, epochs=9)
    for curve, expected in (
        ((0.9, 0.95), "continue"),
        ((0.9, 0.95, 0.99), "prune"),
        ((0.9, 0.95, 1.0), "continue"),
    ):
        running = trial(1, "running", curve=curve, epochs=9)
        assert scheduler.judge(running, [perfect, running]) == expected
        good = replace(perfect, value=0.99)
        assert scheduler.judge(running, [good, running]) == "continue"
        head = replace(perfect, solved=True)  # its best epoch is a strength, and no time
        assert scheduler.judge(running, [head, running]) == "continue"
        mine = replace(running, baseline=True)
        assert scheduler.judge(mine, [perfect, mine]) == "continue"


OPENING = (
    Planned("race small", races=True, epoch_passes=0.125),
    Planned("race large", races=True, epoch_passes=0.125),
    Planned("tuned", epoch_passes=3.0),
)


def _head(number: int, value: float, seconds: float = 10.0) -> TrialRecord:
    """A solved head that has ended; a pass over the images is 80 units of work."""
    return TrialRecord(
        number,
        "ended",
        value=value,
        epochs=8,
        epoch_cost=10.0,
        solved=True,
        step=OPENING[number].name,
        seconds=seconds,
        reason="complete",
    )


class TestOpening:
    """What comes before the sampler's proposals."""

    scheduler = Scheduler(NoPruner(), total=10, opening=OPENING)

    def test_steps_come_in_their_order(self) -> None:
        """Each once, then the sampler is asked."""
        trials: list[TrialRecord] = []
        for number, step in enumerate(OPENING):
            decision = self.scheduler.next(trials)
            assert isinstance(decision, Start)
            assert decision.step == step.name
            trials.append(_head(number, 0.5))
        assert self.scheduler.next(trials) == Start()

    def test_recipes_wait_for_a_head(self) -> None:
        """With more workers than racers one would be trained on whatever backbone comes first."""
        racing = [TrialRecord(n, "running", step=OPENING[n].name) for n in (0, 1)]
        assert self.scheduler.next(racing) == Wait()
        ended = replace(_head(0, 0.8), value=None, reason="out of memory")
        assert self.scheduler.next([ended, racing[1]]) == Wait()
        assert self.scheduler.next([_head(0, 0.8), racing[1]]) == Start("tuned", like=0)
        lost = replace(ended, number=1, step="race large")
        assert self.scheduler.next([ended, lost]) == Start("tuned")

    def test_what_waits_comes_before_them(self) -> None:
        """Baselines, and a step whose process was killed before it was handed out."""
        assert self.scheduler.next([TrialRecord(0, "waiting", baseline=True)]) == Start()

    def test_a_step_takes_over_the_best_head(self) -> None:
        """The best one so far, whatever it took."""
        trials = [_head(0, 0.8), _head(1, 0.9, seconds=1000.0)]
        assert self.scheduler.next(trials) == Start("tuned", like=1)

    def test_what_would_not_get_far_is_left_out_before_a_deadline(self) -> None:
        """Quick steps come instead, and without any a head on the features that are there."""
        trials = [_head(0, 0.8), _head(1, 0.9, seconds=40.0)]  # half a second a unit
        quick = Planned("hidden", epoch_passes=0.25)
        scheduler = replace(self.scheduler, opening=(*OPENING, quick))
        assert scheduler.next(trials, remaining_s=60.0) == Start("hidden", 1, 120.0)
        hidden = [*trials, TrialRecord(2, "running", step="hidden")]
        assert scheduler.next(hidden, remaining_s=60.0) == Start(like=1, work=120.0, quick=True)
        assert scheduler.next(hidden, remaining_s=600.0) == Start("tuned", 1, 1200.0)
        tuned = [*hidden, TrialRecord(3, "running", step="tuned")]
        assert scheduler.next(tuned, remaining_s=600.0) == Start(work=1200.0)

    def test_a_cheaper_head_that_is_as_good_stands_in_before_a_deadline(self) -> None:
        """The errors are 10 % and 12 %; of 13 % it would not."""
        dear = replace(_head(1, 0.9, seconds=40.0), epoch_cost=40.0)
        trials = [_head(0, 0.88, seconds=10.0), dear]
        assert self.scheduler.next(trials, remaining_s=1000.0) == Start("tuned", 1, 8000.0)
        assert self.scheduler.next(trials, remaining_s=300.0) == Start("tuned", 0, 2400.0)
        worse = [_head(0, 0.87, seconds=10.0), dear]
        decision = self.scheduler.next(worse, remaining_s=300.0)
        assert decision == Start(like=1, work=2400.0, quick=True)

    def test_a_racer_that_takes_long_is_left_out_before_a_deadline(self) -> None:
        """A backbone of ten times the work of the first, and a size that costs 4,000 units."""
        slow = Planned("race other", races=True, epoch_passes=0.125, relative=10.0)
        large = Planned("race huge", races=True, epoch_passes=0.125, work=4000.0)
        scheduler = replace(self.scheduler, opening=(*OPENING[:2], large, slow, OPENING[2]))
        trials = [_head(0, 0.8), _head(1, 0.9, seconds=40.0)]  # half a second a unit
        assert scheduler.next(trials, remaining_s=1000.0) == Start("tuned", 1, 2000.0)
        assert scheduler.next(trials, remaining_s=2100.0) == Start("race other", 1)
        assert scheduler.next(trials, remaining_s=5100.0) == Start("race huge", 1)
        assert scheduler.next(trials) == Start("race huge", 1)

    def test_the_slowest_head_tells_what_work_takes(self) -> None:
        """The others may have found their activations in the cache."""
        trials = [_head(0, 0.8, seconds=20.0), _head(1, 0.9, seconds=0.1)]
        assert self.scheduler.next(trials, remaining_s=1000.0) == Start("tuned", 1, 4000.0)

    def test_without_heads_trials_tell_what_work_takes(self) -> None:
        """The median of the latest; before the first one nothing is known."""
        scheduler = replace(self.scheduler, opening=())
        trials = [
            trial(number, curve=(0.1, 0.2), epochs=4, epoch_cost=5.0, seconds=seconds)
            for number, seconds in enumerate((10.0, 30.0, 20.0))
        ]
        assert scheduler.next([], remaining_s=100.0) == Start()
        assert scheduler.next(trials, remaining_s=100.0) == Start(work=50.0)

    def test_costs_rise_step_by_step(self) -> None:
        """A proposal may cost three times as much as the dearest that has ended."""
        scheduler = replace(self.scheduler, opening=())
        trials = [trial(n, epochs=4, epoch_cost=cost) for n, cost in enumerate((5.0, 20.0))]
        trials.append(trial(2, "running", epochs=4, epoch_cost=1000.0))
        assert scheduler.most_work(trials) == 240.0
        assert scheduler.most_work(trials[2:]) == math.inf

    def test_a_solved_head_is_not_judged(self) -> None:
        """Its strengths are no epochs."""
        rule = Percentile(n_startup_trials=0, n_warmup_epochs=0, n_min_trials=1)
        scheduler = Scheduler(rule, total=10)
        others = [
            TrialRecord(n, "ended", (0.9, 0.9), 0.9, epochs=2, reason="complete") for n in (0, 1)
        ]
        trial = TrialRecord(2, "running", (0.1,), epochs=7)
        assert scheduler.judge(trial, [*others, trial]) == "prune"
        assert scheduler.judge(replace(trial, solved=True), [*others, trial]) == "continue"


class TestPatience:
    """Ending a search that cannot be expected to find anything better."""

    ALIKE = tuple(scored(number, 0.9) for number in range(10))

    def next(
        self, *trials: TrialRecord, images: int = 100, opening: tuple[Planned, ...] = ()
    ) -> Any:
        """What comes next if the study may have 50 trials."""
        scheduler = Scheduler(NoPruner(), 50, patient_images=images, opening=opening)
        return scheduler.next(trials)

    def test_trials_of_one_value(self) -> None:
        """More of them help nobody; without patience they are trained all the same."""
        assert self.next(*self.ALIKE) == Done()
        assert self.next(*self.ALIKE, images=0) == Start()

    def test_few_trials_tell_nothing(self) -> None:
        """Nine of one value are no reason to end."""
        assert self.next(*self.ALIKE[:9]) == Start()

    def test_values_far_apart(self) -> None:
        """Where the best was rare, there may be a better one."""
        far = [scored(number, 0.1 * number) for number in range(10)]
        assert self.next(*far, images=1000) == Start()

    def test_what_comes_first_is_always_tried(self) -> None:
        """The steps of the opening differ too much to foretell each other."""
        opening = (Planned("race", races=True),)
        assert self.next(*self.ALIKE, opening=opening) == Start("race")

    def test_paused_trials_are_ended(self) -> None:
        """What was begun is continued."""
        assert self.next(*self.ALIKE, trial(10, "paused")) == Resume(10)
