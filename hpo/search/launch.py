"""A search from the user's wish to its end: what `hpo run` and `hpo.search` have in common."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpo.paths import Paths, paths
from hpo.search.image_size import images_to_keep
from hpo.search.open_study import OpenStudy, find_study, of_same_images
from hpo.search.outages import outages_explained
from hpo.search.plan import Plan, make_plan
from hpo.search.prepare import describe, prepare, study_name
from hpo.search.session import Ending, Stop, new_pool, run_study
from hpo.search.transfer import with_trials_of
from hpo.search.views import Screen
from studies.errors import StudyError
from studies.settings import OF_THE_DATA, StudySettings, merge
from studies.toml_files import load_settings, make_settings, preset_path


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
    """

    given: Mapping[str, Any]
    study: str | None = None
    config: Path | None = None
    preset: str | None = None
    source: str | None = None
    storage: str | None = None


@dataclass(frozen=True)
class Launch:
    """A search that can begin.

    Attributes:
        where: Where studies live.
        name: The study's name.
        asked: The settings that the user wrote, merged.
        settings: All of them, with the defaults.
        before: The study to take trials over from, or None.
        own_name: Whether the user named the study.
        began_s: When the user asked for it, on the monotonic clock.
    """

    where: Paths
    name: str
    asked: Mapping[str, Any]
    settings: StudySettings
    before: OpenStudy | None
    own_name: bool
    began_s: float = field(default_factory=time.monotonic)


def ready(wish: Wish) -> Launch:
    """Checks and merges what a user asks for; nothing is read or created yet.

    Raises:
        StudyError: It cannot be done so; says what to change.
    """
    began_s, preset = time.monotonic(), wish.preset
    files = [path for path in (preset_path(preset) if preset else None, wish.config) if path]
    asked = merge(*(load_settings(path) for path in files), wish.given)
    if preset and "data" not in asked:
        raise StudyError(
            f"A preset needs your own images. Received: --preset {preset} without --data. "
            f"Add --data PATH; the comments in {preset_path(preset)} say what it expects."
        )
    where = paths(wish.storage or asked.pop("storage", None))
    before = find_study(where, wish.source) if wish.source else None
    if before and not wish.study:
        raise StudyError(
            "A study that takes over trials needs a name of its own. "
            f"Received: --from {wish.source} without --study. Add --study NAME."
        )
    if before:  # unless the user says otherwise, the data are those of the other study
        created = before.record.settings
        asked = {key: created[key] for key in OF_THE_DATA & created.keys()} | asked
    settings = make_settings(asked)
    name = wish.study or preset or study_name(settings.data)
    return Launch(where, name, asked, settings, before, bool(wish.study), began_s)


def search(launch: Launch, screen: Screen, stop: Stop | None = None) -> tuple[OpenStudy, Ending]:
    """Creates or continues the study and trains its trials.

    Args:
        launch: What was asked for.
        screen: Shows it.
        stop: Ends it from another thread; None where only signals do.

    Raises:
        DataError: The data set cannot be trained on.
        StudyError: The settings do not suit the data, this machine or the study.
    """
    settings = launch.settings
    decoded = images_to_keep(settings.image_size_px, settings.resize)

    def plan() -> Plan:
        pool.start(settings.workers, settings.device)  # they import TensorFlow meanwhile
        made = make_plan(settings, screen.say, decoded.add)
        return with_trials_of(launch.before, made, screen.say) if launch.before else made

    with outages_explained(), new_pool() as pool:
        with screen.reading():
            opened = prepare(launch.where, launch.name, launch.asked, plan)
        screen.say(describe(opened))
        if opened.fresh and not launch.own_name and (other := of_same_images(opened)):
            screen.say(_continue_instead(*other, launch.settings.data))
        ending = run_study(
            opened,
            launch.asked,
            screen,
            pool,
            began_s=launch.began_s,
            decoded=decoded,
            stop=stop,
        )
        return opened, ending


def _continue_instead(name: str, place: str, data: str) -> str:
    return (
        f"This is a new study. The study {name!r} is of the same images, which lay in {place}. "
        f"To continue that one: hpo run --study {shlex.quote(name)} --data {shlex.quote(data)}"
    )
