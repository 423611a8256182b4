"""Backbones trained from random weights, the bodies of the hand-tuned systems among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.backbone import Backbone

if TYPE_CHECKING:
    import keras


def _scratch(
    name: str,
    parameters: int,
    multiply_adds_224: float,
    min_size_px: int,
    source: str,
    function: str,
    **kwargs: Any,
) -> Backbone:
    """A row that a function of `models.convolutional` builds; its pixels become 0..1."""

    def construct(images_bhwc: keras.KerasTensor) -> keras.KerasTensor:
        from models import convolutional  # imports TensorFlow

        return getattr(convolutional, function)(images_bhwc, **kwargs)

    return Backbone(
        name,
        construct,
        parameters,
        min_size_px,
        "unit",
        source,
        multiply_adds_224=multiply_adds_224,
    )


def _conv_stack(
    name: str,
    parameters: int,
    multiply_adds_224: float,
    min_size_px: int,
    source: str,
    **kwargs: Any,
) -> Backbone:
    return _scratch(
        name, parameters, multiply_adds_224, min_size_px, source, "conv_stack", **kwargs
    )


ROWS = (
    _conv_stack(
        "cnn",
        389_856,
        8.31e7,
        8,
        "four convolutions with batch normalisation (Ioffe & Szegedy 2015)",
        widths=((32,), (64,), (128,), (256,)),
        batch_norm="before_relu",
        last_pool=False,
        stem_width=32,
    ),
    _conv_stack(
        "cnn_deep",
        1_175_136,
        1.99e8,
        8,
        "VGG's pairs (Simonyan & Zisserman 2015) with batch normalisation",
        widths=((32, 32), (64, 64), (128, 128), (256, 256)),
        batch_norm="before_relu",
        last_pool=False,
        stem_width=32,
    ),
    _scratch(
        "resnet_small",
        273_392,
        1.29e8,
        8,
        "ResNet-20 (He et al. 2016)",
        "residual",
        widths=(16, 32, 64),
        blocks=3,
    ),
    _conv_stack(
        "cats_dogs_cnn",
        19_392,
        2.62e8,
        10,
        "hand-tuned for cats and dogs at 64 px",
        widths=((32,), (64,)),
        padding="valid",
    ),
    _conv_stack(
        "cats_dogs_small_cnn",
        978_496,
        6.9e8,
        78,
        "hand-tuned for two thousand cats and dogs at 180 px (Chollet 2021, chapter 8)",
        widths=((32,), (64,), (128,), (256,), (256,)),
        padding="valid",
        last_pool=False,
    ),
    _conv_stack(
        "weather_1",
        57_856,
        4.31e8,
        20,
        "hand-tuned for weather at 256 px, model 1",
        widths=((32,), (64,), (64,)),
        first_kernel_px=5,
        padding="valid",
        last_pool=False,
    ),
    _conv_stack(
        "weather_2",
        3_929_920,
        1.1e9,
        96,
        "hand-tuned for weather at 250 px, model 2",
        widths=((32,), (64,), (128,), (256,), (512,), (512,)),
        first_kernel_px=5,
        last_padding="valid",
        last_pool=False,
    ),
    _conv_stack(
        "weather_3",
        1_177_632,
        2.66e9,
        16,
        "hand-tuned for weather at 250 px, model 3",
        widths=((32, 32), (64, 64), (128, 128), (256, 256)),
        first_kernel_px=5,
        batch_norm="after_relu",
    ),
    _conv_stack(
        "cifar_cnn",
        14_336,
        1.08e8,
        8,
        "hand-tuned for CIFAR-10, first network",
        widths=((16,), (32,), (32,)),
        dropout=0.23,
    ),
    _conv_stack(
        "cifar_bn_cnn",
        4_693_056,
        1.03e10,
        16,
        "hand-tuned for CIFAR-10, with batch normalisation",
        widths=((64, 64), (128, 128), (256, 256), (512, 512)),
        batch_norm="after_relu",
    ),
    _conv_stack(
        "cifar_vgg",
        10_784_256,
        2.14e10,
        16,
        "hand-tuned for CIFAR-10, the deepest",
        widths=((64,) * 3, (128,) * 3, (256,) * 4, (512,) * 4),
        batch_norm="after_relu",
    ),
)
