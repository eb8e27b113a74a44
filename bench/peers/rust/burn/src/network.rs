//! The networks in burn. ResNets have the stride of a stage on its 3×3 convolution, as torchvision's have.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::activation::relu;

#[derive(Module, Debug)]
pub enum Network {
    Mnist(Mnist),
    ResNet(ResNet),
}

impl Network {
    pub fn named(name: &str, device: &Device) -> Option<Self> {
        match name {
            "mnist-functional" => Some(Self::Mnist(Mnist::new(device))),
            "resnet18" => Some(Self::ResNet(ResNet::new([2, 2, 2, 2], false, device))),
            "resnet50" => Some(Self::ResNet(ResNet::new([3, 4, 6, 3], true, device))),
            _ => None,
        }
    }

    /// Images (batch, channels, height, width) to logits (batch, classes).
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        match self {
            Self::Mnist(network) => network.forward(images),
            Self::ResNet(network) => network.forward(images),
        }
    }
}

#[derive(Module, Debug)]
pub struct Mnist {
    convolutions: Vec<Conv2d>,
    pool: MaxPool2d,
    head: Linear,
}

impl Mnist {
    fn new(device: &Device) -> Self {
        let filters = [[1, 32], [32, 64], [64, 128]];
        let convolutions = filters.map(|channels| Conv2dConfig::new(channels, [3, 3]).init(device)).into();
        Self {
            convolutions,
            pool: MaxPool2dConfig::new([2, 2]).init(),
            head: LinearConfig::new(1152, 10).init(device),
        }
    }

    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        for (i, convolution) in self.convolutions.iter().enumerate() {
            x = if i == 0 { x } else { self.pool.forward(x) };
            x = relu(convolution.forward(x));
        }
        self.head.forward(x.flatten::<2>(1, 3))
    }
}

/// A convolution with batch norm behind it.
#[derive(Module, Debug)]
pub struct Unit {
    convolution: Conv2d,
    norm: BatchNorm,
}

impl Unit {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        let border = kernel / 2;
        let convolution = Conv2dConfig::new(channels, [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(border, border, border, border))
            .with_bias(false);
        Self { convolution: convolution.init(device), norm: BatchNormConfig::new(channels[1]).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.convolution.forward(x))
    }
}

#[derive(Module, Debug)]
pub struct Residual {
    units: Vec<Unit>,
    shortcut: Option<Unit>,
}

impl Residual {
    fn new(from: usize, filters: usize, bottleneck: bool, stride: usize, device: &Device) -> Self {
        let unit = |channels, kernel, stride| Unit::new(channels, kernel, stride, device);
        let to = if bottleneck { 4 * filters } else { filters };
        let units = match bottleneck {
            true => vec![
                unit([from, filters], 1, 1),
                unit([filters, filters], 3, stride),
                unit([filters, to], 1, 1),
            ],
            false => vec![unit([from, filters], 3, stride), unit([filters, to], 3, 1)],
        };
        Self { units, shortcut: (from != to || stride > 1).then(|| unit([from, to], 1, stride)) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.shortcut {
            Some(unit) => unit.forward(x.clone()),
            None => x.clone(),
        };
        let branch = self
            .units
            .iter()
            .enumerate()
            .fold(x, |x, (i, unit)| unit.forward(if i > 0 { relu(x) } else { x }));
        relu(branch + shortcut)
    }
}

#[derive(Module, Debug)]
pub struct ResNet {
    stem: Unit,
    pool: MaxPool2d,
    blocks: Vec<Residual>,
    head: Linear,
}

impl ResNet {
    fn new(depths: [usize; 4], bottleneck: bool, device: &Device) -> Self {
        let (mut blocks, mut from) = (Vec::new(), 64);
        for (stage, depth) in depths.into_iter().enumerate() {
            let filters = 64 << stage;
            for i in 0..depth {
                blocks.push(Residual::new(
                    from,
                    filters,
                    bottleneck,
                    if stage > 0 && i == 0 { 2 } else { 1 },
                    device,
                ));
                from = if bottleneck { 4 * filters } else { filters };
            }
        }
        let pool = MaxPool2dConfig::new([3, 3])
            .with_strides([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let head = LinearConfig::new(from, 1000).init(device);
        Self { stem: Unit::new([3, 64], 7, 2, device), pool: pool.init(), blocks, head }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.stem.forward(x)));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.head.forward(x.mean_dim(3).mean_dim(2).flatten::<2>(1, 3))
    }
}
