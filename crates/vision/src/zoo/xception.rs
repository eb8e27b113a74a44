//! Xception: residual blocks of separable convolutions.

use convnet_nn::layers::{Add, BatchNormalization, Conv2D, MaxPooling2D, Padding, SeparableConv2D};
use convnet_nn::{Result, Symbol};

use super::parts::{named, relu};
use super::{Family, Network, Pooling, Top};

/// The network of Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2016
/// ([arXiv:1610.02357](https://arxiv.org/abs/1610.02357)), figure 5.
#[derive(Clone, Debug)]
pub struct Xception;

/// Xception: 22,910,480 parameters with 1000 classes, images of 299 × 299. As Keras's
/// [Xception](https://keras.io/api/applications/xception/).
pub fn xception() -> Network<Xception> {
    Network::new(Xception).of_size(299)
}

impl Family for Xception {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "xception".into()
    }

    fn min_size(&self) -> usize {
        71
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let first = Conv2D::new(32, 3).strides(2).use_bias(false);
        let x = rectified(&image.apply(named("block1_conv1", first))?, "block1_conv1")?;
        let x = x.apply(named("block1_conv2", Conv2D::new(64, 3).use_bias(false)))?;
        let mut x = rectified(&x, "block1_conv2")?;
        for (block, filters) in [(2, [128, 128]), (3, [256, 256]), (4, [728, 728])] {
            x = shrinking(&x, block, filters)?;
        }
        for block in 5..13 {
            let mut y = x.clone();
            for convolution in 1..=3 {
                y = separable(&y, block, convolution, 728, true)?;
            }
            x = Symbol::merge(Add::new(), &[&y, &x])?;
        }
        x = shrinking(&x, 13, [728, 1024])?;
        for (convolution, filters) in [(1, 1536), (2, 2048)] {
            x = separable(&x, 14, convolution, filters, false)?;
            x = x.apply(relu(format!("block14_sepconv{convolution}_act")))?;
        }
        Ok(x)
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        features.apply(Pooling::Avg.layer().named("avg_pool"))?.apply(top.classifier("predictions"))
    }
}

/// Two separable convolutions and a pool, added to the input brought to their shape.
fn shrinking(x: &Symbol, block: usize, filters: [usize; 2]) -> Result<Symbol> {
    let shortcut = Conv2D::new(filters[1], 1).strides(2).padding(Padding::Same).use_bias(false);
    let shortcut = x.apply(shortcut)?.apply(BatchNormalization::new())?;
    // The input of block 2 is rectified already.
    let y = separable(x, block, 1, filters[0], block > 2)?;
    let y = separable(&y, block, 2, filters[1], true)?;
    let pool = MaxPooling2D::new(3).strides(2).padding(Padding::Same);
    let y = y.apply(named(format!("block{block}_pool"), pool))?;
    Symbol::merge(Add::new(), &[&y, &shortcut])
}

/// A separable convolution with its normalisation, the rectifier, if any, before it.
fn separable(
    x: &Symbol,
    block: usize,
    convolution: usize,
    filters: usize,
    rectified: bool,
) -> Result<Symbol> {
    let name = format!("block{block}_sepconv{convolution}");
    let x = if rectified { x.apply(relu(format!("{name}_act")))? } else { x.clone() };
    let layer = SeparableConv2D::new(filters, 3).padding(Padding::Same).use_bias(false);
    x.apply(named(&name, layer))?.apply(named(format!("{name}_bn"), BatchNormalization::new()))
}

fn rectified(x: &Symbol, name: &str) -> Result<Symbol> {
    x.apply(named(format!("{name}_bn"), BatchNormalization::new()))?.apply(relu(format!("{name}_act")))
}
