"""Backbones of `keras.applications`, each with the preprocessing it was trained with."""

from __future__ import annotations

from typing import Any

from models.applications import WEIGHTS_SIZE_PX, Application
from models.backbone import Backbone


def _imagenet(
    name: str,
    constructor: str,
    parameters: int,
    multiply_adds_224: float,
    preprocessing: str,
    weights_file: str,
    source: str,
    *,
    min_size_px: int = 32,
    **kwargs: Any,
) -> Backbone:
    """A row of `keras.applications`; all but two of them take images of 32 pixels."""
    network = Application(constructor, weights_file, kwargs)
    return Backbone(
        name,
        network.build,
        parameters,
        min_size_px,
        preprocessing,
        source,
        weights=network,
        multiply_adds_224=multiply_adds_224,
    )


def _mobilenet(alpha: float, parameters: int, multiply_adds_224: float) -> Backbone:
    """MobileNet of one width."""
    tenths = "1_0" if alpha == 1.0 else f"{10 * alpha:.1f}".replace(".", "_")
    return _imagenet(
        f"mobilenet_{alpha}",
        "MobileNet",
        parameters,
        multiply_adds_224,
        "symmetric",
        f"mobilenet_{tenths}_{WEIGHTS_SIZE_PX}_tf_no_top.h5",
        "Howard et al. 2017",
        alpha=alpha,
    )


def _mobilenet_v2(alpha: float, parameters: int, multiply_adds_224: float) -> Backbone:
    """MobileNetV2 of one width."""
    return _imagenet(
        f"mobilenet_v2_{alpha}",
        "MobileNetV2",
        parameters,
        multiply_adds_224,
        "symmetric",
        f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{WEIGHTS_SIZE_PX}_no_top.h5",
        "Sandler et al. 2018",
        alpha=alpha,
    )


ROWS = (
    _imagenet(
        "densenet121",
        "DenseNet121",
        7_037_504,
        2.83e9,
        "imagenet",
        "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Huang et al. 2017",
    ),
    _imagenet(
        "densenet169",
        "DenseNet169",
        12_642_880,
        3.36e9,
        "imagenet",
        "densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Huang et al. 2017",
    ),
    _imagenet(
        "densenet201",
        "DenseNet201",
        18_321_984,
        4.29e9,
        "imagenet",
        "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Huang et al. 2017",
    ),
    _imagenet(
        "efficientnet_b0",
        "EfficientNetB0",
        4_049_571,
        3.85e8,
        "imagenet_255",
        "efficientnetb0_notop.h5",
        "Tan & Le 2019",
    ),
    _imagenet(
        "efficientnet_b1",
        "EfficientNetB1",
        6_575_239,
        5.68e8,
        "imagenet_255",
        "efficientnetb1_notop.h5",
        "Tan & Le 2019",
    ),
    _imagenet(
        "efficientnet_v2_b0",
        "EfficientNetV2B0",
        5_919_312,
        7.17e8,
        "imagenet",
        "efficientnetv2-b0_notop.h5",
        "Tan & Le 2021",
        include_preprocessing=False,
    ),
    _imagenet(
        "convnext_tiny",
        "ConvNeXtTiny",
        27_820_128,
        4.45e9,
        "imagenet",
        "convnext_tiny_notop.h5",
        "Liu et al. 2022",
        include_preprocessing=False,
    ),
    _imagenet(
        "inception_v3",
        "InceptionV3",
        21_802_784,
        2.84e9,
        "symmetric",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Szegedy et al. 2016",
        min_size_px=75,
    ),
    _mobilenet(0.25, 218_544, 4.08e7),
    _mobilenet(0.5, 829_536, 1.49e8),
    _mobilenet(0.75, 1_832_976, 3.25e8),
    _mobilenet(1.0, 3_228_864, 5.68e8),
    _mobilenet_v2(0.35, 410_208, 5.8e7),
    _mobilenet_v2(0.5, 706_224, 9.59e7),
    _mobilenet_v2(0.75, 1_382_064, 2.08e8),
    _mobilenet_v2(1.0, 2_257_984, 2.99e8),
    _mobilenet_v2(1.3, 3_766_048, 5.08e8),
    _mobilenet_v2(1.4, 4_363_712, 5.8e8),
    _imagenet(
        "mobilenet_v3_small",
        "MobileNetV3Small",
        939_120,
        5.49e7,
        "symmetric",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "Howard et al. 2019",
        include_preprocessing=False,
    ),
    _imagenet(
        "mobilenet_v3_large",
        "MobileNetV3Large",
        2_996_352,
        2.14e8,
        "symmetric",
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        "Howard et al. 2019",
        include_preprocessing=False,
    ),
    _imagenet(
        "resnet50",
        "ResNet50",
        23_587_712,
        3.86e9,
        "caffe",
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "He et al. 2016",
    ),
    _imagenet(
        "resnet50_v2",
        "ResNet50V2",
        23_564_800,
        3.48e9,
        "symmetric",
        "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "He et al. 2016b",
    ),
    _imagenet(
        "resnet152_v2",
        "ResNet152V2",
        58_331_648,
        1.09e10,
        "symmetric",
        "resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "He et al. 2016b",
    ),
    _imagenet(
        "vgg16",
        "VGG16",
        14_714_688,
        1.53e10,
        "caffe",
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Simonyan & Zisserman 2015",
    ),
    _imagenet(
        "vgg19",
        "VGG19",
        20_024_384,
        1.95e10,
        "caffe",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Simonyan & Zisserman 2015",
    ),
    _imagenet(
        "xception",
        "Xception",
        20_861_480,
        4.55e9,
        "symmetric",
        "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Chollet 2017",
        min_size_px=71,
    ),
)
