//! Inception-v3: inception modules with large filters taken apart into small and narrow ones.

use convnet_nn::{Result, Symbol};

use super::parts::{Numbered, join};
use super::{Family, Habits, Network, Pooling, Top};

/// The network of Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", 2015
/// ([arXiv:1512.00567](https://arxiv.org/abs/1512.00567)), table 1.
#[derive(Clone, Debug)]
pub struct InceptionV3 {
    as_in_pytorch: bool,
}

/// Inception-v3: 23,851,784 parameters with 1000 classes, images of 299 × 299. As Keras's
/// [InceptionV3](https://keras.io/api/applications/inceptionv3/).
pub fn inception_v3() -> Network<InceptionV3> {
    Network::new(InceptionV3 { as_in_pytorch: false }).of_size(299)
}

/// The name and the filters of the 7×7 convolutions of the modules for 17 × 17 maps.
const MIDDLE: [(&str, usize); 4] = [("mixed4", 128), ("mixed5", 160), ("mixed6", 160), ("mixed7", 192)];

impl Family for InceptionV3 {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "inception_v3".into()
    }

    fn min_size(&self) -> usize {
        75
    }

    fn as_in_pytorch(&mut self, _habits: Habits) {
        self.as_in_pytorch = true;
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let mut layers = if self.as_in_pytorch { Numbered::as_in_torchvision() } else { Numbered::default() };
        let mut x = stem(&mut layers, image)?;
        for (name, pooled) in [("mixed0", 32), ("mixed1", 64), ("mixed2", 64)] {
            let one = layers.same(&x, 64, 1)?;
            let five = layers.chain(&x, &[(48, [1, 1]), (64, [5, 5])])?;
            let three = layers.chain(&x, &[(64, [1, 1]), (96, [3, 3]), (96, [3, 3])])?;
            let pool = layers.smooth(&x, pooled)?;
            x = join(name, &[&one, &five, &three, &pool])?;
        }
        let three = layers.valid(&x, 384, 3, 2)?;
        let double = layers.chain(&x, &[(64, [1, 1]), (96, [3, 3])])?;
        let double = layers.valid(&double, 96, 3, 2)?;
        let pool = layers.halve(&x)?;
        x = join("mixed3", &[&three, &double, &pool])?;
        for (name, filters) in MIDDLE {
            x = middle(&mut layers, &x, name, filters)?;
        }
        let three = layers.same(&x, 192, 1)?;
        let three = layers.valid(&three, 320, 3, 2)?;
        let seven = layers.chain(&x, &[(192, [1, 1]), (192, [1, 7]), (192, [7, 1])])?;
        let seven = layers.valid(&seven, 192, 3, 2)?;
        let pool = layers.halve(&x)?;
        x = join("mixed8", &[&three, &seven, &pool])?;
        for module in 0..2 {
            x = last(&mut layers, &x, module)?;
        }
        Ok(x)
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        features.apply(Pooling::Avg.layer().named("avg_pool"))?.apply(top.classifier("predictions"))
    }
}

/// The layers before the modules: to an eighth of the size and 192 channels. Inception-ResNet-v2 has the same.
pub(super) fn stem(layers: &mut Numbered, image: &Symbol) -> Result<Symbol> {
    let x = layers.valid(image, 32, 3, 2)?;
    let x = layers.valid(&x, 32, 3, 1)?;
    let x = layers.same(&x, 64, 3)?;
    let x = layers.halve(&x)?;
    let x = layers.valid(&x, 80, 1, 1)?;
    let x = layers.valid(&x, 192, 3, 1)?;
    layers.halve(&x)
}

/// A module with 7×7 filters taken apart into 1×7 and 7×1.
fn middle(layers: &mut Numbered, x: &Symbol, name: &str, filters: usize) -> Result<Symbol> {
    let f = filters;
    let one = layers.same(x, 192, 1)?;
    let seven = layers.chain(x, &[(f, [1, 1]), (f, [1, 7]), (192, [7, 1])])?;
    let double = layers.chain(x, &[(f, [1, 1]), (f, [7, 1]), (f, [1, 7]), (f, [7, 1]), (192, [1, 7])])?;
    let pool = layers.smooth(x, 192)?;
    join(name, &[&one, &seven, &double, &pool])
}

/// A module that grows wider instead of deeper.
fn last(layers: &mut Numbered, x: &Symbol, module: usize) -> Result<Symbol> {
    let one = layers.same(x, 320, 1)?;
    let three = layers.same(x, 384, 1)?;
    let (wide, tall) = (layers.same(&three, 384, [1, 3])?, layers.same(&three, 384, [3, 1])?);
    let three = join(format!("mixed9_{module}"), &[&wide, &tall])?;
    let double = layers.chain(x, &[(448, [1, 1]), (384, [3, 3])])?;
    let (wide, tall) = (layers.same(&double, 384, [1, 3])?, layers.same(&double, 384, [3, 1])?);
    let double = join(layers.name("concatenate"), &[&wide, &tall])?;
    let pool = layers.smooth(x, 192)?;
    join(format!("mixed{}", 9 + module), &[&one, &three, &double, &pool])
}
