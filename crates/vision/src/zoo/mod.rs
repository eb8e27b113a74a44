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

mod mobilenet_v2;
mod resnet;
mod vgg;

use std::fmt::Debug;
use std::str::FromStr;

pub use convnet_nn::Error;
use convnet_nn::layers::{Dense, GlobalAveragePooling2D, GlobalMaxPooling2D};
use convnet_nn::{Activation, LayerRef, Model, Result, Symbol};

pub use mobilenet_v2::{MobileNetV2, mobilenet_v2};
pub use resnet::{ResNet, resnet18, resnet34, resnet50, resnet101, resnet152};
pub use vgg::{Vgg, vgg16, vgg19};

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

    /// The layers after the feature maps, the last of which is `classifier`.
    ///
    /// # Errors
    /// If the classifier has no classes.
    fn top(&self, features: &Symbol, classifier: LayerRef) -> Result<Symbol> {
        self.pool(features, Pooling::Avg)?.apply(classifier)
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
    /// Height, width and channels of the images. Default 224 × 224 × 3.
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
        let ([height, width, _], least) = (self.input_shape, self.family.min_size());
        let name = self.family.model_name(self.input_shape);
        if height.min(width) < least {
            let problem = format!("images must be at least {least} × {least}, got {height} × {width}");
            return Err(Error::argument(format!("input_shape of {name}"), problem));
        }
        let image = Symbol::input(self.input_shape);
        let features = self.family.features(&image)?;
        let output = match self.pooling {
            _ if self.include_top => {
                let classifier = Dense::new(self.classes).activation(self.classifier_activation);
                self.family.top(&features, LayerRef::new(classifier).named("predictions"))?
            }
            Some(pooling) => self.family.pool(&features, pooling)?,
            None => features,
        };
        Ok(Model::new(&[image], &[output])?.named(name))
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

    fn top(&self, features: &Symbol, classifier: LayerRef) -> Result<Symbol> {
        (**self).top(features, classifier)
    }
}

/// A network that can be named.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What to call it.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// The network with its default arguments.
    pub network: fn() -> Network<Box<dyn Family>>,
}

/// All networks, families in alphabetical order.
pub const REGISTRY: &[Known] = &[
    Known {
        name: "mobilenet-v2",
        about: "inverted residual blocks of depthwise convolutions, 3.5 million parameters",
        network: || mobilenet_v2().boxed(),
    },
    Known {
        name: "resnet18",
        about: "residual network of 18 layers, 11.7 million parameters",
        network: || resnet18().boxed(),
    },
    Known {
        name: "resnet34",
        about: "residual network of 34 layers, 21.8 million parameters",
        network: || resnet34().boxed(),
    },
    Known {
        name: "resnet50",
        about: "residual network of 50 layers, 25.6 million parameters",
        network: || resnet50().boxed(),
    },
    Known {
        name: "resnet101",
        about: "residual network of 101 layers, 44.7 million parameters",
        network: || resnet101().boxed(),
    },
    Known {
        name: "resnet152",
        about: "residual network of 152 layers, 60.4 million parameters",
        network: || resnet152().boxed(),
    },
    Known {
        name: "vgg16",
        about: "16 layers of 3×3 convolutions and 3 of them dense, 138 million parameters",
        network: || vgg16().boxed(),
    },
    Known {
        name: "vgg19",
        about: "19 layers of 3×3 convolutions and 3 of them dense, 144 million parameters",
        network: || vgg19().boxed(),
    },
];

/// The network of a name in the [`REGISTRY`]; `_` may stand for `-`.
pub fn find(name: &str) -> Option<Network<Box<dyn Family>>> {
    let name = name.replace('_', "-");
    REGISTRY.iter().find(|known| known.name == name).map(|known| (known.network)())
}
