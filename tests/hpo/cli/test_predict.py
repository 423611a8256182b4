"""Tests of `hpo predict`."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hpo.cli import main
from tests.hpo.conftest import CLASSES, FinishedStudy

# Keras saves its variables through an interface that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def _predict(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, words)], prog_name="hpo")


@pytest.fixture
def photos(finished_study: FinishedStudy, tmp_path: Path) -> Path:
    """A folder of an image of each class, one deeper than the others, with junk beside them."""
    root = tmp_path / "photos"
    for folder, name in zip((root, root, root / "deep"), CLASSES, strict=True):
        folder.mkdir(exist_ok=True)
        image = Image.open(finished_study.images / name / "001.jpg")
        image.resize((61, 23)).save(folder / f"{name}.png")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "red.png").write_bytes((root / "blue.png").read_bytes())
    (root / "notes.txt").write_text("no image")
    return root


def test_a_table_names_the_likeliest_classes(exported: Path, photos: Path) -> None:
    """A line a file, its classes from the likeliest on, junk and other files left out."""
    result = _predict(exported, photos)
    head, *lines = result.output.splitlines()
    assert result.exit_code == 0
    assert head.split() == ["file", *["class", "probability"], *["or", "probability"] * 2]
    assert [line.split()[:2] for line in lines] == [
        [str(photos / "blue.png"), "blue"],
        [str(photos / "deep" / "red.png"), "red"],
        [str(photos / "green.png"), "green"],
    ]
    assert sum(float(share) for share in lines[0].split()[2::2]) == pytest.approx(1, abs=2e-4)


def test_csv_has_a_row_for_each_guess(exported: Path, photos: Path) -> None:
    """--top limits the guesses of each file; the likeliest has rank 1."""
    result = _predict(
        exported, photos / "blue.png", photos / "deep", "--format", "csv", "--top", "2"
    )
    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert result.exit_code == 0
    assert [(Path(row["file"]).name, row["rank"]) for row in rows] == [
        ("blue.png", "1"),
        ("blue.png", "2"),
        ("red.png", "1"),
        ("red.png", "2"),
    ]
    assert [row["class"] for row in rows[::2]] == ["blue", "red"]
    assert float(rows[0]["probability"]) > float(rows[1]["probability"])


def test_json_gives_probabilities_in_full(exported: Path, photos: Path) -> None:
    """All three probabilities of a file add up to 1."""
    (found,) = json.loads(_predict(exported, photos / "green.png", "--format", "json").output)
    assert found["file"] == str(photos / "green.png")
    assert found["classes"][0]["class"] == "green"
    assert sum(row["probability"] for row in found["classes"]) == pytest.approx(1, abs=1e-6)


def test_files_that_are_no_images_are_listed_after_the_good_ones(
    exported: Path, photos: Path
) -> None:
    """The good image is still classified; the exit code is 1, and each bad file is named."""
    (photos / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    result = _predict(
        exported, photos / "notes.txt", photos / "blue.png", photos / "torn.jpg", "--format", "csv"
    )
    assert result.exit_code == 1
    assert [line.split(",")[2] for line in result.stdout.splitlines()[1:2]] == ["blue"]
    torn, notes = str(photos / "torn.jpg"), str(photos / "notes.txt")
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"An image file must be readable to its end. Received: '{notes}'")
    assert lines[1].startswith(f"An image file must be readable to its end. Received: '{torn}'")
    assert lines[2] == "2 of 3 files could not be read."


def test_formats_that_are_not_read_are_counted(exported: Path, photos: Path) -> None:
    """Camera raw beside the images is no failure, and is not passed over in silence."""
    for name in ("a.nef", "b.nef", "c.jxl"):
        (photos / name).write_bytes(b"raw")
    result = _predict(exported, photos)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "Left out, as these formats are not read: .nef (2), .jxl (1). Convert them to PNG or JPEG."
    ]


def test_links_that_are_not_followed_are_named(
    exported: Path, photos: Path, tmp_path: Path
) -> None:
    """Links to folders and broken links beside the images are not passed over in silence."""
    (tmp_path / "elsewhere").mkdir()
    (photos / "more").symlink_to(tmp_path / "elsewhere")
    (photos / "gone.png").symlink_to(tmp_path / "gone.png")
    result = _predict(exported, photos)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "Left out, as they are links to folders or cannot be opened: "
        f"{photos / 'more'}, {photos / 'gone.png'} (2). Pass the folders or files themselves."
    ]


def test_files_are_read_as_the_training_images_were(photos: Path, tmp_path: Path) -> None:
    """The range of wide pixels and the ground of transparent ones come with the model."""
    import keras
    import numpy as np

    from data_pipeline.reading import Reading
    from models.config import ModelConfig
    from models.export import whole_model

    reading = Reading(integers=(0, 4095), ground=(0, 0, 0))
    config = ModelConfig(backbone="cnn", image_size_px=8, classes=2)
    model = whole_model(config, class_names=["dark", "bright"], reading=reading.text())
    model.save(tmp_path / "m.keras")
    grey = np.linspace(0, 4095, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "wide.png")
    Image.fromarray((grey.astype(int) * 255 // 4095).astype(np.uint8)).save(tmp_path / "narrow.png")
    drawing = Image.new("LA", (8, 8), (255, 0))
    drawing.paste((255, 255), (2, 2, 5, 5))
    drawing.save(tmp_path / "clear.png")
    drawing.convert("RGBA").getchannel("A").save(tmp_path / "black.png")
    files = [tmp_path / f"{name}.png" for name in ("wide", "narrow", "clear", "black")]
    found = json.loads(_predict(tmp_path / "m.keras", *files, "--format", "json").output)
    shares = [{row["class"]: row["probability"] for row in each["classes"]} for each in found]
    assert shares[0] == shares[1]
    assert shares[2] == shares[3]
    assert shares[0] != shares[2]
    keras.backend.clear_session()


def test_a_submission(exported: Path, photos: Path, tmp_path: Path) -> None:
    """A competition's sample is filled in, by class or by probability, in its own order."""
    table = tmp_path / "sample_submission.csv"
    table.write_text("id,colour\nred,x\nblue,x\n")
    result = _predict(exported, photos, "--submission", table)
    assert result.exit_code == 0, result.output
    assert result.output == "id,colour\nred,red\nblue,blue\n"
    table.write_text("id,red,green,blue\ngreen.png,0,0,0\n")
    (row,) = csv.DictReader(io.StringIO(_predict(exported, photos, "--submission", table).output))
    assert float(row["green"]) > max(float(row["red"]), float(row["blue"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,colour\nnone,x\nblue,x", "Received: 'none', and 0 others"),
        ("id,red,pink\nblue,0,0", "Received: red, pink; the model has"),
        ("id", "1 columns"),
    ],
)
def test_a_submission_that_does_not_fit(
    exported: Path, photos: Path, tmp_path: Path, text: str, message: str
) -> None:
    """What does not fit is named."""
    (tmp_path / "sample.csv").write_text(text)
    result = _predict(exported, photos, "--submission", tmp_path / "sample.csv")
    assert result.exit_code == 1
    assert message in result.output


def test_a_path_that_is_not_there_is_said_at_once(exported: Path, tmp_path: Path) -> None:
    """Nothing is classified where a path is misspelt."""
    result = _predict(exported, tmp_path / "none.jpg")
    assert result.exit_code == 1
    assert result.output == (
        f"Error: PATH must be an image or a folder of images. Received: '{tmp_path}/none.jpg', "
        "which does not exist. Check the path.\n"
    )


def test_a_folder_without_images_is_said_at_once(exported: Path, tmp_path: Path) -> None:
    """An empty folder is an error, not an empty table."""
    result = _predict(exported, tmp_path)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: A folder must hold images. Received: '{tmp_path}', with none. Check the path.\n"
    )


@pytest.mark.parametrize("content", [None, b"not a model", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_model_is_refused(
    tmp_path: Path, photos: Path, content: bytes | None
) -> None:
    """A missing file, another file and an empty archive are messages that name the file."""
    model = tmp_path / "model.keras"
    if content is not None:
        model.write_bytes(content)
    result = _predict(model, photos)
    assert result.exit_code == 1
    assert result.output.startswith(
        "Error: A model must be a .keras file, as `hpo best --export` or Keras's `model.save` "
        f"writes them. Received: {model} ("
    )


def test_a_model_with_code_inside_is_refused(exported: Path, photos: Path, tmp_path: Path) -> None:
    """A layer that would run code of its own is named, and nothing of it is run."""
    unsafe = tmp_path / "unsafe.keras"
    with zipfile.ZipFile(exported) as good, zipfile.ZipFile(unsafe, "w") as bad:
        for name in good.namelist():
            text = good.read(name)
            if name == "config.json":
                text = text.replace(b'"class_name": "Resizing"', b'"class_name": "Lambda"')
            bad.writestr(name, text)
    result = _predict(unsafe, photos)
    assert result.exit_code == 1
    assert "A model may consist of Keras's own layers only" in result.output
    assert "keras.layers.Lambda" in result.output


def test_a_model_of_another_program_is_refused(photos: Path, tmp_path: Path) -> None:
    """Without class names in it a model's outputs cannot be named."""
    import keras

    model = tmp_path / "other.keras"
    images = keras.Input((None, None, 3))
    vector = keras.layers.GlobalAveragePooling2D()(images)
    keras.Model(images, keras.layers.Dense(2, name="out")(vector)).save(model)
    result = _predict(model, photos)
    assert result.exit_code == 1
    assert "A model must carry its class names" in result.output
    assert "'out'" in result.output
