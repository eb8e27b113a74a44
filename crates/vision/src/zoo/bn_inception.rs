//! BN-Inception: GoogLeNet with batch normalisation and pairs of 3×3 convolutions for 5×5 ones.

use convnet_nn::layers::{Conv2D, MaxPooling2D, Padding};
use convnet_nn::{Result, Symbol};

use super::parts::{Numbered, join, named};
use super::{Family, Network};
use crate::blocks::SqueezeExcite;

/// The network of Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
/// 2015 ([arXiv:1502.03167](https://arxiv.org/abs/1502.03167)), figure 5, also known as Inception-v2. The first convolution is a plain
/// one, as in the networks that others have made of it.
#[derive(Clone, Debug)]
pub struct BnInception {
    /// Whether channels are weighed by squeeze and excitation at the end of each module.
    excited: bool,
}

/// BN-Inception for images of 224 × 224.
pub fn bn_inception() -> Network<BnInception> {
    Network::new(BnInception { excited: false })
}

/// As [`super::se_bn_inception`] documents.
pub(super) fn excited_bn_inception() -> Network<BnInception> {
    Network::new(BnInception { excited: true })
}

/// A module: name; filters of the 1×1 convolution; reduction and 3×3; reduction and each of two 3×3; what is behind the pool.
type Module = (&'static str, usize, (usize, usize), (usize, usize), Pool);

/// The pool of a module, of 3×3 windows.
#[derive(Clone, Copy)]
enum Pool {
    /// The mean, and so many 1×1 filters.
    Mean(usize),
    /// The maximum, and so many 1×1 filters.
    Max(usize),
    /// The maximum alone: this and the 3×3 convolutions before it go in steps of 2.
    Halve,
}

const MODULES: [Module; 10] = [
    ("3a", 64, (64, 64), (64, 96), Pool::Mean(32)),
    ("3b", 64, (64, 96), (64, 96), Pool::Mean(64)),
    ("3c", 0, (128, 160), (64, 96), Pool::Halve),
    ("4a", 224, (64, 96), (96, 128), Pool::Mean(128)),
    ("4b", 192, (96, 128), (96, 128), Pool::Mean(128)),
    ("4c", 160, (128, 160), (128, 160), Pool::Mean(96)),
    ("4d", 96, (128, 192), (160, 192), Pool::Mean(96)),
    ("4e", 0, (128, 192), (192, 256), Pool::Halve),
    ("5a", 352, (192, 320), (160, 224), Pool::Mean(128)),
    ("5b", 352, (192, 320), (192, 224), Pool::Max(128)),
];

impl Family for BnInception {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        if self.excited { "se_bn_inception" } else { "bn_inception" }.into()
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let mut layers = Numbered::scaled();
        let x = layers.convolve(image, Conv2D::new(64, 7).strides(2).padding(Padding::Same))?;
        let x = layers.pool(&x)?;
        let x = layers.chain(&x, &[(64, [1, 1]), (192, [3, 3])])?;
        let mut x = layers.pool(&x)?;
        for module in MODULES {
            x = call(&mut layers, &x, module)?;
            if self.excited {
                x = SqueezeExcite::new().named(format!("inception_{}_se", module.0)).call(&x)?;
            }
        }
        Ok(x)
    }
}

/// The channels of a module's branches, joined.
fn call(layers: &mut Numbered, x: &Symbol, module: Module) -> Result<Symbol> {
    let (name, one, (few, three), (few_double, double), pool) = module;
    let strides = if matches!(pool, Pool::Halve) { 2 } else { 1 };
    let last = |layers: &mut Numbered, x: &Symbol, filters| {
        layers.convolve(x, Conv2D::new(filters, 3).strides(strides).padding(Padding::Same))
    };
    let mut branches = Vec::new();
    if one > 0 {
        branches.push(layers.same(x, one, 1)?);
    }
    let reduced = layers.same(x, few, 1)?;
    branches.push(last(layers, &reduced, three)?);
    let reduced = layers.chain(x, &[(few_double, [1, 1]), (double, [3, 3])])?;
    branches.push(last(layers, &reduced, double)?);
    branches.push(match pool {
        Pool::Halve => layers.pool(x)?,
        Pool::Mean(filters) => layers.smooth(x, filters)?,
        Pool::Max(filters) => {
            let pool = MaxPooling2D::new(3).strides(1).padding(Padding::Same);
            let pooled = x.apply(named(layers.name("max_pooling2d"), pool))?;
            layers.same(&pooled, filters, 1)?
        }
    });
    join(format!("inception_{name}"), &branches.iter().collect::<Vec<_>>())
}

impl Numbered {
    /// The maximum of 3×3 windows in steps of 2, half the size.
    fn pool(&mut self, x: &Symbol) -> Result<Symbol> {
        let pool = MaxPooling2D::new(3).strides(2).padding(Padding::Same);
        x.apply(named(self.name("max_pooling2d"), pool))
    }
}
