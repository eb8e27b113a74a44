//! The networks in candle. ResNets have the stride of a stage on its 3×3 convolution, as torchvision's have; their max
//! pooling is 2×2 where theirs is 3×3, as candle has no gradient of windows that overlap.

use candle_core::{ModuleT, Result, Tensor};
use candle_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Linear, Module, VarBuilder, batch_norm, conv2d, conv2d_no_bias, linear,
};

pub enum Network {
    Mnist { convolutions: Vec<Conv2d>, head: Linear },
    ResNet { stem: Unit, blocks: Vec<Residual>, head: Linear },
}

impl Network {
    pub fn named(name: &str, weights: VarBuilder) -> Result<Self> {
        match name {
            "mnist-functional" => Self::mnist(weights),
            "resnet18" => Self::resnet([2, 2, 2, 2], false, weights),
            "resnet50" => Self::resnet([3, 4, 6, 3], true, weights),
            _ => candle_core::bail!("{name} is not written for candle"),
        }
    }

    fn mnist(weights: VarBuilder) -> Result<Self> {
        let layer =
            |(i, &[from, to]): (usize, &[usize; 2])| conv2d(from, to, 3, Default::default(), weights.pp(i));
        let convolutions =
            [[1, 32], [32, 64], [64, 128]].iter().enumerate().map(layer).collect::<Result<_>>()?;
        Ok(Self::Mnist { convolutions, head: linear(1152, 10, weights.pp("head"))? })
    }

    fn resnet(depths: [usize; 4], bottleneck: bool, weights: VarBuilder) -> Result<Self> {
        let (mut blocks, mut from) = (Vec::new(), 64);
        for (stage, depth) in depths.into_iter().enumerate() {
            let filters = 64 << stage;
            for i in 0..depth {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                blocks.push(Residual::new(from, filters, bottleneck, stride, weights.pp(blocks.len()))?);
                from = if bottleneck { 4 * filters } else { filters };
            }
        }
        let head = linear(from, 1000, weights.pp("head"))?;
        Ok(Self::ResNet { stem: Unit::new([3, 64], 7, 2, weights.pp("stem"))?, blocks, head })
    }

    /// For prediction: batch norms become part of their convolutions.
    pub fn fold(&mut self) -> Result<()> {
        if let Self::ResNet { stem, blocks, .. } = self {
            let inner = blocks.iter_mut().flat_map(|block| block.units.iter_mut().chain(&mut block.shortcut));
            for unit in inner.chain([stem]) {
                if let Some(norm) = unit.norm.take() {
                    unit.convolution = unit.convolution.absorb_bn(&norm)?;
                }
            }
        }
        Ok(())
    }
}

impl ModuleT for Network {
    /// Images (batch, channels, height, width) to logits (batch, classes).
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        match self {
            Self::Mnist { convolutions, head } => {
                let mut x = convolutions[0].forward(images)?.relu()?;
                for convolution in &convolutions[1..] {
                    x = convolution.forward(&x.max_pool2d(2)?)?.relu()?;
                }
                head.forward(&x.flatten_from(1)?)
            }
            Self::ResNet { stem, blocks, head } => {
                let x = stem.forward_t(images, train)?.relu()?.max_pool2d(2)?;
                let x = blocks.iter().try_fold(x, |x, block| block.forward_t(&x, train))?;
                head.forward(&x.mean((2, 3))?)
            }
        }
    }
}

/// A convolution with batch norm behind it.
pub struct Unit {
    convolution: Conv2d,
    norm: Option<BatchNorm>,
}

impl Unit {
    fn new([from, to]: [usize; 2], kernel: usize, stride: usize, weights: VarBuilder) -> Result<Self> {
        let config = Conv2dConfig { padding: kernel / 2, stride, ..Default::default() };
        let norm = Some(batch_norm(to, 1e-5, weights.pp("norm"))?);
        Ok(Self { convolution: conv2d_no_bias(from, to, kernel, config, weights)?, norm })
    }
}

impl ModuleT for Unit {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.convolution.forward(x)?;
        match &self.norm {
            Some(norm) => norm.forward_t(&x, train),
            None => Ok(x),
        }
    }
}

pub struct Residual {
    units: Vec<Unit>,
    shortcut: Option<Unit>,
}

impl Residual {
    fn new(
        from: usize,
        filters: usize,
        bottleneck: bool,
        stride: usize,
        weights: VarBuilder,
    ) -> Result<Self> {
        let to = if bottleneck { 4 * filters } else { filters };
        let units: &[_] = match bottleneck {
            true => &[([from, filters], 1, 1), ([filters, filters], 3, stride), ([filters, to], 1, 1)],
            false => &[([from, filters], 3, stride), ([filters, to], 3, 1)],
        };
        let unit = |(i, &(channels, kernel, stride))| Unit::new(channels, kernel, stride, weights.pp(i));
        let units = units.iter().enumerate().map(unit).collect::<Result<_>>()?;
        let widens = from != to || stride > 1;
        let shortcut =
            widens.then(|| Unit::new([from, to], 1, stride, weights.pp("shortcut"))).transpose()?;
        Ok(Self { units, shortcut })
    }
}

impl ModuleT for Residual {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let shortcut = match &self.shortcut {
            Some(unit) => unit.forward_t(x, train)?,
            None => x.clone(),
        };
        let mut branch = self.units[0].forward_t(x, train)?;
        for unit in &self.units[1..] {
            branch = unit.forward_t(&branch.relu()?, train)?;
        }
        (branch + shortcut)?.relu()
    }
}
