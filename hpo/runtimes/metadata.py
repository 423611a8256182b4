"""What travels within an exported file, in every format."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from data_pipeline.reading import Reading
from models.errors import ModelError

KEY = "hpo"
"""Under which a format's own metadata holds it as JSON."""


class Metadata(BaseModel):
    """What a file says of its model.

    Fields that a later version adds are ignored by an earlier one.

    Attributes:
        classes: Names, in the order of the probabilities.
        reading: How a file's pixels become RGB, and how images become squares.
        image_size_px: Size that the model resizes images to.
        name: Name of the study it was chosen in.
        trial: Its trial there; None of a model that is made of several.
        backbone: Network below its head.
        parameters: Number of its weights.
        figures: Metric name to its value on the validation images, in float32 before conversion.
        interval: Ends of the 95 % interval of that accuracy; None where there is no figure.
        images: Number of those images.
        test_figures: The same on the test images; empty where they were not used.
        data: Hash of the images, labels and split, as in `hpo studies --json`.
        license: Identifier as model hubs list them.
        made_by: Program and versions.
        usage: How to use the file, in a sentence.
        note: What else must be known of the model, in sentences; empty for a trial as it was.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    classes: tuple[str, ...]
    reading: Reading = Reading()
    image_size_px: int
    name: str = ""
    trial: int | None = None
    backbone: str = ""
    parameters: int | None = None
    figures: dict[str, float] = {}
    interval: tuple[float, float] | None = None
    images: int = 0
    test_figures: dict[str, float] = {}
    data: str = ""
    license: str = "unknown"
    made_by: str = ""
    usage: str = ""
    note: str = ""


def read_metadata(text: str | None, name: str) -> Metadata:
    """Returns what a file holds.

    Args:
        text: The JSON under `KEY`; None where there is none.
        name: The file, for messages.

    Raises:
        ModelError: The file is another tool's, or its metadata is damaged.
    """
    if text is None:
        raise ModelError(
            "A model must carry its class names, as those exported by `hpo best --export` do. "
            f"Received: {name}, which has none. Export it with hpo."
        )
    try:
        return Metadata.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(
            f"The metadata of a model must be whole. Received: {name}, where "
            f"{error.errors()[0]['msg']}. Export it again."
        ) from error
