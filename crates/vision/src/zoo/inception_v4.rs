//! Inception-v4: a deeper stem, and more and more uniform inception modules.

use convnet_nn::layers::Dropout;
use convnet_nn::{Result, Symbol};

use super::parts::{Numbered, join, named};
use super::{Family, Network, Pooling, Top};

/// The network of Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
/// Learning", 2016 ([arXiv:1602.07261](https://arxiv.org/abs/1602.07261)), figures 3 to 9.
#[derive(Clone, Debug)]
pub struct InceptionV4;

/// Inception-v4: 42,679,816 parameters that are trained, 42,742,984 with moving statistics, with 1000 classes; images of 299 × 299.
pub fn inception_v4() -> Network<InceptionV4> {
    Network::new(InceptionV4).of_size(299)
}

impl Family for InceptionV4 {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "inception_v4".into()
    }

    fn min_size(&self) -> usize {
        75
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let mut layers = Numbered::scaled();
        let mut x = stem(&mut layers, image)?;
        for module in 1..=4 {
            x = module_a(&mut layers, &x, &format!("inception_a{module}"))?;
        }
        let three = layers.valid(&x, 384, 3, 2)?;
        let double = layers.chain(&x, &[(192, [1, 1]), (224, [3, 3])])?;
        let double = layers.valid(&double, 256, 3, 2)?;
        let pool = layers.halve(&x)?;
        x = join("reduction_a", &[&three, &double, &pool])?;
        for module in 1..=7 {
            x = module_b(&mut layers, &x, &format!("inception_b{module}"))?;
        }
        let three = layers.same(&x, 192, 1)?;
        let three = layers.valid(&three, 192, 3, 2)?;
        let seven = layers.chain(&x, &[(256, [1, 1]), (256, [1, 7]), (320, [7, 1])])?;
        let seven = layers.valid(&seven, 320, 3, 2)?;
        let pool = layers.halve(&x)?;
        x = join("reduction_b", &[&three, &seven, &pool])?;
        for module in 1..=3 {
            x = module_c(&mut layers, &x, &format!("inception_c{module}"))?;
        }
        Ok(x)
    }

    /// The paper keeps 80 per cent in its dropout.
    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        let x = features.apply(Pooling::Avg.layer().named("avg_pool"))?;
        x.apply(named("dropout", Dropout::new(0.2)))?.apply(top.classifier("predictions"))
    }
}

/// Figure 3: to 384 channels, an eighth of the size.
fn stem(layers: &mut Numbered, image: &Symbol) -> Result<Symbol> {
    let x = layers.valid(image, 32, 3, 2)?;
    let x = layers.valid(&x, 32, 3, 1)?;
    let x = layers.same(&x, 64, 3)?;
    let (pool, convolution) = (layers.halve(&x)?, layers.valid(&x, 96, 3, 2)?);
    let x = join("stem1", &[&pool, &convolution])?;
    let short = layers.same(&x, 64, 1)?;
    let short = layers.valid(&short, 96, 3, 1)?;
    let long = layers.chain(&x, &[(64, [1, 1]), (64, [1, 7]), (64, [7, 1])])?;
    let long = layers.valid(&long, 96, 3, 1)?;
    let x = join("stem2", &[&short, &long])?;
    let (convolution, pool) = (layers.valid(&x, 192, 3, 2)?, layers.halve(&x)?);
    join("stem3", &[&convolution, &pool])
}

/// Figure 4, for 35 × 35 maps.
fn module_a(layers: &mut Numbered, x: &Symbol, name: &str) -> Result<Symbol> {
    let one = layers.same(x, 96, 1)?;
    let three = layers.chain(x, &[(64, [1, 1]), (96, [3, 3])])?;
    let double = layers.chain(x, &[(64, [1, 1]), (96, [3, 3]), (96, [3, 3])])?;
    let pool = layers.smooth(x, 96)?;
    join(name, &[&one, &three, &double, &pool])
}

/// Figure 5, for 17 × 17 maps.
fn module_b(layers: &mut Numbered, x: &Symbol, name: &str) -> Result<Symbol> {
    let one = layers.same(x, 384, 1)?;
    let seven = layers.chain(x, &[(192, [1, 1]), (224, [1, 7]), (256, [7, 1])])?;
    let double =
        layers.chain(x, &[(192, [1, 1]), (192, [7, 1]), (224, [1, 7]), (224, [7, 1]), (256, [1, 7])])?;
    let pool = layers.smooth(x, 128)?;
    join(name, &[&one, &seven, &double, &pool])
}

/// Figure 6, for 8 × 8 maps.
fn module_c(layers: &mut Numbered, x: &Symbol, name: &str) -> Result<Symbol> {
    let one = layers.same(x, 256, 1)?;
    let three = layers.same(x, 384, 1)?;
    let (wide, tall) = (layers.same(&three, 256, [1, 3])?, layers.same(&three, 256, [3, 1])?);
    let double = layers.chain(x, &[(384, [1, 1]), (448, [3, 1]), (512, [1, 3])])?;
    let (wider, taller) = (layers.same(&double, 256, [1, 3])?, layers.same(&double, 256, [3, 1])?);
    let pool = layers.smooth(x, 256)?;
    join(name, &[&one, &wide, &tall, &wider, &taller, &pool])
}
