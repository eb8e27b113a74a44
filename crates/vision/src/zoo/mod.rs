//! Architectures by their papers, a file a family, with random weights.
//!
//! Where keras.applications has the network, layers, names, order and arguments are the same, so that weights saved there fit
//! here. A network is described by a [`Network`], whose methods are Keras's arguments, and made by [`Network::build`]:
//!
//! ```
//! use convnet_vision::zoo::{self, Pooling};
//!
//! let model = zoo::resnet18().input_shape([32, 32, 3]).classes(10).build()?;
//! assert_eq!(model.output_shapes()[0].dims, [10]);
//! let base = zoo::mobilenet_v2().alpha(0.35).input_shape([96, 96, 3]).include_top(false).pooling(Pooling::Avg);
//! assert_eq!(base.build()?.output_shapes()[0].dims, [1280]);
//! # Ok::<(), convnet_vision::zoo::Error>(())
//! ```

mod alexnet;
mod bn_inception;
mod convnext;
mod densenet;
mod efficientnet;
mod fcn;
mod googlenet;
mod inception_resnet_v2;
mod inception_v3;
mod inception_v4;
mod lenet;
mod mobilenet;
mod mobilenet_v2;
mod mobilenet_v3;
mod parts;
mod pytorch;
mod registry;
mod resnet;
mod resnet_v2;
mod senet;
mod unet;
mod vgg;
mod xception;
mod zf_net;

use std::fmt::Debug;
use std::str::FromStr;

pub use convnet_nn::Error;
use convnet_nn::layers::{Dense, GlobalAveragePooling2D, GlobalMaxPooling2D};
use convnet_nn::{Activation, LayerRef, Model, Result, Symbol};

pub use alexnet::{AlexNet, alexnet};
pub use bn_inception::{BnInception, bn_inception};
pub use convnext::{ConvNeXt, convnext_base, convnext_large, convnext_small, convnext_tiny, convnext_xlarge};
pub use densenet::{DenseNet, densenet121, densenet169, densenet201};
pub use efficientnet::{
    EfficientNet, efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3, efficientnet_b4,
    efficientnet_b5, efficientnet_b6, efficientnet_b7, efficientnet_lite0, efficientnet_lite1,
    efficientnet_lite2, efficientnet_lite3, efficientnet_lite4,
};
pub use fcn::{Fcn, fcn8s, fcn16s, fcn32s};
pub use googlenet::{AUXILIARY_WEIGHT, GoogLeNet, googlenet};
pub use inception_resnet_v2::{InceptionResNetV2, inception_resnet_v2};
pub use inception_v3::{InceptionV3, inception_v3};
pub use inception_v4::{InceptionV4, inception_v4};
pub use lenet::{LeNet, LeNet5, lenet, lenet5};
pub use mobilenet::{MobileNet, mobilenet};
pub use mobilenet_v2::{MobileNetV2, mobilenet_v2};
pub use mobilenet_v3::{MobileNetV3, mobilenet_v3_large, mobilenet_v3_small};
pub use pytorch::{Habits, pytorch_modules};
pub use registry::{Known, Published, REGISTRY, RemoteFile, find};
pub use resnet::{ResNet, resnet18, resnet34, resnet50, resnet101, resnet152};
pub use resnet_v2::{ResNetV2, resnet18_v2, resnet34_v2, resnet50_v2, resnet101_v2, resnet152_v2};
pub use senet::{se_bn_inception, se_inception_resnet_v2, se_resnet50};
pub use unet::{UNet, unet};
pub use vgg::{Vgg, vgg16, vgg19};
pub use xception::{Xception, xception};
pub use zf_net::{ZfNet, zf_net};

/// What a family of networks has of its own.
pub trait Family: Debug + Send + Sync + 'static {
    /// The model's name for images of this shape.
    fn model_name(&self, input_shape: [usize; 3]) -> String;

    /// Height and width that an image must have at least.
    fn min_size(&self) -> usize {
        32
    }

    /// The layers up to the last feature maps `(batch, height, width, channels)`.
    ///
    /// # Errors
    /// If the image is too small, or an argument of the family is out of range.
    fn features(&self, image: &Symbol) -> Result<Symbol>;

    /// One number of each feature map.
    ///
    /// # Errors
    /// Never for what [`Family::features`] gives.
    fn pool(&self, features: &Symbol, pooling: Pooling) -> Result<Symbol> {
        features.apply(pooling.layer())
    }

    /// The layers after the feature maps that tell classes apart.
    ///
    /// # Errors
    /// If there are no classes.
    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        self.pool(features, Pooling::Avg)?.apply(top.classifier("predictions"))
    }

    /// All outputs: feature maps and what comes behind them. Networks have one, unless their paper gives them more.
    ///
    /// # Errors
    /// As [`Family::features`] and [`Family::top`].
    fn outputs(&self, image: &Symbol, end: End) -> Result<Vec<Symbol>> {
        let features = self.features(image)?;
        Ok(vec![match end {
            End::Top(top) => self.top(&features, top)?,
            End::Pooled(pooling) => self.pool(&features, pooling)?,
            End::Maps => features,
        }])
    }

    /// Sets the weights whose first values are given by the paper.
    ///
    /// # Errors
    /// Never for a model of this family.
    fn initialize(&self, _model: &mut Model) -> Result<()> {
        Ok(())
    }

    /// The factor of the number of channels, Keras's `alpha`, if the family has one.
    fn width(&mut self) -> Option<&mut f64> {
        None
    }

    /// Changes what PyTorch's networks of this name have otherwise than Keras's.
    fn as_in_pytorch(&mut self, _habits: Habits) {}

    /// Whether PyTorch has networks of this name, and of the same names of tensors, with TensorFlow's habits and with its own.
    fn has_twins_in_pytorch(&self) -> bool {
        false
    }
}

/// What stands behind the feature maps.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// A classifier.
    Top(Top),
    /// One number of each map.
    Pooled(Pooling),
    /// Nothing.
    Maps,
}

/// The classes that the end of a network tells apart.
#[derive(Clone, Copy, Debug)]
pub struct Top {
    /// Their number.
    pub classes: usize,
    /// The function at the very end.
    pub activation: Activation,
}

impl Top {
    /// A dense layer of one unit a class.
    pub fn classifier(self, name: &str) -> LayerRef {
        LayerRef::new(Dense::new(self.classes).activation(self.activation)).named(name)
    }
}

/// What is made of the feature maps of a network without its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of each map.
    Avg,
    /// The maximum of each map.
    Max,
}

impl Pooling {
    fn layer(self) -> LayerRef {
        match self {
            Self::Avg => GlobalAveragePooling2D::new().into(),
            Self::Max => GlobalMaxPooling2D::new().into(),
        }
    }
}

impl FromStr for Pooling {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "avg" => Ok(Self::Avg),
            "max" => Ok(Self::Max),
            _ => Err(Error::unknown("pooling", name, ["avg", "max"])),
        }
    }
}

/// A network that can be built, with the arguments that Keras's functions take.
#[derive(Clone, Debug)]
pub struct Network<F> {
    /// What the family has of its own.
    pub family: F,
    /// Whether the classifier is at the end. Default true.
    pub include_top: bool,
    /// Height, width and channels of the images. Default 224 × 224 × 3, or what the paper has.
    pub input_shape: [usize; 3],
    /// What is made of the feature maps where there is no top. Default none.
    pub pooling: Option<Pooling>,
    /// Classes that the top tells apart. Default 1000.
    pub classes: usize,
    /// The function at the very end of the top. Default softmax.
    pub classifier_activation: Activation,
}

impl<F: Family> Network<F> {
    /// Keras's defaults.
    pub fn new(family: F) -> Self {
        Self {
            family,
            include_top: true,
            input_shape: [224, 224, 3],
            pooling: None,
            classes: 1000,
            classifier_activation: Activation::Softmax,
        }
    }

    /// The same for square images of another size.
    fn of_size(self, size: usize) -> Self {
        let [_, _, channels] = self.input_shape;
        self.input_shape([size, size, channels])
    }

    /// Says whether the classifier is at the end.
    pub fn include_top(self, include_top: bool) -> Self {
        Self { include_top, ..self }
    }

    /// Sets height, width and channels of the images.
    pub fn input_shape(self, input_shape: [usize; 3]) -> Self {
        Self { input_shape, ..self }
    }

    /// Sets what is made of the feature maps where there is no top.
    pub fn pooling(self, pooling: Pooling) -> Self {
        Self { pooling: Some(pooling), ..self }
    }

    /// Sets how many classes the top tells apart.
    pub fn classes(self, classes: usize) -> Self {
        Self { classes, ..self }
    }

    /// Sets the function at the very end of the top; [`Activation::Linear`] gives scores.
    pub fn classifier_activation(self, classifier_activation: Activation) -> Self {
        Self { classifier_activation, ..self }
    }

    /// The network as PyTorch's collections have it, which weights from there need: the ResNet of 50 layers and more shrinks in the
    /// 3×3 convolutions, others pad alike on all sides or have another epsilon, and none has layers that preprocess the pixels.
    /// [`pytorch_modules`] tells the names of weights, and [`Habits::of_names`] from them whose network it is.
    pub fn as_in_pytorch(mut self, habits: Habits) -> Self {
        self.family.as_in_pytorch(habits);
        self
    }

    /// The same without its type, so that networks of several families go into one list.
    pub fn boxed(self) -> Network<Box<dyn Family>> {
        let Self { family, include_top, input_shape, pooling, classes, classifier_activation } = self;
        let family: Box<dyn Family> = Box::new(family);
        Network { family, include_top, input_shape, pooling, classes, classifier_activation }
    }

    /// Makes the model, with random weights of seed 0.
    ///
    /// # Errors
    /// If the images are smaller than the family allows, there are no classes, or an argument of the family is out of range.
    pub fn build(&self) -> Result<Model> {
        let (image, outputs, name) = self.wire()?;
        let mut model = Model::new(&[image], &outputs)?.named(name);
        self.family.initialize(&mut model)?;
        Ok(model)
    }

    /// Makes the model with zeros for weights, which take no memory before they are set: to look at it, or to load weights.
    ///
    /// # Errors
    /// As [`Network::build`].
    pub fn build_empty(&self) -> Result<Model> {
        let (image, outputs, name) = self.wire()?;
        Ok(Model::with_zeros(&[image], &outputs)?.named(name))
    }

    /// Input, outputs and the model's name.
    fn wire(&self) -> Result<(Symbol, Vec<Symbol>, String)> {
        let ([height, width, _], least) = (self.input_shape, self.family.min_size());
        let name = self.family.model_name(self.input_shape);
        if height.min(width) < least {
            let problem = format!("images must be at least {least} × {least}, got {height} × {width}");
            return Err(Error::argument(format!("input_shape of {name}"), problem));
        }
        crate::layers::register();
        let image = Symbol::input(self.input_shape);
        let end = match self.pooling {
            _ if self.include_top => {
                End::Top(Top { classes: self.classes, activation: self.classifier_activation })
            }
            Some(pooling) => End::Pooled(pooling),
            None => End::Maps,
        };
        let outputs = self.family.outputs(&image, end)?;
        Ok((image, outputs, name))
    }
}

impl Network<Box<dyn Family>> {
    /// Sets the factor of the number of channels.
    ///
    /// # Errors
    /// If the family has none.
    pub fn alpha(mut self, alpha: f64) -> Result<Self> {
        let name = self.family.model_name(self.input_shape);
        match self.family.width() {
            Some(width) => *width = alpha,
            None => return Err(Error::argument(name, "it has no alpha; MobileNets do")),
        }
        Ok(self)
    }
}

impl Family for Box<dyn Family> {
    fn model_name(&self, input_shape: [usize; 3]) -> String {
        (**self).model_name(input_shape)
    }

    fn min_size(&self) -> usize {
        (**self).min_size()
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        (**self).features(image)
    }

    fn pool(&self, features: &Symbol, pooling: Pooling) -> Result<Symbol> {
        (**self).pool(features, pooling)
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        (**self).top(features, top)
    }

    fn outputs(&self, image: &Symbol, end: End) -> Result<Vec<Symbol>> {
        (**self).outputs(image, end)
    }

    fn initialize(&self, model: &mut Model) -> Result<()> {
        (**self).initialize(model)
    }

    fn width(&mut self) -> Option<&mut f64> {
        (**self).width()
    }

    fn as_in_pytorch(&mut self, habits: Habits) {
        (**self).as_in_pytorch(habits);
    }

    fn has_twins_in_pytorch(&self) -> bool {
        (**self).has_twins_in_pytorch()
    }
}
