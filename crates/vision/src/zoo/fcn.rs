//! FCN: a classifier made fully convolutional, whose coarse answer is brought back to the image's size.

use convnet_nn::layers::{
    Activation as ActivationLayer, Add, Conv2D, Conv2DTranspose, Dropout, MaxPooling2D, Padding,
};
use convnet_nn::{Activation, Model, Result, Symbol};
use ndarray::Array4;

use super::parts::named;
use super::unet::crop;
use super::{End, Family, Network, Top};

/// The networks of Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2014
/// ([arXiv:1411.4038](https://arxiv.org/abs/1411.4038)), figure 3, on VGG-16.
///
/// The output is a class for each pixel, `(batch, height, width, classes)`. Borders are padded alike on both sides instead of by 100
/// pixels in front, so that nothing is cut off; transposed convolutions start as bilinear interpolation.
#[derive(Clone, Debug)]
pub struct Fcn {
    /// By how much the finest maps that are looked at are smaller than the image: 32, 16 or 8.
    stride: usize,
}

/// FCN-32s: classes from the last maps, 32 times smaller than the image. 136,152,917 parameters with 21 classes.
pub fn fcn32s() -> Network<Fcn> {
    Network::new(Fcn { stride: 32 }).classes(21)
}

/// FCN-16s: as [`fcn32s`], and from the maps of the fourth stage. 134,817,140 parameters with 21 classes.
pub fn fcn16s() -> Network<Fcn> {
    Network::new(Fcn { stride: 16 }).classes(21)
}

/// FCN-8s: as [`fcn16s`], and from the maps of the third stage. 134,490,917 parameters with 21 classes.
pub fn fcn8s() -> Network<Fcn> {
    Network::new(Fcn { stride: 8 }).classes(21)
}

/// Convolutions and filters of the stages.
const STAGES: [(usize, usize); 5] = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];

impl Family for Fcn {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        format!("fcn{}s", self.stride)
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let pools = pools(image)?;
        dense(&pools[4])
    }

    fn outputs(&self, image: &Symbol, end: End) -> Result<Vec<Symbol>> {
        let pools = pools(image)?;
        let features = dense(&pools[4])?;
        Ok(vec![match end {
            End::Top(top) => self.segment(image, &pools, &features, top)?,
            End::Pooled(pooling) => self.pool(&features, pooling)?,
            End::Maps => features,
        }])
    }

    /// Makes the transposed convolutions bilinear interpolations, class by class.
    fn initialize(&self, model: &mut Model) -> Result<()> {
        let weights: Vec<(String, Vec<usize>)> = (model.weights())
            .filter(|weight| weight.path.starts_with("upscore"))
            .map(|weight| (weight.path.clone(), weight.dims.clone()))
            .collect();
        for (path, dims) in weights {
            if let [height, width, filters, channels] = dims[..] {
                let kernel = Array4::from_shape_fn((height, width, filters, channels), |(y, x, to, from)| {
                    if to == from { tent(y, height) * tent(x, width) } else { 0.0 }
                });
                model.set_weight(&path, kernel.view().into_dyn())?;
            }
        }
        Ok(())
    }
}

impl Fcn {
    /// Scores at the coarsest maps, to which those of finer ones are added on the way up to the image.
    fn segment(&self, image: &Symbol, pools: &[Symbol], features: &Symbol, top: Top) -> Result<Symbol> {
        let classes = top.classes;
        let score = |x: &Symbol, name: &str| x.apply(named(name, Conv2D::new(classes, 1)));
        let grow = |x: &Symbol, name: &str, factor: usize| {
            let layer = Conv2DTranspose::new(classes, 2 * factor).strides(factor);
            x.apply(named(name, layer.padding(Padding::Same).use_bias(false)))
        };
        let mut x = score(features, "score_fr")?;
        for (stride, stage) in [(16, 4), (8, 3)] {
            if self.stride <= stride {
                let finer = score(&pools[stage - 1], &format!("score_pool{stage}"))?;
                let grown = grow(&x, &format!("upscore_pool{stage}"), 2)?;
                let grown = crop(&grown, &finer, &format!("crop_pool{stage}"))?;
                x = Symbol::merge(named(format!("fuse_pool{stage}"), Add::new()), &[&grown, &finer])?;
            }
        }
        let x = crop(&grow(&x, "upscore", self.stride)?, image, "crop")?;
        x.apply(named("predictions", ActivationLayer::new(top.activation)))
    }
}

/// What the pools behind VGG-16's stages give, the size rounded up.
fn pools(image: &Symbol) -> Result<Vec<Symbol>> {
    let mut x = image.clone();
    let mut pools = Vec::new();
    for (block, (count, filters)) in (1..).zip(STAGES) {
        for convolution in 1..=count {
            let layer = Conv2D::new(filters, 3).padding(Padding::Same).activation(Activation::Relu);
            x = x.apply(named(format!("block{block}_conv{convolution}"), layer))?;
        }
        let pool = MaxPooling2D::new(2).padding(Padding::Same);
        x = x.apply(named(format!("block{block}_pool"), pool))?;
        pools.push(x.clone());
    }
    Ok(pools)
}

/// VGG-16's dense layers as convolutions.
fn dense(x: &Symbol) -> Result<Symbol> {
    let mut x = x.clone();
    for (layer, size) in [(6, 7), (7, 1)] {
        let convolution = Conv2D::new(4096, size).padding(Padding::Same).activation(Activation::Relu);
        x = x.apply(named(format!("fc{layer}"), convolution))?;
        x = x.apply(named(format!("drop{layer}"), Dropout::new(0.5)))?;
    }
    Ok(x)
}

/// What a pixel's neighbour at this place of a window gets of it in linear interpolation.
fn tent(place: usize, size: usize) -> f32 {
    let half = size.div_ceil(2) as f32;
    let centre = (size as f32 - 1.0) / 2.0;
    1.0 - (place as f32 - centre).abs() / half
}
