"""Who trains which trial: a row a running trial, taken and kept by compare-and-swap.

The holder counts a beat up. Whoever finds a trial running watches its beat, and may take it over
once the beat has stood still for `LEASE_S` of the watcher's own monotonic clock: no two machines'
clocks are ever compared. On one machine, while it is up, a dead holder is known by its process and
need not be waited for; one that has ended and that nobody has reaped is dead, too. (The idea of a
lease without clocks: Gray & Cheriton 1989, with the fencing done by the beat itself.)
"""

from __future__ import annotations

import math
import os
import secrets
import socket
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import psutil
import sqlalchemy as sa

from data_pipeline import system

LEASE_S = 45.0
"""A holder that has not beaten for this long has lost its trial."""
BEAT_S = 10.0
"""How often a holder beats."""
CREATION = -1
"""The lease for creating a study. The leases of trials have the trials' ids, from 0."""

Holder = Literal["us", "alive", "doubtful", "gone"]
"""Who holds a lease: this process; another that lives; one that may have died; one that has."""

_METADATA = sa.MetaData()
_LEASES = sa.Table(
    "hpo_leases",
    _METADATA,
    sa.Column("trial_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("beat", sa.Integer, nullable=False),
)


def create_table(engine: sa.Engine) -> None:
    """Creates the table of leases where it is missing; one process at a time may."""
    _METADATA.create_all(engine)


def new_owner() -> str:
    """Returns a name for this process that no other process has had."""
    return owner_of(os.getpid())


def owner_of(pid: int) -> str:
    """Returns a name for a process of this machine."""
    return f"{_here()}|{pid}|{system.started_s(pid)}|{uuid.uuid4().hex[:8]}"


def held(engine: sa.Engine, trial_ids: Collection[int]) -> set[int]:
    """Returns which of these trials are being trained, as far as reading the table once can tell.

    A holder on this machine whose process is gone trains nothing; one on another machine is
    believed, since only watching its beat would tell.
    """
    query = sa.select(_LEASES.c.trial_id, _LEASES.c.owner).where(_LEASES.c.trial_id.in_(trial_ids))
    with engine.connect() as connection:
        return {row.trial_id for row in connection.execute(query) if lives(row.owner) is not False}


def gate_of(study_id: int) -> int:
    """Returns the lease for starting a trial of a study."""
    return -1 - study_id


def collection_of(study_id: int) -> int:
    """Returns the lease for deciding which files of a study are kept."""
    return -1_000_000_000 - study_id


def forget(engine: sa.Engine, study_id: int, trial_ids: Collection[int]) -> None:
    """Deletes the leases of a study that was deleted."""
    keys = {gate_of(study_id), collection_of(study_id), *trial_ids}
    with engine.begin() as connection:
        for key in keys.intersection(connection.scalars(sa.select(_LEASES.c.trial_id))):
            connection.execute(sa.delete(_LEASES).where(_LEASES.c.trial_id == key))


@dataclass(frozen=True)
class _Sight:
    """A beat as a watcher saw it, on its monotonic clock.

    Attributes:
        owner: The holder.
        beat: Its beat.
        since: When the beat was first seen.
        last: When it was last seen.
        moved: Whether the beat was seen to move, or the lease to be taken.
    """

    owner: str
    beat: int
    since: float
    last: float
    moved: bool


@dataclass
class Leases:
    """The leases of one storage as one process sees them.

    Attributes:
        engine: The storage's engine.
        owner: This process's name, see `new_owner`.
        held: Ids of the trials it holds.
    """

    engine: sa.Engine
    owner: str = field(default_factory=new_owner)
    held: set[int] = field(default_factory=set)
    _seen: dict[int, _Sight] = field(default_factory=dict)
    _all_seen_at: float = -math.inf

    def holders(self) -> dict[int, Holder]:
        """Returns who holds each lease that there is, as far as can be told by now.

        A process of another machine is doubtful until its beat has been seen to move; called
        every `BEAT_S` seconds, this knows within about that time that it lives, and within
        `LEASE_S` that it is gone.
        """
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(_LEASES)).all()
        holders = {row.trial_id: self._holder(row.trial_id, row.owner, row.beat) for row in rows}
        self._seen = {key: sight for key, sight in self._seen.items() if key in holders}
        self._all_seen_at = time.monotonic()
        return holders

    def take(self, trial_id: int) -> bool:
        """Takes a trial that has no holder, or whose holder is gone; False if another has it."""
        row = self._read(trial_id)
        if row is None:
            taken = self._insert(trial_id)
        elif row[0] == self.owner:
            taken = self._update(trial_id, *row)
        else:
            taken = self._holder(trial_id, *row) == "gone" and self._update(trial_id, *row)
        if taken:
            self.held.add(trial_id)
        return taken

    def renew(self, trial_id: int) -> bool:
        """Beats; False where the lease was lost to another."""
        row = self._read(trial_id)
        kept = row is not None and row[0] == self.owner and self._update(trial_id, *row)
        if not kept:
            self.held.discard(trial_id)
        return kept

    def release(self, trial_id: int) -> None:
        """Gives a trial back, where it is still ours."""
        self.held.discard(trial_id)
        rows = sa.and_(_LEASES.c.trial_id == trial_id, _LEASES.c.owner == self.owner)
        with self.engine.begin() as connection:
            connection.execute(sa.delete(_LEASES).where(rows))

    def wait(self, key: int, timeout_s: float) -> bool:
        """Takes a lease as soon as it is free; False where it is not after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not self.take(key):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    @contextmanager
    def alone(self, key: int) -> Iterator[None]:
        """Waits for a lease, holds it for a while and gives it back."""
        self.wait(key, math.inf)
        try:
            yield
        finally:
            self.release(key)

    def _read(self, trial_id: int) -> tuple[str, int] | None:
        query = sa.select(_LEASES.c.owner, _LEASES.c.beat).where(_LEASES.c.trial_id == trial_id)
        with self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.owner, row.beat)

    def _insert(self, trial_id: int) -> bool:
        """Takes what nobody holds; its beat begins anywhere, so that it is no earlier lease's."""
        try:
            with self.engine.begin() as connection:
                connection.execute(
                    sa.insert(_LEASES).values(
                        trial_id=trial_id, owner=self.owner, beat=secrets.randbelow(1 << 30)
                    )
                )
        except sa.exc.IntegrityError:
            return False
        return True

    def _update(self, trial_id: int, owner: str, beat: int) -> bool:
        """Makes the lease ours, or beats, where it still is as it was read."""
        same = sa.and_(
            _LEASES.c.trial_id == trial_id, _LEASES.c.owner == owner, _LEASES.c.beat == beat
        )
        with self.engine.begin() as connection:
            change = sa.update(_LEASES).where(same).values(owner=self.owner, beat=beat + 1)
            return connection.execute(change).rowcount == 1

    def _holder(self, trial_id: int, owner: str, beat: int) -> Holder:
        """Judges a lease as it was read just now.

        A beat that has not moved for `LEASE_S`, watched without a long break, is a dead one's. A
        break means that the database was away, for the holder too.
        """
        if owner == self.owner:  # of what was taken just before a connection was cut we know not
            return "us" if trial_id in self.held else "gone"
        now, seen = time.monotonic(), self._seen.get(trial_id)
        if seen is None or now - seen.last > LEASE_S:
            # A lease that was not there a moment ago was taken since, so its holder lives.
            fresh = seen is None and now - self._all_seen_at <= LEASE_S
            sight = _Sight(owner, beat, now, now, moved=fresh)
        elif (seen.owner, seen.beat) != (owner, beat):
            sight = _Sight(owner, beat, now, now, moved=True)
        else:
            sight = _Sight(owner, beat, seen.since, now, moved=seen.moved)
        self._seen[trial_id] = sight
        life = lives(owner)
        if life is False or now - sight.since >= LEASE_S:
            return "gone"
        return "alive" if life or sight.moved else "doubtful"


def lives(owner: str) -> bool | None:
    """Returns whether the process `owner` lives; None where that cannot be seen from here."""
    where, pid, started_s, _ = owner.split("|")
    machine, start, processes = _here().split("/")
    if where != f"{machine}/{start}/{processes}":
        # Of this machine's earlier starts none lives; other machines and containers are unknown.
        earlier = where.startswith(f"{machine}/") and not where.startswith(f"{machine}/{start}/")
        return False if earlier else None
    try:
        process = psutil.Process(int(pid))
        # A zombie has ended, though its parent does not know yet: in containers without an init,
        # under supervisors and in notebooks it may stay for ever.
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(system.started_s(int(pid)) - float(started_s)) <= 0.1
    except psutil.NoSuchProcess:  # ZombieProcess is one, too
        return False


def _here() -> str:
    """Returns which machine this is, which of its starts, and whose process ids are seen here.

    A machine's name alone does not tell: copied machines share it, and so do containers on the
    host's network, which see none of its processes.
    """
    name, start = socket.gethostname(), system.boot_id()
    if known := system.machine_id():
        return f"{name} {known}/{start}/{system.process_namespace()}"
    return f"{name} {start}//{system.process_namespace()}"  # another start may be another machine's
