"""The settings of an augmentation, as a frozen value."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AugmentConfig(BaseModel):
    """Random changes made to training images, each drawn uniformly and anew for every image.

    Ranges have the meaning of the Keras layers of the same name.

    Attributes:
        rotation_deg: Turned by up to this angle either way, in degrees.
        width_shift: Moved sideways by up to this fraction of the width.
        height_shift: Moved up or down by up to this fraction of the height.
        zoom: Scaled by a factor in [1 - zoom, 1 + zoom], the same for both axes.
        shear_deg: Sheared by up to this angle, in degrees.
        brightness: Pixels multiplied by a factor in this range; (1, 1) leaves them.
        contrast: Differences from the image's mean grey multiplied by a factor in this range.
        saturation: Differences from the pixel's grey multiplied by a factor in this range.
        most_changes: If not 0, only so many of the changes above are made to an image, drawn anew
            for each (RandAugment, Cubuk et al. 2020); mirroring is none of them.
        flip_horizontal: Mirrored left to right half of the time.
        flip_vertical: Mirrored top to bottom half of the time.
        fill: What stands where the image was moved away.
        mixup_alpha: Images and labels of a batch are mixed in pairs with a weight from
            Beta(alpha, alpha) (Zhang et al. 2018); 0 is none. Of a network whose lower part is
            frozen, what that part returns is mixed in place of the images (Verma et al. 2019).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation_deg: float = Field(default=0.0, ge=0.0, le=180.0)
    width_shift: float = Field(default=0.0, ge=0.0, lt=1.0)
    height_shift: float = Field(default=0.0, ge=0.0, lt=1.0)
    zoom: float = Field(default=0.0, ge=0.0, lt=1.0)
    shear_deg: float = Field(default=0.0, ge=0.0, lt=90.0)
    brightness: tuple[float, float] = (1.0, 1.0)
    contrast: tuple[float, float] = (1.0, 1.0)
    saturation: tuple[float, float] = (1.0, 1.0)
    most_changes: int = Field(default=0, ge=0)
    flip_horizontal: bool = False
    flip_vertical: bool = False
    fill: Literal["reflect", "nearest", "constant", "wrap"] = "reflect"
    mixup_alpha: float = Field(default=0.0, ge=0.0)

    @property
    def alone(self) -> AugmentConfig:
        """The part of it that is done to single images, without what then has no effect."""
        alone = self.model_copy(update={"mixup_alpha": 0.0})
        return (
            AugmentConfig()
            if alone == AugmentConfig(fill=self.fill, most_changes=self.most_changes)
            else alone
        )

    @property
    def coloured(self) -> bool:
        """Whether contrast or saturation are changed."""
        return (self.contrast, self.saturation) != ((1.0, 1.0), (1.0, 1.0))
