"""Tests of the drawn changes and of the warp, against the Keras layers that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from data_pipeline.augment import Draws, compose, draw, warp
from data_pipeline.config import AugmentConfig

SIZE_PX = 24
FILLS = ("reflect", "nearest", "constant", "wrap")
CLOSE = 0.02
"""Grey levels: float32 rounding of positions, times the steepest step between two pixels."""

Floats = np.ndarray


def noise(count: int = 1) -> Floats:
    """Images (bhwc, float32) on which every shift of a pixel shows."""
    shape = (count, SIZE_PX, SIZE_PX, 3)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def smooth() -> Floats:
    """One image (bhwc, float32) of slow waves, which interpolation hardly blurs."""
    x, y = np.meshgrid(np.arange(SIZE_PX), np.arange(SIZE_PX))
    waves = [np.sin(x / 6 + 1), np.cos(y / 7), np.sin((x - 2 * y) / 12)]
    return (127 + 100 * np.stack(waves, axis=-1))[None].astype(np.float32)


def warped(images: Floats, fill: str = "reflect", **changes: float) -> Floats:
    """Images changed as given, the same way each."""
    unchanged = {"angle_rad": 0, "shift_x": 0, "shift_y": 0, "zoom": 1, "shear": 0}
    mirrors = {"mirror_x": False, "mirror_y": False}
    given_all = unchanged | mirrors | changes
    arrays: dict[str, Any] = {
        name: np.full(len(images), value, bool if name in mirrors else float)
        for name, value in given_all.items()
    }
    transforms_b8 = compose(SIZE_PX, **arrays)
    ones = tf.ones((len(images), 3))
    return np.asarray(warp(tf.constant(images), tf.constant(transforms_b8), ones, fill))


def trained(layer: Any, images: Floats) -> Floats:
    """What a Keras layer makes of images in training."""
    return np.asarray(layer(images, training=True))


def assert_same_picture(found: Floats, expected: Floats, fill: str) -> None:
    """Equal but for rounding.

    Across the seam of `wrap` TensorFlow does not interpolate and this warp does: there one pixel
    in five of so small an image may differ.
    """
    wrong = (np.abs(found - expected) > CLOSE).mean()
    assert wrong == 0 if fill != "wrap" else wrong < 1 / 5


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("degrees", [-170, -20, 7, 90])
def test_rotation_is_that_of_keras(degrees: float, fill: str) -> None:
    """The same angle turns the same way about the same centre and is filled the same."""
    layer = keras.layers.RandomRotation((degrees / 360, degrees / 360), fill_mode=fill)
    found = warped(noise(), fill, angle_rad=np.deg2rad(degrees))
    assert_same_picture(found, trained(layer, noise()), fill)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(("across", "down"), [(0.25, 0), (0, -0.3), (-0.13, 0.4)])
def test_shift_is_that_of_keras(across: float, down: float, fill: str) -> None:
    """The same fractions of width and height move the same way."""
    layer = keras.layers.RandomTranslation((down, down), (across, across), fill_mode=fill)
    found = warped(noise(), fill, shift_x=across, shift_y=down)
    assert_same_picture(found, trained(layer, noise()), fill)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("factor", [-0.4, 0.3])
def test_zoom_is_that_of_keras(factor: float, fill: str) -> None:
    """The same factor zooms in below 0 and out above, about the centre, on both axes."""
    layer = keras.layers.RandomZoom((factor, factor), fill_mode=fill)
    found = warped(noise(), fill, zoom=1 + factor)
    assert_same_picture(found, trained(layer, noise()), fill)


@pytest.mark.parametrize("fill", FILLS)
def test_shear_is_that_of_keras(fill: str) -> None:
    """The same factor shears along the rows; Keras draws its sign, and both are met."""
    layer = keras.layers.RandomShear(x_factor=(0.3, 0.3), fill_mode=fill, seed=1)
    images = np.repeat(noise(), 32, axis=0)
    signs = set()
    for expected in trained(layer, images):
        sign = min(
            (1, -1), key=lambda s: np.abs(warped(noise(), fill, shear=0.3 * s) - expected).mean()
        )
        assert_same_picture(warped(noise(), fill, shear=0.3 * sign)[0], expected, fill)
        signs.add(sign)
    assert signs == {1, -1}


@pytest.mark.parametrize(("mode", "change"), [("horizontal", "mirror_x"), ("vertical", "mirror_y")])
def test_flip_is_that_of_keras(mode: str, change: str) -> None:
    """A mirrored image is, bit for bit, what Keras makes of those that it mirrors."""
    flipped = warped(noise(), **{change: True})
    np.testing.assert_array_equal(flipped, np.flip(noise(), 2 if mode == "horizontal" else 1))
    results = trained(keras.layers.RandomFlip(mode, seed=1), np.repeat(noise(), 32, axis=0))
    kinds = {
        (bool((image == flipped[0]).all()), bool((image == noise()[0]).all())) for image in results
    }
    assert kinds == {(True, False), (False, True)}


def test_all_together_are_the_layers_in_a_row() -> None:
    """One warp shows what five layers show one after the other, in that order."""
    layers = [
        keras.layers.RandomRotation((0.04, 0.04)),
        keras.layers.RandomTranslation((0.05, 0.05), (-0.08, -0.08)),
        keras.layers.RandomZoom((-0.2, -0.2)),
        keras.layers.RandomShear(x_factor=(0.1, 0.1), seed=3),
    ]
    expected = np.flip(smooth(), 2)
    for layer in layers:
        expected = trained(layer, expected)
    middle = slice(6, -6)  # The layers fill corners that the warp can still see.
    errors = []
    for shear in (0.1, -0.1):
        found = warped(
            smooth(),
            mirror_x=True,
            angle_rad=2 * np.pi * 0.04,
            shift_x=-0.08,
            shift_y=0.05,
            zoom=0.8,
            shear=shear,
        )
        errors.append(np.abs(found - expected)[0, middle, middle].max())
    assert min(errors) < 3  # Grey levels, lost to four interpolations instead of one.
    assert max(errors) > 10


def angle_deg(draws: Draws) -> Floats:
    """The angle of each transform."""
    return np.rad2deg(np.arctan2(draws.transforms_b8[:, 3], draws.transforms_b8[:, 0]))


RANGES: list[tuple[AugmentConfig, Callable[[Draws], Floats], float, float]] = [
    (AugmentConfig(rotation_deg=20), angle_deg, -20, 20),
    (AugmentConfig(width_shift=0.2), lambda d: -d.transforms_b8[:, 2] / SIZE_PX, -0.2, 0.2),
    (AugmentConfig(height_shift=0.3), lambda d: -d.transforms_b8[:, 5] / SIZE_PX, -0.3, 0.3),
    (AugmentConfig(zoom=0.4), lambda d: d.transforms_b8[:, 0], 0.6, 1.4),
    (AugmentConfig(shear_deg=45), lambda d: d.transforms_b8[:, 1], -1, 1),
    (AugmentConfig(brightness=(0.5, 1.5)), lambda d: d.light_b3[:, 0], 0.5, 1.5),
    (AugmentConfig(contrast=(0.5, 1.5)), lambda d: d.light_b3[:, 1], 0.5, 1.5),
    (AugmentConfig(saturation=(0.0, 1.8)), lambda d: d.light_b3[:, 2], 0.0, 1.8),
    (AugmentConfig(brightness=(0.8, 1.0)), lambda d: d.light_b3[:, 0], 0.8, 1.0),
]


@pytest.mark.parametrize(("config", "value_of", "low", "high"), RANGES)
def test_ranges_are_drawn_uniformly(
    config: AugmentConfig, value_of: Callable[[Draws], Floats], low: float, high: float
) -> None:
    """Values fill the configured range evenly and never leave it.

    Of 20,000 uniform values each tenth of the range holds 2,000 +- 42; 5 sigma are allowed.
    """
    values = value_of(draw(config, 20_000, SIZE_PX, np.random.default_rng(0)))
    margin = 1e-5 * (abs(low) + abs(high))
    assert low - margin <= values.min()
    assert values.max() <= high + margin
    counts, _edges = np.histogram(values, 10, (low, high))
    assert np.abs(counts - 2000).max() < 5 * 42


@pytest.mark.parametrize(
    ("config", "layer", "key", "scale", "value_of"),
    [
        (RANGES[0][0], keras.layers.RandomRotation(20 / 360), "angle", 1, angle_deg),
        (RANGES[3][0], keras.layers.RandomZoom(0.4), "width_zoom", 1, RANGES[3][1]),
        (
            AugmentConfig(shear_deg=float(np.rad2deg(np.arctan(0.3)))),
            keras.layers.RandomShear(x_factor=0.3),
            "shear_factor",
            1,
            RANGES[4][1],
        ),
        (
            RANGES[1][0],
            keras.layers.RandomTranslation(0, 0.2),
            "translations",
            SIZE_PX,
            RANGES[1][1],
        ),
    ],
    ids=["rotation", "zoom", "shear", "shift"],
)
def test_ranges_mean_what_they_mean_in_keras(
    config: AugmentConfig, layer: Any, key: str, scale: float, value_of: Callable[[Draws], Floats]
) -> None:
    """Deciles of 20,000 draws are those of the Keras layer, within 3 % of the range."""
    images = np.zeros((20_000, SIZE_PX, SIZE_PX, 1), np.float32)
    keras_values = np.asarray(layer.get_random_transformation(images, training=True)[key])
    expected = np.quantile(keras_values.reshape(len(images), -1)[:, 0] / scale, np.arange(11) / 10)
    found = value_of(draw(config, len(images), SIZE_PX, np.random.default_rng(0)))
    deciles = np.quantile(found, np.arange(11) / 10)
    assert np.abs(deciles - expected).max() < 0.03 * np.ptp(expected)


def test_half_of_the_images_are_mirrored() -> None:
    """Each flip is drawn on its own, for half of 10,000 images (5 sigma are 250)."""
    config = AugmentConfig(flip_horizontal=True, flip_vertical=True)
    transforms_b8 = draw(config, 10_000, SIZE_PX, np.random.default_rng(0)).transforms_b8
    across, down = transforms_b8[:, 0] < 0, transforms_b8[:, 4] < 0
    assert abs(across.sum() - 5000) < 250
    assert abs(down.sum() - 5000) < 250
    assert abs((across & down).sum() - 2500) < 250


def test_mixup_weights_follow_their_beta_distribution() -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)), within 5 sigma of 20,000 draws."""
    config = AugmentConfig(mixup_alpha=0.2)
    mix_b = draw(config, 20_000, SIZE_PX, np.random.default_rng(0)).mix_b
    assert abs(mix_b.mean() - 0.5) < 0.015
    assert abs(mix_b.var() - 1 / 5.6) < 0.005
    assert mix_b.min() >= 0
    assert mix_b.max() <= 1


def test_strength_scales_the_same_draws() -> None:
    """Twice the range turns each image twice as far, whatever else is drawn."""
    weak = draw(AugmentConfig(rotation_deg=10), 50, SIZE_PX, np.random.default_rng(0))
    config = AugmentConfig(rotation_deg=20, brightness=(0.5, 1.5))
    strong = draw(config, 50, SIZE_PX, np.random.default_rng(0))
    np.testing.assert_allclose(angle_deg(strong), 2 * angle_deg(weak), rtol=1e-4)


def test_nothing_drawn_changes_nothing() -> None:
    """Without augmentation the warp returns the same pixels, unmixed."""
    draws = draw(AugmentConfig(), 3, SIZE_PX, np.random.default_rng(0))
    images = noise(3)
    found = warp(tf.constant(images), draws.transforms_b8, draws.light_b3, "reflect")
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(draws.mix_b, 1)
    assert {array.dtype for array in vars(draws).values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_brightness_multiplies_and_clips(factor: float) -> None:
    """It is the brightness of Pillow (and of `ImageDataGenerator`), within its rounding."""
    image = Image.fromarray(noise()[0].astype(np.uint8))
    expected = np.asarray(ImageEnhance.Brightness(image).enhance(factor))
    identity = compose(SIZE_PX, **_unchanged())
    found = warp(tf.constant(noise()), identity, tf.constant([[factor, 1.0, 1.0]]), "reflect")[0]
    assert np.abs(found - expected.astype(np.float32)).max() <= 1


@pytest.mark.parametrize(
    ("enhancer", "light"),
    [(ImageEnhance.Contrast, (1.0, 1.4, 1.0)), (ImageEnhance.Color, (1.0, 1.0, 0.3))],
    ids=["contrast", "saturation"],
)
def test_contrast_and_saturation_are_those_of_pillow(
    enhancer: Any, light: tuple[float, float, float]
) -> None:
    """Within its rounding: Pillow takes whole grey levels, also of the mean."""
    image = Image.fromarray(noise()[0].astype(np.uint8))
    expected = np.asarray(enhancer(image).enhance(light[1] * light[2]))
    identity = compose(SIZE_PX, **_unchanged())
    images = tf.constant(noise())
    found = warp(images, identity, tf.constant([light]), "reflect", coloured=True)[0]
    assert np.abs(found - expected.astype(np.float32)).max() <= 1.5
    assert np.abs(found - images[0]).max() > 20


def test_only_so_many_changes_are_made_to_an_image() -> None:
    """Two of five, others for each image, and each as often as the others."""
    config = AugmentConfig(
        zoom=0.4, brightness=(0.5, 0.9), contrast=(0.5, 0.9), saturation=(0.5, 0.9), most_changes=2
    )
    draws = draw(config, 20_000, SIZE_PX, np.random.default_rng(0))
    changed = np.column_stack([draws.transforms_b8[:, 0] != 1, draws.light_b3 != 1])
    assert changed.sum(axis=1).max() == 2
    # Two of the eight changes there are; the other four have no range here.
    np.testing.assert_allclose(changed.mean(axis=0), 2 / 8, atol=0.02)


def _unchanged() -> dict[str, Any]:
    zero, no = np.zeros(1), np.zeros(1, bool)
    return {
        "mirror_x": no, "mirror_y": no, "angle_rad": zero, "shift_x": zero, "shift_y": zero,
        "zoom": np.ones(1), "shear": zero,
    }  # fmt: skip


def test_bytes_and_floats_give_the_same() -> None:
    """Stored bytes need no conversion before the warp."""
    draws = draw(STRONG, 4, SIZE_PX, np.random.default_rng(0))
    images = noise(4)
    results = [
        np.asarray(warp(tf.cast(images, dtype), draws.transforms_b8, draws.light_b3, "wrap"))
        for dtype in (tf.uint8, tf.float32)
    ]
    np.testing.assert_array_equal(*results)


STRONG = AugmentConfig(
    rotation_deg=180,
    width_shift=0.9,
    height_shift=0.9,
    zoom=0.9,
    shear_deg=60,
    brightness=(0.2, 3.0),
    flip_horizontal=True,
    flip_vertical=True,
)


@given(seed=st.integers(0, 2**32), fill=st.sampled_from(["reflect", "nearest", "wrap"]))
def test_pixels_stay_in_range_and_plain_images_plain(seed: int, fill: str) -> None:
    """However far images are moved, nothing but their own pixels shows, within 0..255."""
    draws = draw(STRONG, 2, SIZE_PX, np.random.default_rng(seed))
    grey = np.full((1, SIZE_PX, SIZE_PX, 3), 100, np.float32)
    images = np.concatenate([noise(), grey])
    result = np.asarray(warp(images, draws.transforms_b8, draws.light_b3, fill))
    assert result.min() >= 0
    assert result.max() <= 255
    np.testing.assert_allclose(result[1], min(100 * draws.light_b3[1, 0], 255), rtol=1e-4)
