"""What the program makes in a folder of images is no data."""

from __future__ import annotations

from pathlib import Path

from data_pipeline.folder import list_folder
from data_pipeline.manifest import create_manifest
from data_pipeline.outputs import note_outputs
from data_pipeline.unchanged import require_unchanged, write_stamps
from tests.data_pipeline.conftest import Picture


def test_own_pictures_change_nothing(cats_and_dogs: Path, tmp_path: Path, picture: Picture) -> None:
    """Neither those in a folder of their own nor those beside images, nor the studies' folder."""
    manifest, _ = create_manifest(str(cats_and_dogs), seed=0)
    write_stamps(manifest, tmp_path / "files.json")
    for name in ("pictures/gaps.png", "cats/gaps.png", "hpo_runs/curve.png"):
        file = cats_and_dogs / name
        file.parent.mkdir(exist_ok=True)
        picture(name).save(file)
        if "hpo_runs" not in name:
            note_outputs([file, file])
    require_unchanged(manifest, tmp_path / "files.json")
    again, _ = create_manifest(str(cats_and_dogs), seed=0)
    assert again.digest == manifest.digest
    assert {"cats/gaps.png", "pictures/gaps.png", "hpo_runs"} <= set(
        list_folder(cats_and_dogs).left_out["own_output"]
    )
    assert list_folder(cats_and_dogs).imageless == ()
