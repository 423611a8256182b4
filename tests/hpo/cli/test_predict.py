"""Tests of `hpo predict`."""

from __future__ import annotations

import csv
import errno
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hpo.cli import main
from hpo.results import prediction_formats
from tests.hpo.conftest import CLASSES, draw_images
from tests.hpo.small_onnx import write_model

# Keras saves its variables through an interface that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def _predict(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, words)], prog_name="hpo")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of an image of each class, one deeper than the others, with junk beside them."""
    root = tmp_path / "photos"
    draw_images(tmp_path / "drawn", per_class=2)
    for folder, name in zip((root, root, root / "deep"), CLASSES, strict=True):
        folder.mkdir(exist_ok=True)
        image = Image.open(tmp_path / "drawn" / name / "001.jpg")
        image.resize((61, 23)).save(folder / f"{name}.png")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "red.png").write_bytes((root / "blue.png").read_bytes())
    (root / "notes.txt").write_text("no image")
    return root


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file that tells colours apart, made without TensorFlow."""
    path = tmp_path_factory.mktemp("onnx") / "colours.onnx"
    write_model(path)
    return path


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


def test_the_first_guess_needs_no_tensorflow(colours: Path, photos: Path) -> None:
    """Importing it would take longer than all the rest."""
    code = (
        "import sys; from hpo.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'tensorflow', 'keras', 'optuna', 'pandas'} & set(sys.modules)))"
    )
    words = ["predict", str(colours), str(photos / "deep" / "red.png"), str(photos / "blue.png")]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words], capture_output=True, text=True, check=True
    )
    _, first, second, loaded = done.stdout.splitlines()
    assert [line.split()[1] for line in (first, second)] == ["red", "blue"]
    assert loaded == "[]"


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.parquet"])
def test_a_file_of_every_form_says_the_same(colours: Path, photos: Path, name: str) -> None:
    """Of each file the likeliest two, in the order of the files; nothing is printed."""
    output = photos / name
    output.write_text("of yesterday")
    result = _predict(colours, photos, "--top", "2", "--output", output)
    assert (result.exit_code, result.output) == (0, "")
    expected = [("blue.png", "blue"), ("red.png", "red"), ("green.png", "green")]
    assert [(Path(file).name, guesses[0][0]) for file, guesses in _read(output)] == expected
    assert [[round(share) for _, share in guesses] for _, guesses in _read(output)] == [[1, 0]] * 3
    assert sorted(path.name for path in photos.glob("*a.*")) == [name]


def _read(path: Path) -> list[tuple[str, list[tuple[str, float]]]]:
    """A written file as file, and its classes with their probabilities."""
    if path.suffix in (".json", ".jsonl"):
        text = path.read_text()
        found = json.loads(text) if path.suffix == ".json" else map(json.loads, text.splitlines())
        return [
            (row["file"], [(each["class"], each["probability"]) for each in row["classes"]])
            for row in found
        ]
    if path.suffix == ".csv":
        lines = list(csv.DictReader(path.read_text().splitlines()))
    else:
        lines = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    assert [int(line["rank"]) for line in lines] == [1, 2] * (len(lines) // 2)
    return [
        (line["file"], [(line["class"], float(line["probability"])) for line in lines[i : i + 2]])
        for i, line in enumerate(lines)
        if int(line["rank"]) == 1
    ]


def test_what_was_left_out_is_listed_with_the_reason(colours: Path, photos: Path) -> None:
    """Everything in the folder that has no guess."""
    (photos / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (photos / "raw.nef").write_bytes(b"raw")
    listed = photos.parent / "left_out.csv"
    result = _predict(colours, photos, "--format", "jsonl", "--left-out", listed)
    assert result.exit_code == 1
    assert [Path(json.loads(line)["file"]).stem for line in result.stdout.splitlines()] == [
        "blue",
        "red",
        "green",
    ]
    rows = {
        Path(row["file"]).name: row["reason"]
        for row in csv.DictReader(listed.read_text().splitlines())
    }
    assert rows.pop("torn.jpg").startswith("An image file must be readable to its end.")
    assert rows == {
        "__MACOSX": "what systems and programs leave in folders",
        "raw.nef": "its format is not read",
        "notes.txt": "no image",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--output", "a.txt"), "--output must name a file that ends in .csv, .json, .jsonl"),
        (("--output", "a.csv", "--format", "table"), "--output must name a file that ends in"),
        (("--format", "parquet"), "--format parquet must have a file to write to."),
        (("--output", "none/a.csv"), "--output must name a file that can be written."),
        (("--left-out", "none/a.csv"), "--left-out must name a file that can be written."),
    ],
)
def test_what_cannot_be_written_is_said(
    colours: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    """With a message, and no file is left behind."""
    monkeypatch.chdir(photos)
    before = sorted(photos.rglob("*"))
    result = _predict(colours, photos, *words)
    assert result.exit_code == 1
    assert f"Error: {message}" in result.output
    assert sorted(photos.rglob("*")) == before


def test_a_full_disk_leaves_the_earlier_file(
    colours: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written beside it is taken away."""
    output = photos / "a.csv"
    output.write_text("of yesterday")
    monkeypatch.setattr(prediction_formats, "csv", SimpleNamespace(writer=_full))
    result = _predict(colours, photos, "--output", output)
    assert result.exit_code == 1
    assert f"Received: {output} (No space left on device)" in result.output
    assert output.read_text() == "of yesterday"
    assert list(photos.glob(".*")) == []


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


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
        if content is not None
        else f"Error: A model must be a file that is there. Received: {model}. Check the path."
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
