"""Makes a small set of photos to show things on: `python -m docs.photos FOLDER`.

They are pieces of the two photographs that come with scikit-learn, turned, blurred, and lighter or
darker than they were:

- `china.jpg` by danielbuechele, https://www.flickr.com/photos/danielbuechele/6061409035, and
- `flower.jpg` by vultilion, https://www.flickr.com/photos/vultilion/6056698931,

both under CC BY 2.0, https://creativecommons.org/licenses/by/2.0/.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from sklearn.datasets import load_sample_image

Box = tuple[int, int, int, int]
REGIONS: dict[str, tuple[str, Box]] = {
    "flower": ("flower.jpg", (170, 85, 445, 355)),
    "lake": ("china.jpg", (340, 195, 550, 285)),
    "leaf": ("flower.jpg", (0, 60, 160, 427)),
    "pagoda": ("china.jpg", (70, 95, 340, 390)),
    "tree": ("china.jpg", (400, 290, 640, 427)),
}
"""Class to the photograph it is cut from, and the part of it: left, upper, right, lower."""
SIDE_PX, LEAST_PX, MOST_PX = 96, 16, 56


def draw(folder: Path, per_class: int = 80) -> Path:
    """Writes a folder of JPEGs for each class of `REGIONS`; always the same ones.

    Returns:
        The folder.
    """
    random = np.random.default_rng(0)
    for label, (name, box) in REGIONS.items():
        photo = Image.fromarray(load_sample_image(name)).crop(box)
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            _piece(photo, random).save(folder / label / f"{number:03d}.jpg", quality=85)
    return folder


def _piece(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    side = int(random.integers(LEAST_PX, MOST_PX))
    left, top = (int(random.integers(0, most - side + 1)) for most in photo.size)
    piece = photo.rotate(float(random.uniform(-8, 8)), Image.Resampling.BILINEAR)
    piece = piece.crop((left, top, left + side, top + side))
    piece = piece.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    piece = ImageEnhance.Brightness(piece).enhance(float(random.uniform(0.5, 1.4)))
    piece = ImageEnhance.Color(piece).enhance(float(random.uniform(0.0, 0.7)))
    return piece.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 5))))


if __name__ == "__main__":
    print(draw(Path(sys.argv[1])))
