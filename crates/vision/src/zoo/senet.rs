//! SENet: networks whose blocks weigh their channels by squeeze and excitation.

use super::Network;
use super::bn_inception::{BnInception, excited_bn_inception};
use super::inception_resnet_v2::{InceptionResNetV2, excited_inception_resnet_v2};
use super::resnet::{ResNet, excited_resnet50};

/// SE-ResNet-50: 28,141,144 parameters with 1000 classes, 28,088,024 of them trained.
///
/// [`super::resnet50`] with a [`crate::blocks::SqueezeExcite`] before the sum of each block, convolutions without bias. Hu, Shen,
/// Albanie, Sun and Wu, "Squeeze-and-Excitation Networks", 2017 ([arXiv:1709.01507](https://arxiv.org/abs/1709.01507)), table 1.
pub fn se_resnet50() -> Network<ResNet> {
    excited_resnet50()
}

/// SE-Inception-ResNet-v2, for images of 299 × 299.
///
/// [`super::inception_resnet_v2`] with a [`crate::blocks::SqueezeExcite`] at the end of each module, before its result is added to
/// the input. Of the same paper, table 2.
pub fn se_inception_resnet_v2() -> Network<InceptionResNetV2> {
    excited_inception_resnet_v2()
}

/// SE-BN-Inception, for images of 224 × 224.
///
/// [`super::bn_inception`] with a [`crate::blocks::SqueezeExcite`] at the end of each module. Of the same paper, table 2.
pub fn se_bn_inception() -> Network<BnInception> {
    excited_bn_inception()
}
