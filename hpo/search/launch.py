"""A search from the user's wish to its end: what `hpo run` and `hpo.search` have in common."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpo.paths import Paths, paths
from hpo.search.image_size import images_to_keep
from hpo.search.learning import with_lessons_of
from hpo.search.networks import files_in, networks_for
from hpo.search.open_study import OpenStudy, find_study, of_same_images
from hpo.search.outages import outages_explained
from hpo.search.plan import Plan, make_plan
from hpo.search.prepare import describe, prepare, study_name
from hpo.search.session import Ending, Stop, new_pool, run_study
from hpo.search.transfer import with_trials_of
from hpo.search.views import Screen
from hpo.trust import trust
from studies.errors import StudyError
from studies.settings import OF_THE_DATA, StudySettings, merge
from studies.suspects_file import with_confirmed
from studies.toml_files import glance, load_settings, make_settings, preset_path


@dataclass(frozen=True)
class Wish:
    """What a user asks for.

    Attributes:
        given: Settings, which win over those of the file and of the preset.
        study: Name of the study; None takes that of the data or the preset.
        config: TOML file of settings.
        preset: Name of settings that come with hpo.
        source: Name of a study to take trials over from.
        storage: URL of the database of studies.
        trusts: Whether the code that a study from elsewhere carries may be run.
        teachers: Names of the studies that the sampler learns from.
    """

    given: Mapping[str, Any]
    study: str | None = None
    config: Path | None = None
    preset: str | None = None
    source: str | None = None
    storage: str | None = None
    trusts: bool = False
    teachers: Sequence[str] = ()


@dataclass(frozen=True)
class Launch:
    """A search that can begin.

    Attributes:
        wish: What was asked for.
        where: Where studies live.
        name: The study's name.
        files: TOML files of settings, of which later ones win.
        networks: The user's files of networks.
        kept: Settings of the study to take trials over from, where the user says nothing else.
        before: That study, or None.
        taught: The studies that the sampler learns from.
        began_s: When the user asked for it, on the monotonic clock.
    """

    wish: Wish
    where: Paths
    name: str
    files: Sequence[Path]
    networks: Sequence[str]
    kept: Mapping[str, Any]
    before: OpenStudy | None
    taught: Sequence[OpenStudy]
    began_s: float = field(default_factory=time.monotonic)


def ready(wish: Wish) -> Launch:
    """Finds out which study a user means; nothing is created yet.

    Raises:
        StudyError: It cannot be done so; says what to change.
    """
    began_s, preset = time.monotonic(), wish.preset
    files = [path for path in (preset_path(preset) if preset else None, wish.config) if path]
    # Of the files only what says where the study is, and what settings it can have besides ours.
    seen = merge(*map(glance, files), wish.given)
    if preset and "data" not in seen:
        raise StudyError(
            f"A preset needs your own images. Received: --preset {preset} without --data. "
            f"Add --data PATH; the comments in {preset_path(preset)} say what it expects."
        )
    where = paths(wish.storage or seen.get("storage"))
    before = find_study(where, wish.source) if wish.source else None
    if before and not wish.study:
        raise StudyError(
            "A study that takes over trials needs a name of its own. "
            f"Received: --from {wish.source} without --study. Add --study NAME."
        )
    # Unless the user says otherwise, data and networks are those of the other study.
    created = before.record.settings if before else {}
    kept = {key: created[key] for key in OF_THE_DATA & created.keys()}
    data = (kept | seen).get("data", StudySettings.model_fields["data"].default)
    name = wish.study or preset or study_name(str(data))
    taught = [find_study(where, teacher) for teacher in wish.teachers]
    return Launch(wish, where, name, files, files_in(seen), kept, before, taught, began_s)


def search(launch: Launch, screen: Screen, stop: Stop | None = None) -> tuple[OpenStudy, Ending]:
    """Creates or continues the study and trains its trials.

    Args:
        launch: What was asked for.
        screen: Shows it.
        stop: Ends it from another thread; None where only signals do.

    Raises:
        DataError: The data set cannot be trained on.
        ModelError: A network of the user's own cannot be used.
        StudyError: The settings are not allowed, or do not suit the data, this machine or the
            study.
    """
    wish, before = launch.wish, launch.before

    def plan() -> Plan:
        pool.start(settings.workers, settings.device)  # they import TensorFlow meanwhile
        made = make_plan(settings, screen.say, decoded.add, networks)
        made = with_lessons_of(launch.taught, made, screen.say)
        return with_trials_of(before, made, screen.say) if before else made

    taken = before.record.networks if before else ()
    with outages_explained(), new_pool() as pool:
        with networks_for(
            launch.where, launch.name, launch.networks, screen.say, taken
        ) as networks:
            layers = [load_settings(path, networks.table) for path in launch.files]
            asked = with_confirmed({**launch.kept, **merge(*layers, wish.given)})
            asked.pop("storage", None)
            settings = make_settings(asked, networks.table)
            decoded = images_to_keep(settings.image_size_px, settings.resize)
            with screen.reading():
                opened = prepare(launch.where, launch.name, asked, plan)
        if wish.trusts:
            trust(file.source for file in opened.record.networks)
        if launch.taught and not opened.fresh:
            screen.say("--learn-from counts when a study is created. This one goes on as it was.")
        screen.say(describe(opened))
        if opened.fresh and not wish.study and (other := of_same_images(opened)):
            screen.say(_continue_instead(*other, settings.data))
        ending = run_study(
            opened, asked, screen, pool, began_s=launch.began_s, decoded=decoded, stop=stop
        )
        return opened, ending


def _continue_instead(name: str, place: str, data: str) -> str:
    return (
        f"This is a new study. The study {name!r} is of the same images, which lay in {place}. "
        f"To continue that one: hpo run --study {shlex.quote(name)} --data {shlex.quote(data)}"
    )
