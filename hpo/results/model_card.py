"""The card beside exported files, with the fields that model hubs read.

Its head follows Hugging Face's `modelcard.md` and its `model-index`, its sections Mitchell et al.
2019 (Model Cards for Model Reporting, FAT* '19).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_pipeline.manifest import Manifest
from data_pipeline.reading import Reading
from hpo.results.delivery import Delivered
from hpo.results.layers_file import layers_path
from hpo.results.targets import CARD_MARK
from hpo.runtimes.metadata import Metadata
from studies.metrics import METRICS

RESIZED = {
    "stretch": "stretches it to",
    "pad": "pads it with black to a square, and makes that",
    "crop": "cuts out the middle square, and makes that",
}
TITLES = (
    "format",
    "file",
    "accuracy",
    "largest difference of a probability",
    "images given another class",
    "ms, one image",
    "ms, image of a batch",
    "MB",
)


def write_card(
    path: Path, metadata: Metadata, manifest: Manifest, rows: Sequence[Delivered]
) -> None:
    """Writes the card of some files, in their folder."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text("\n".join(_lines(metadata, manifest, rows)) + "\n")
    beside.replace(path)


def _lines(metadata: Metadata, manifest: Manifest, rows: Sequence[Delivered]) -> Iterator[str]:
    kept = [row for row in rows if row.kept]
    yield from _head(metadata, kept[0].format.reader)
    yield from (CARD_MARK, "", f"# {_cell(metadata.name)}: an image classifier", "")
    yield f"It tells {len(metadata.classes)} classes apart: {_listed(metadata.classes)}."
    yield f"Its backbone is `{metadata.backbone}`, at {metadata.image_size_px} px."
    if metadata.note:
        yield from ("", metadata.note)
    yield from ("", "## Use", "", "Read a picture like this, so that it looks as in training:", "")
    yield from ("```python", reading_lines(metadata.reading).rstrip(), "```", "")
    yield (
        "That turns it upright, narrows pixels of 16 bits or floating point, and lays what is "
        f"transparent over {metadata.reading.ground}. The model then resizes it with an "
        f"antialiased triangle filter: it {RESIZED[metadata.reading.resize]} "
        f"{metadata.image_size_px} x {metadata.image_size_px} px. Give it the picture in its own "
        "size."
    )
    for row in kept:
        usage = row.format.usage.format(file=row.path.name).rstrip()
        if row.format.reader == "keras" and layers_path(row.path).exists():
            usage = f"import {layers_path(row.path).stem}\n{usage}"
        yield from ("", f"{row.format.label}, `{row.path.name}`:", "", "```python", usage, "```")
    yield from ("", *_classes(metadata), "", "## Files", "", *files_table(rows), "")
    yield _how_measured(rows)
    yield from ("", "## Figures", "", *_figures(metadata))
    yield from ("", "## Training data", "", *_data(metadata, manifest))
    yield from ("", "## Limits", "", *_limits(metadata))


def _head(metadata: Metadata, library: str) -> Iterator[str]:
    """The fields that hubs read, as YAML, of which JSON's texts are a part."""
    yield from ("---", f"license: {json.dumps(metadata.license)}", f"library_name: {library}")
    yield "pipeline_tag: image-classification"
    yield from (
        "tags:",
        "- image-classification",
        f"- {library}",
        "- hpo",
        "metrics:",
        "- accuracy",
    )
    yield from ("model-index:", f"- name: {json.dumps(metadata.name)}", "  results:")
    yield from ("  - task:", "      type: image-classification", "    dataset:")
    yield from (f"      name: {json.dumps(metadata.name)}", "      type: image_folder")
    for split, figures in (("validation", metadata.figures), ("test", metadata.test_figures)):
        if split == "test" and figures:
            yield from ("  - task:", "      type: image-classification", "    dataset:")
            yield from (f"      name: {json.dumps(metadata.name)}", "      type: image_folder")
        if figures:
            yield from (f"      split: {split}", "    metrics:")
        for name, value in figures.items():
            yield from (f"    - type: {name}", f"      value: {value:.6f}")
    yield "---"


def reading_lines(reading: Reading) -> str:
    """Returns Python lines that read `picture.jpg` as `data_pipeline.images.read_image` does."""
    return f"""\
import numpy as np
from PIL import Image, ImageOps

image = ImageOps.exif_transpose(Image.open("picture.jpg"))
if image.mode[0] in "IF":
    limits = {reading.floats} if image.mode == "F" else {reading.integers}
    image = Image.fromarray(np.interp(image, limits, (1e-9, 255 + 1e-9)).astype(np.uint8))
image = image.convert("RGBA" if image.has_transparency_data else "RGB").convert("RGBA")
ground = Image.new("RGBA", image.size, {reading.ground})
image = Image.alpha_composite(ground, image).convert("RGB")
"""


def _classes(metadata: Metadata) -> Iterator[str]:
    yield "`probabilities` are in the order of these classes:"
    yield from ("", "```python", f"classes = {list(metadata.classes)!r}", "```")
    if len(metadata.classes) == 2:
        yield ""
        yield "A Keras file may return one number instead of two: the probability of the second."


def files_table(rows: Sequence[Delivered]) -> Iterator[str]:
    """Yields the table of the files as Markdown."""
    yield f"| {' | '.join(TITLES)} |"
    yield f"| --- | --- |{' ---: |' * (len(TITLES) - 2)}"
    for row in rows:
        absent = "not kept" if row.problem else "not asked for"
        cells = [row.format.label, f"`{row.path.name}`" if row.kept else absent]
        yield f"| {' | '.join([*cells, *_numbers(row)])} |"


def _numbers(row: Delivered) -> Iterator[str]:
    report = row.report
    yield "-" if report.accuracy is None else f"{report.accuracy:.4f}"
    yield f"{row.difference:.1e}"
    yield str(row.changed)
    yield "-" if report.single_ms is None else f"{report.single_ms:.2f}"
    yield "-" if report.batch_ms is None else f"{report.batch_ms:.2f}"
    yield f"{row.size_bytes / 1e6:.1f}"


def _how_measured(rows: Sequence[Delivered]) -> str:
    report = rows[0].report
    height, width = report.timed_px or (0, 0)
    return (
        f"Each file classified {report.files} validation images in a fresh process with its own "
        "runtime, from raw files to classes; the differences are those to the Keras file. Times "
        f"are medians for an image of {width} x {height} px on the CPU of the machine that "
        "exported them, without reading the file."
    )


def _figures(metadata: Metadata) -> Iterator[str]:
    parts = (("validation", metadata.figures), ("test", metadata.test_figures))
    for split, figures in parts:
        for name, value in figures.items():
            interval = ""
            if (split, name) == ("validation", "accuracy") and metadata.interval:
                low, high = metadata.interval
                interval = f" (95 % interval {low:.4f} to {high:.4f}, {metadata.images} images)"
            yield f"- {split} {METRICS[name].label}: {value:.4f}{interval}"
    if not metadata.test_figures:
        yield ""
        yield (
            "The model was chosen by its validation figures, which makes them optimistic. It was "
            "not tested on other images; `hpo best --test` does that."
        )


def _data(metadata: Metadata, manifest: Manifest) -> Iterator[str]:
    yield "| class | training | validation | test |"
    yield "| --- | ---: | ---: | ---: |"
    for name, counts in manifest.counts().items():
        numbers = [str(counts[split]) for split in ("train", "validation", "test")]
        yield f"| {_cell(name)} | {' | '.join(numbers)} |"
    yield from ("", f"Hash of the images, labels and split: `{metadata.data}`.")


def _limits(metadata: Metadata) -> Iterator[str]:
    yield (
        "It knows no other classes than these, and gives every picture one of them. Pictures "
        "unlike those above may be classified wrongly, and surely."
    )
    yield ""
    yield (
        "The lines above read 16-bit colours by their upper byte, which differs by at most one "
        "grey level from training, and a picture that is transparent everywhere as empty."
    )
    yield ""
    trial = "several trials" if metadata.trial is None else f"trial {metadata.trial}"
    yield f"Made by {metadata.made_by}: study `{metadata.name}`, {trial}."
    if metadata.license == "unknown":
        yield from (
            "",
            "Its license was not given: say it with `--license`, or in the first lines.",
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(_cell(name) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def _cell(name: str) -> str:
    """Returns a class's name as a cell of a table."""
    return name.replace("|", "\\|").replace("\n", " ")
