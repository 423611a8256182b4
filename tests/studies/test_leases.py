"""Leases: one holder at a time, whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from data_pipeline import system
from studies import leases as module
from studies.leases import LEASE_S, Leases, create_table, held, new_owner
from studies.storage import open_storage
from tests.clock import Clock
from tests.studies.processes import at_once, new_database

ELSEWHERE = "another-machine|1|0.0|abc"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """A database with an empty table of leases."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/leases.db")
    create_table(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that leases are watched with."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_owners_differ() -> None:
    """No two leases of one process have the same name, and the name says whose it is."""
    first, second = new_owner(), new_owner()
    assert first != second
    assert first.split("|")[1] == str(os.getpid())


def test_take_renew_release(engine: sa.Engine) -> None:
    """A lease is free, taken, kept, given back, and free again."""
    mine, other = Leases(engine), Leases(engine)
    assert mine.take(5)
    assert mine.take(5), "it is ours already"
    assert not other.take(5)
    assert mine.renew(5)
    assert mine.held == {5}
    mine.release(5)
    assert mine.held == set()
    assert not mine.renew(5)
    assert other.take(5)


def test_leases_of_other_trials_are_other_leases(engine: sa.Engine) -> None:
    """Two trials have two holders."""
    mine, other = Leases(engine), Leases(engine)
    assert mine.take(5)
    assert other.take(6)
    other.release(5)
    assert mine.renew(5), "what is not ours is not given back by us"


def test_a_dead_process_is_not_waited_for(engine: sa.Engine) -> None:
    """A holder of this machine whose process is gone loses its lease at once."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    owner = module.owner_of(dead.pid)
    dead.wait()
    assert Leases(engine, owner).take(5)
    assert Leases(engine).take(5)


def test_a_process_id_used_again_is_another_process(engine: sa.Engine) -> None:
    """A living process of the same id that was started later is not the holder."""
    host, pid, started, _ = new_owner().split("|")
    assert Leases(engine, f"{host}|{pid}|{float(started) - 60}|a").take(5)
    assert Leases(engine).take(5)


def test_a_clock_that_is_set_kills_nobody(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of the boot, from which processes' are reckoned, moves with the clock."""
    mine = Leases(engine)
    assert mine.take(5)
    boot_s = module.psutil.boot_time()
    for owner in (module.psutil, module.psutil._pslinux):
        monkeypatch.setattr(owner, "boot_time", lambda: boot_s + 3600)
    assert not Leases(engine).take(5)


@pytest.mark.parametrize(
    ("place", "changed", "dead"),
    [(0, "elsewhere", False), (1, "earlier", True), (2, "1", False)],
    ids=["another machine", "before it was started again", "another container"],
)
def test_a_process_that_is_not_among_ours(
    engine: sa.Engine, place: int, changed: str, dead: bool
) -> None:
    """Of this machine's earlier starts none lives; of others' processes nothing is known here."""
    where, pid, started_s, _ = new_owner().split("|")
    parts = where.split("/")
    parts[place] = changed
    owner = f"{'/'.join(parts)}|{int(pid) + 1_000_000}|{started_s}|a"
    assert Leases(engine, owner).take(5)
    assert (held(engine, [5]) == set()) is dead
    assert Leases(engine).take(5) is dead


def test_without_an_id_another_start_may_be_another_machines(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied machines have one name."""
    monkeypatch.setattr(system, "machine_id", str)
    for boot in ("one", "other"):
        monkeypatch.setattr(system, "boot_id", lambda boot=boot: boot)
        owner = new_owner()
        if boot == "one":
            assert Leases(engine, owner).take(5)
    assert not Leases(engine, owner).take(5)


def test_a_living_process_keeps_it(engine: sa.Engine, clock: Clock) -> None:
    """A holder that beats is never taken for dead."""
    holder, watcher = Leases(engine, ELSEWHERE), Leases(engine)
    assert holder.take(5)
    for _ in range(10):
        clock.now += LEASE_S - 1
        assert not watcher.take(5)
        assert holder.renew(5)


def test_a_silent_one_loses_it_on_the_watchers_clock(engine: sa.Engine, clock: Clock) -> None:
    """The time counts from when the watcher first saw the beat, not from when it was made."""
    holder, watcher = Leases(engine, ELSEWHERE), Leases(engine)
    assert holder.take(5)
    clock.now += 10 * LEASE_S
    assert not watcher.take(5), "seen for the first time"
    clock.now += LEASE_S - 0.5
    assert not watcher.take(5)
    clock.now += 0.5
    assert watcher.take(5)


def test_the_slow_one_finds_it_gone(engine: sa.Engine, clock: Clock) -> None:
    """Who comes back late neither beats nor gives back what is another's now."""
    slow, watcher = Leases(engine, ELSEWHERE), Leases(engine)
    assert slow.take(5)
    assert not watcher.take(5)
    clock.now += LEASE_S
    assert watcher.take(5)
    assert not slow.renew(5)
    assert slow.held == set()
    slow.release(5)
    assert watcher.renew(5)


def test_two_watchers_do_not_both_take_it(engine: sa.Engine, clock: Clock) -> None:
    """Of two that find the holder silent, the first one's beat is news to the second."""
    holder = Leases(engine, ELSEWHERE)
    watchers = [Leases(engine, ELSEWHERE.replace("abc", name)) for name in "xy"]
    assert holder.take(5)
    assert [watcher.take(5) for watcher in watchers] == [False, False]
    clock.now += LEASE_S
    assert [watcher.take(5) for watcher in watchers] == [True, False]


def test_a_zombie_is_dead(engine: sa.Engine) -> None:
    """A process that has ended and that nobody has reaped is not waited for."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    assert Leases(engine, module.owner_of(child.pid)).take(5)
    assert held(engine, [5]) == {5}
    child.stdin.close()
    deadline = time.monotonic() + 30
    while module.psutil.Process(child.pid).status() != module.psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert held(engine, [5]) == set()
    assert Leases(engine).holders() == {5: "gone"}
    assert Leases(engine).take(5)
    child.wait()


class TestHolders:
    """What a watcher knows of those that hold leases."""

    def test_of_this_machine(self, engine: sa.Engine) -> None:
        """It is known at once."""
        mine, other = Leases(engine), Leases(engine)
        assert mine.take(5)
        assert other.take(6)
        assert mine.holders() == {5: "us", 6: "alive"}

    def test_of_another_machine(self, engine: sa.Engine, clock: Clock) -> None:
        """A holder is in doubt until it beats, and gone when it has not for long."""
        holder, watcher = Leases(engine, ELSEWHERE), Leases(engine)
        assert holder.take(5)
        assert watcher.holders() == {5: "doubtful"}
        clock.now += LEASE_S - 1
        assert watcher.holders() == {5: "doubtful"}
        assert holder.renew(5)
        assert watcher.holders() == {5: "alive"}
        clock.now += LEASE_S
        assert watcher.holders() == {5: "gone"}
        assert watcher.take(5)

    def test_a_lease_that_was_taken_meanwhile(self, engine: sa.Engine, clock: Clock) -> None:
        """Its holder was alive a moment ago, unless the watcher has not looked for long."""
        holder, watcher = Leases(engine, ELSEWHERE), Leases(engine)
        assert watcher.holders() == {}
        clock.now += LEASE_S - 1
        assert holder.take(5)
        assert watcher.holders() == {5: "alive"}
        clock.now += LEASE_S + 1
        assert holder.take(6)
        assert watcher.holders() == {5: "doubtful", 6: "doubtful"}

    def test_ours_of_which_nothing_is_known(self, engine: sa.Engine) -> None:
        """A lease that was taken just before a connection was cut can be taken again."""
        mine = Leases(engine)
        assert mine.take(5)
        mine.held.clear()
        assert mine.holders() == {5: "gone"}
        assert mine.take(5)


def test_leases_of_a_deleted_study(engine: sa.Engine) -> None:
    """They go, and no other study's do."""
    leases = Leases(engine)
    for key in (5, 6, 7, module.gate_of(3), module.collection_of(3), module.gate_of(4)):
        assert leases.take(key)
    module.forget(engine, 3, [5, 6, 999])
    assert Leases(engine).holders().keys() == {7, module.gate_of(4)}


class Holders(RuleBasedStateMachine):
    """Three processes of other machines that take, beat, pause and give back at will."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        create_table(self.engine)
        self.clock = Clock()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(module, "time", self.clock)
        self.all = [Leases(self.engine, f"machine-{i}|1|0.0|a") for i in range(3)]
        self.beaten = [0.0] * 3
        self.holder: int | None = None

    @rule(who=st.integers(0, 2))
    def take(self, who: int) -> None:
        """Nobody takes it from a holder that has beaten within `LEASE_S`."""
        taken = self.all[who].take(7)
        if self.holder in (None, who):
            assert taken
        elif self.clock.now - self.beaten[self.holder] < LEASE_S:
            assert not taken
        if taken:
            self.holder, self.beaten[who] = who, self.clock.now

    @rule(who=st.integers(0, 2))
    def renew(self, who: int) -> None:
        """Exactly the holder can beat."""
        assert self.all[who].renew(7) == (self.holder == who)
        self.beaten[who] = self.clock.now

    @rule(who=st.integers(0, 2))
    def release(self, who: int) -> None:
        """Only the holder can give it back."""
        self.all[who].release(7)
        self.holder = None if self.holder == who else self.holder

    @rule(seconds=st.sampled_from([1.0, LEASE_S / 2, LEASE_S]))
    def wait(self, seconds: float) -> None:
        """Time passes for all."""
        self.clock.now += seconds

    @invariant()
    def one_row_at_most(self) -> None:
        """The table says who holds it."""
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT owner FROM hpo_leases").all()
        assert rows == ([] if self.holder is None else [(f"machine-{self.holder}|1|0.0|a",)])

    def teardown(self) -> None:
        """Puts the clock back."""
        self.patch.undo()
        self.engine.dispose()


TestManyHolders = Holders.TestCase
TestManyHolders.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


def test_one_of_eight_processes_wins_on_sqlite(tmp_path: Path) -> None:
    """Of many that reach for one row at once exactly one has it; for each of ten rows."""
    url = f"sqlite:///{tmp_path}/studies.db"
    _check_winners(url)


def test_one_of_eight_processes_wins_on_postgresql() -> None:
    """The same on a PostgreSQL server."""
    with new_database() as url:
        _check_winners(url)


def _check_winners(url: str) -> None:
    engine = open_storage(url).engine
    for trial_id in range(5):  # rows 0 to 4 have a holder that is dead, 5 to 9 have none
        assert Leases(engine, f"{new_owner().split('|')[0]}|999999999|0.0|a").take(trial_id)
    engine.dispose()
    won = at_once(_compete, 8, url)
    assert sorted(trial_id for rows in won for trial_id in rows) == list(range(10))


def _compete(barrier: Any, url: str) -> list[int]:
    leases = Leases(open_storage(url).engine)
    won = []
    for trial_id in range(10):
        barrier.wait(60)
        if leases.take(trial_id):
            won.append(trial_id)
    barrier.wait(60)  # the winners live until all have tried
    return won


def test_a_stopped_process_is_alive(engine: sa.Engine) -> None:
    """A process that is only stopped keeps its lease until it has been silent for long."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        child.send_signal(signal.SIGSTOP)
        assert Leases(engine, module.owner_of(child.pid)).take(5)
        time.sleep(0.01)
        assert not Leases(engine).take(5)
    finally:
        child.kill()
        child.wait()
