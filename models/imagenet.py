"""Backbones of `keras.applications`, each with the preprocessing it was trained with."""

from __future__ import annotations

from typing import Any

from models.applications import WEIGHTS_SIZE_PX, Application
from models.backbone import Backbone


def _imagenet(
    name: str,
    constructor: str,
    parameters: int,
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
        name, network.build, parameters, min_size_px, preprocessing, source, weights=network
    )


def _mobilenet(alpha: float, parameters: int) -> Backbone:
    """MobileNet of one width."""
    tenths = "1_0" if alpha == 1.0 else f"{10 * alpha:.1f}".replace(".", "_")
    return _imagenet(
        f"mobilenet_{alpha}",
        "MobileNet",
        parameters,
        "symmetric",
        f"mobilenet_{tenths}_{WEIGHTS_SIZE_PX}_tf_no_top.h5",
        "Howard et al. 2017",
        alpha=alpha,
    )


def _mobilenet_v2(alpha: float, parameters: int) -> Backbone:
    """MobileNetV2 of one width."""
    return _imagenet(
        f"mobilenet_v2_{alpha}",
        "MobileNetV2",
        parameters,
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
        "imagenet",
        "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Huang et al. 2017",
    ),
    _imagenet(
        "densenet169",
        "DenseNet169",
        12_642_880,
        "imagenet",
        "densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Huang et al. 2017",
    ),
    _imagenet(
        "densenet201",
        "DenseNet201",
        18_321_984,
        "imagenet",
        "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Huang et al. 2017",
    ),
    _imagenet(
        "efficientnet_b0",
        "EfficientNetB0",
        4_049_571,
        "imagenet_255",
        "efficientnetb0_notop.h5",
        "Tan & Le 2019",
    ),
    _imagenet(
        "efficientnet_b1",
        "EfficientNetB1",
        6_575_239,
        "imagenet_255",
        "efficientnetb1_notop.h5",
        "Tan & Le 2019",
    ),
    _imagenet(
        "efficientnet_v2_b0",
        "EfficientNetV2B0",
        5_919_312,
        "imagenet",
        "efficientnetv2-b0_notop.h5",
        "Tan & Le 2021",
        include_preprocessing=False,
    ),
    _imagenet(
        "convnext_tiny",
        "ConvNeXtTiny",
        27_820_128,
        "imagenet",
        "convnext_tiny_notop.h5",
        "Liu et al. 2022",
        include_preprocessing=False,
    ),
    _imagenet(
        "inception_v3",
        "InceptionV3",
        21_802_784,
        "symmetric",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Szegedy et al. 2016",
        min_size_px=75,
    ),
    _mobilenet(0.25, 218_544),
    _mobilenet(0.5, 829_536),
    _mobilenet(0.75, 1_832_976),
    _mobilenet(1.0, 3_228_864),
    _mobilenet_v2(0.35, 410_208),
    _mobilenet_v2(0.5, 706_224),
    _mobilenet_v2(0.75, 1_382_064),
    _mobilenet_v2(1.0, 2_257_984),
    _mobilenet_v2(1.3, 3_766_048),
    _mobilenet_v2(1.4, 4_363_712),
    _imagenet(
        "mobilenet_v3_small",
        "MobileNetV3Small",
        939_120,
        "symmetric",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "Howard et al. 2019",
        include_preprocessing=False,
    ),
    _imagenet(
        "mobilenet_v3_large",
        "MobileNetV3Large",
        2_996_352,
        "symmetric",
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        "Howard et al. 2019",
        include_preprocessing=False,
    ),
    _imagenet(
        "resnet50",
        "ResNet50",
        23_587_712,
        "caffe",
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "He et al. 2016",
    ),
    _imagenet(
        "resnet50_v2",
        "ResNet50V2",
        23_564_800,
        "symmetric",
        "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "He et al. 2016b",
    ),
    _imagenet(
        "resnet152_v2",
        "ResNet152V2",
        58_331_648,
        "symmetric",
        "resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "He et al. 2016b",
    ),
    _imagenet(
        "vgg16",
        "VGG16",
        14_714_688,
        "caffe",
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Simonyan & Zisserman 2015",
    ),
    _imagenet(
        "vgg19",
        "VGG19",
        20_024_384,
        "caffe",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Simonyan & Zisserman 2015",
    ),
    _imagenet(
        "xception",
        "Xception",
        20_861_480,
        "symmetric",
        "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Chollet 2017",
        min_size_px=71,
    ),
)
