//! Inception-ResNet-v2: inception modules whose result is added to their input.

use convnet_nn::layers::{BatchNormalization, Conv2D, Padding};
use convnet_nn::{Result, Symbol};

use super::inception_v3::stem;
use super::parts::{Numbered, join, named, relu};
use super::{Family, Habits, Network, Pooling, Top};
use crate::blocks::SqueezeExcite;
use crate::layers::ScaledSum;

/// The network of Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
/// Learning", 2016 ([arXiv:1602.07261](https://arxiv.org/abs/1602.07261)), figure 15, as keras.applications has it.
#[derive(Clone, Debug)]
pub struct InceptionResNetV2 {
    /// Whether channels are weighed by squeeze and excitation at the end of each module.
    excited: bool,
    /// Whether normalisations have a factor for each channel, as in PyTorch.
    scale: bool,
}

/// Inception-ResNet-v2: 55,873,736 parameters with 1000 classes, images of 299 × 299. As Keras's
/// [InceptionResNetV2](https://keras.io/api/applications/inceptionresnetv2/).
pub fn inception_resnet_v2() -> Network<InceptionResNetV2> {
    Network::new(InceptionResNetV2 { excited: false, scale: false }).of_size(299)
}

/// As [`super::se_inception_resnet_v2`] documents.
pub(super) fn excited_inception_resnet_v2() -> Network<InceptionResNetV2> {
    Network::new(InceptionResNetV2 { excited: true, scale: false }).of_size(299)
}

/// Filters and their sizes, layer by layer.
type Branch = &'static [(usize, [usize; 2])];

/// Modules of a kind: name, how many, the branches' convolutions, the factor of the result.
type Modules = (&'static str, usize, &'static [Branch], f64);

const BLOCK35: Modules = (
    "block35",
    10,
    &[&[(32, [1, 1])], &[(32, [1, 1]), (32, [3, 3])], &[(32, [1, 1]), (48, [3, 3]), (64, [3, 3])]],
    0.17,
);

const BLOCK17: Modules =
    ("block17", 20, &[&[(192, [1, 1])], &[(128, [1, 1]), (160, [1, 7]), (192, [7, 1])]], 0.1);

const BLOCK8: Modules =
    ("block8", 10, &[&[(192, [1, 1])], &[(192, [1, 1]), (224, [1, 3]), (256, [3, 1])]], 0.2);

impl Family for InceptionResNetV2 {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        if self.excited { "se_inception_resnet_v2" } else { "inception_resnet_v2" }.into()
    }

    fn min_size(&self) -> usize {
        75
    }

    fn as_in_pytorch(&mut self, _habits: Habits) {
        self.scale = true;
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let mut layers = if self.scale { Numbered::scaled() } else { Numbered::default() };
        let x = stem(&mut layers, image)?;
        let one = layers.same(&x, 96, 1)?;
        let five = layers.chain(&x, &[(48, [1, 1]), (64, [5, 5])])?;
        let three = layers.chain(&x, &[(64, [1, 1]), (96, [3, 3]), (96, [3, 3])])?;
        let pool = layers.smooth(&x, 64)?;
        let x = join("mixed_5b", &[&one, &five, &three, &pool])?;
        let x = self.modules(&mut layers, x, BLOCK35)?;

        let three = layers.valid(&x, 384, 3, 2)?;
        let double = layers.chain(&x, &[(256, [1, 1]), (256, [3, 3])])?;
        let double = layers.valid(&double, 384, 3, 2)?;
        let pool = layers.halve(&x)?;
        let x = join("mixed_6a", &[&three, &double, &pool])?;
        let x = self.modules(&mut layers, x, BLOCK17)?;

        let short = layers.same(&x, 256, 1)?;
        let short = layers.valid(&short, 384, 3, 2)?;
        let three = layers.same(&x, 256, 1)?;
        let three = layers.valid(&three, 288, 3, 2)?;
        let double = layers.chain(&x, &[(256, [1, 1]), (288, [3, 3])])?;
        let double = layers.valid(&double, 320, 3, 2)?;
        let pool = layers.halve(&x)?;
        let x = join("mixed_7a", &[&short, &three, &double, &pool])?;
        let x = self.modules(&mut layers, x, BLOCK8)?;

        let last = Conv2D::new(1536, 1).padding(Padding::Same).use_bias(false);
        let x = x.apply(named("conv_7b", last))?;
        x.apply(named("conv_7b_bn", BatchNormalization::new().scale(self.scale)))?.apply(relu("conv_7b_ac"))
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        features.apply(Pooling::Avg.layer().named("avg_pool"))?.apply(top.classifier("predictions"))
    }
}

impl InceptionResNetV2 {
    /// Modules of a kind, one behind the other. The very last of the network has no factor and no rectifier.
    fn modules(&self, layers: &mut Numbered, mut x: Symbol, modules: Modules) -> Result<Symbol> {
        let (kind, count, branches, scale) = modules;
        for module in 1..=count {
            let name = format!("{kind}_{module}");
            let last = kind == "block8" && module == count;
            let branches: Vec<Symbol> =
                branches.iter().map(|branch| layers.chain(&x, branch)).collect::<Result<_>>()?;
            let mixed = join(format!("{name}_mixed"), &branches.iter().collect::<Vec<_>>())?;
            let up = Conv2D::new(x.shape().channels(), 1).padding(Padding::Same);
            let mut up = mixed.apply(named(format!("{name}_conv"), up))?;
            if self.excited {
                up = SqueezeExcite::new().named(format!("{name}_se")).call(&up)?;
            }
            let sum = ScaledSum::new(if last { 1.0 } else { scale });
            x = Symbol::merge(named(layers.name("custom_scale_layer"), sum), &[&x, &up])?;
            if !last {
                x = x.apply(relu(format!("{name}_ac")))?;
            }
        }
        Ok(x)
    }
}
