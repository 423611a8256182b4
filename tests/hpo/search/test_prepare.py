"""Creating a study: whole or typed again."""

from __future__ import annotations

import shutil
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from PIL import Image

from data_pipeline.errors import DataError
from data_pipeline.manifest import Item, Manifest
from data_pipeline.unchanged import require_unchanged
from hpo.paths import Paths
from hpo.search.files import Files
from hpo.search.open_study import OpenStudy, read_manifest
from hpo.search.plan import make_plan
from hpo.search.prepare import describe, describe_classes, prepare, study_name
from studies.errors import StudyError
from studies.record import LABEL_KEY, StudyRecord, read_study
from studies.settings import StudySettings
from studies.storage import default_url, open_storage

ASKED: dict[str, Any] = {"data": "digits", "space": {"backbone": "cnn"}}
MINE = {"label": "mine", "settings": {"backbone": "cnn", "dropout": 0.1}}


class Killed(BaseException):
    """The process ends here."""


def die(*_: Any, **__: Any) -> None:
    """Stands for a kill."""
    raise Killed


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    """An empty folder."""
    return Paths(default_url(tmp_path / "hpo_runs"), tmp_path / "hpo_runs")


def make(where: Paths, **asked: Any) -> optuna.Study:
    """Creates or opens the study."""
    asked = ASKED | asked
    planned = partial(make_plan, StudySettings.model_validate(asked), print)
    return prepare(where, "s", asked, planned).study


@pytest.mark.parametrize(
    ("owner", "step"),
    [(optuna.Study, "enqueue_trial"), (Files, "write_manifest"), (StudyRecord, "save")],
)
def test_killed_while_it_is_created(
    where: Paths, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    """Typed again, even with another objective and baseline, the study is as if never begun."""
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        with pytest.raises(Killed):
            make(where, baseline=[MINE | {"label": "other"}])
    study = make(where, metric="loss", baseline=[MINE])
    assert study.direction.name == "MINIMIZE"
    assert [trial.user_attrs[LABEL_KEY] for trial in study.trials] == ["mine"]
    assert read_study(study).settings["metric"] == "loss"


def test_typed_twice(where: Paths) -> None:
    """The second time the study is opened as it is, the baseline not enqueued again."""
    first, second = (make(where, baseline=[MINE]) for _ in range(2))
    assert first._study_id == second._study_id
    assert len(second.trials) == 1


def test_says_what_differs(where: Paths) -> None:
    """A study with other settings is not touched."""
    make(where)
    with pytest.raises(StudyError) as caught:
        make(where, seed=1)
    assert str(caught.value) == (
        "The study 's' exists with other settings. Received: seed: created with 0, now 1. Leave "
        "out the option to continue this study, or create another with --study NAME."
    )


def test_anothers_study_is_left_alone(where: Paths) -> None:
    """A study with trials of another program is refused and stays."""
    other = optuna.create_study(study_name="s", storage=open_storage(where.storage))
    other.tell(other.ask(), 1.0)
    with pytest.raises(StudyError, match="'s', to which another program has added trials"):
        make(where)
    assert len(other.trials) == 1


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("digits", "digits"),
        ("photos", "photos"),
        (".", "work here"),
        ("./photos/", "photos"),
        ("my photos (2)", "my-photos-2"),
        ("고양이", "고양이"),
        ("강아지", "강아지"),
        ("_x", "_x"),
        ("..", None),
        ("pets/labels.csv", "pets"),
        ("pets/breeds.csv", "breeds"),
        ("pets.zip", "pets"),
        ("🐈", "study"),
    ],
)
def test_the_name_of_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, name: str | None
) -> None:
    """It is that of the folder or file, in the letters of its script."""
    folder = tmp_path / "work here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    expected = {"work here": "work-here", None: study_name(str(tmp_path))}.get(name, name)
    assert study_name(data) == expected


def test_one_name_in_two_unicode_forms() -> None:
    """Both name one study."""
    forms = [unicodedata.normalize(form, "고양이") for form in ("NFC", "NFD")]
    assert len({study_name(form) for form in forms}) == 1


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two class folders of six images each."""
    random = np.random.default_rng(0)
    for i in range(12):
        file = tmp_path / "photos" / ("cat", "dog")[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (9, 8, 3), np.uint8)).save(file)
    return tmp_path / "photos"


def opened(where: Paths, **asked: Any) -> OpenStudy:
    """Creates or opens the study of photos."""
    asked = {"space": {"backbone": "cnn"}} | asked
    planned = partial(make_plan, StudySettings.model_validate(asked), print)
    return prepare(where, "s", asked, planned)


def test_the_classes_are_named_at_the_start(where: Paths, photos: Path) -> None:
    """With the numbers of their images, and the parts of the split."""
    lines = describe(opened(where, data=str(photos))).splitlines()
    assert lines[0] == f"Study s: {photos}, 2 classes, 8 training images of 8 px"
    assert lines[1] == "Classes: cat 6, dog 6 | train 8, validation 2, test 2"


def test_many_classes_are_summed_up() -> None:
    """The line stays a line."""
    items = [Item(path=str(i), sha256="x", label=i % 20, split="train") for i in range(41)]
    manifest = Manifest(
        source="digits",
        kind="builtin",
        layout="builtin",
        classes=tuple(f"c{i}" for i in range(20)),
        items=tuple(items),
        seed=0,
    )
    line = describe_classes(manifest)
    assert line.startswith("Classes: c0 3, c1 2, ")
    assert line.endswith(
        "c11 2, and 8 more classes with 2 to 3 images | train 41, validation 0, test 0"
    )


def test_a_new_study_has_just_read_its_images(where: Paths, photos: Path) -> None:
    """So they need not be looked through once more; a continued one has not."""
    assert opened(where, data=str(photos)).fresh
    assert not opened(where, data=str(photos)).fresh


def test_images_that_are_left_out(where: Paths, photos: Path) -> None:
    """They are recorded; the same ones continue the study, and others are refused."""
    out = ("cat/0.png", "dog/3.png")
    study = opened(where, data=str(photos), exclude_images=out)
    assert study.record.settings["exclude_images"] == [*out]
    assert not {item.path for item in read_manifest(study).items} & {*out}
    assert not opened(where, data=str(photos), exclude_images=out).fresh
    require_unchanged(read_manifest(study), study.files.stamps)
    with pytest.raises(StudyError, match=r"exclude_images: created with cat/0.png; dog/3.png, now"):
        opened(where, data=str(photos), exclude_images=out[:1])


def test_images_that_were_moved(where: Paths, photos: Path, tmp_path: Path) -> None:
    """`--data NEWPATH` is their place from then on, after every image was compared."""
    created = opened(where, data=str(photos))
    (tmp_path / "elsewhere").mkdir()
    place = photos.rename(tmp_path / "elsewhere" / "pictures")
    again = opened(where, data=str(place))
    assert again.record.settings["data"] == str(place)
    assert read_manifest(again).source == str(place)
    assert read_manifest(again).digest == created.record.manifest_digest
    assert opened(where).record.settings["data"] == str(place)
    require_unchanged(read_manifest(again), again.files.stamps)


def test_other_images_are_refused(where: Paths, photos: Path) -> None:
    """With two ways to go on, neither of which begins a study of the digits."""
    opened(where, data=str(photos))
    first = sorted(photos.rglob("*.png"))[0]
    shutil.copytree(photos, photos.with_name("others"))
    (photos.with_name("others") / first.relative_to(photos)).write_bytes(b"other")
    with pytest.raises(DataError) as caught:
        opened(where, data=str(photos.with_name("others")))
    assert "where 1 of 12 images differ (cat/0.png: its contents changed)" in str(caught.value)
    assert "hpo run --study STUDY. " in str(caught.value)
    with pytest.raises(StudyError, match=r"To continue it: hpo run --study s\. To create another"):
        opened(where, data="digits")


def test_one_place_in_other_words(
    where: Paths, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~/photos`, a relative path and a link are the place that the study was created with."""
    monkeypatch.setenv("HOME", str(photos.parent))
    monkeypatch.chdir(photos.parent)
    (photos.parent / "link").symlink_to(photos)
    first = opened(where, data="~/photos")
    for words in ("~/photos", "photos", "./photos/", "link", str(photos)):
        assert opened(where, data=words).study._study_id == first.study._study_id
