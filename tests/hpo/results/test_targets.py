"""Tests of where an exported model goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpo.converters.table import FORMATS
from hpo.results.targets import (
    CARD_MARK,
    Target,
    all_targets,
    card_of,
    check_target,
    find_target,
    make_folder,
    place,
)
from models.errors import ModelError
from studies.errors import StudyError


def check_keras(path: Path, *, overwrite: bool) -> None:
    """Checks the place of a `.keras` file."""
    check_target(Target(FORMATS["keras"], path), overwrite=overwrite)


@pytest.mark.parametrize(
    ("file", "name", "found"),
    [
        ("m.keras", None, "keras"),
        ("m.onnx", None, "onnx"),
        ("m.tflite", None, "tflite"),
        ("m.tflite", "tflite-int8", "tflite-int8"),
        ("m.xml", None, "openvino"),
        ("m", "savedmodel", "savedmodel"),
    ],
)
def test_the_ending_chooses_the_format(file: str, name: str | None, found: str) -> None:
    """Only where it allows for several, or for none, --format is needed."""
    assert find_target(Path(file), name) == Target(FORMATS[found], Path(file))


@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        (
            "model.h5",
            None,
            r"ends in \.keras, \.onnx, \.tflite, \.xml\. Received: model\.h5\. Write",
        ),
        ("model", None, r"Write --export model\.keras, or add --format savedmodel for a folder"),
        ("m.keras", "tflite-int8", r"must end in \.tflite\. Received: m\.keras\. .* m\.tflite"),
        ("m.keras", "savedmodel", r"must end in nothing, since it is a folder"),
    ],
)
def test_an_ending_that_does_not_fit(file: str, name: str | None, words: str) -> None:
    """The message says what would."""
    with pytest.raises(StudyError, match=words):
        find_target(Path(file), name)


def test_refuses_a_file_that_exists_unless_told(tmp_path: Path) -> None:
    """What is there already is replaced with --overwrite only."""
    target = tmp_path / "model.keras"
    target.write_text("precious")
    with pytest.raises(StudyError) as caught:
        check_keras(target, overwrite=False)
    assert str(caught.value) == (
        f"--export must not replace a file. Received: {target}, which exists. "
        "Choose another name or add --overwrite."
    )
    check_keras(target, overwrite=True)
    assert target.read_text() == "precious"


def test_files_beside_it_count_too(tmp_path: Path) -> None:
    """The weights of an OpenVINO file, and a card that somebody else wrote."""
    (tmp_path / "m.bin").touch()
    with pytest.raises(StudyError, match=r"m\.bin, which exists"):
        check_target(Target(FORMATS["openvino"], tmp_path / "m.xml"), overwrite=False)
    card = card_of(tmp_path / "model.keras")
    assert card.name == "model-card.md"
    card.write_text("by hand")
    with pytest.raises(StudyError, match=r"model-card\.md, which exists"):
        check_keras(tmp_path / "model.keras", overwrite=False)
    card.write_text(CARD_MARK)
    check_keras(tmp_path / "model.keras", overwrite=False)


def test_refuses_a_folder_of_that_name(tmp_path: Path) -> None:
    """No folder is replaced by a file, and none by a SavedModel that is not one itself."""
    for name, file in (("keras", "model.keras"), ("savedmodel", "photos")):
        (tmp_path / file).mkdir()
        with pytest.raises(StudyError, match="which is a folder"):
            check_target(Target(FORMATS[name], tmp_path / file), overwrite=True)
    (tmp_path / "photos" / "saved_model.pb").touch()
    check_target(Target(FORMATS["savedmodel"], tmp_path / "photos"), overwrite=True)


def test_refuses_a_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is named with what the system says."""
    with pytest.raises(StudyError) as caught:
        check_keras(tmp_path / "none" / "model.keras", overwrite=False)
    assert str(caught.value) == (
        "The folder of an exported model must exist and be writable. Received: "
        f"{tmp_path}/none (No such file or directory). Create it, or choose another."
    )


def test_refuses_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only file system is noticed before anything is computed."""

    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(StudyError, match=r"\(Read-only file system\)"):
        check_keras(tmp_path / "model.keras", overwrite=False)


def test_a_folder_for_all_that_cannot_be_made(tmp_path: Path) -> None:
    """A file of that name is no folder."""
    (tmp_path / "all").touch()
    with pytest.raises(StudyError, match=r"--export-all must name a folder.*all \(File exists\)"):
        make_folder(tmp_path / "all")


def test_formats_without_their_packages_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--export-all makes the others; a single one is refused with the command that helps."""
    monkeypatch.setattr("hpo.converters.table.find_spec", lambda _: None)
    names = [target.format.name for target in all_targets(tmp_path)]
    assert names == ["keras", "keras-old", "savedmodel"]
    with pytest.raises(ModelError) as caught:
        check_target(Target(FORMATS["openvino"], tmp_path / "m.xml"), overwrite=False)
    assert str(caught.value) == (
        "A format's packages must be installed. Received: OpenVINO needs onnx, onnxruntime, "
        "tf2onnx, openvino. In the project's folder: pip install '.[openvino]'."
    )


@pytest.mark.parametrize("folder", [False, True])
def test_the_second_of_two_exports_to_one_name_fails(tmp_path: Path, folder: bool) -> None:
    """What the first has put there meanwhile is not replaced, unless told."""
    for name in ("first", "second", "third"):
        if folder:
            (tmp_path / name).mkdir()
        (tmp_path / name / "file" if folder else tmp_path / name).write_text(name)
    target = tmp_path / "model"
    place(tmp_path / "first", target, overwrite=False)
    with pytest.raises(StudyError, match=r"model, which exists"):
        place(tmp_path / "second", target, overwrite=False)
    assert (target / "file" if folder else target).read_text() == "first"
    place(tmp_path / "third", target, overwrite=True)
    assert (target / "file" if folder else target).read_text() == "third"


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is renamed there, and another is not replaced."""

    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("hpo.results.targets.os.link", refuse)
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
    place(tmp_path / "first", tmp_path / "model", overwrite=False)
    with pytest.raises(StudyError, match=r"model, which exists"):
        place(tmp_path / "second", tmp_path / "model", overwrite=False)
    assert (tmp_path / "model").read_text() == "first"
