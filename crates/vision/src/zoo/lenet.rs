//! LeNet-5, as it was published and as it is built today.

use convnet_nn::layers::{
    Activation as ActivationLayer, Conv2D, Dense, Flatten, MaxPooling2D, Padding, Rescaling,
};
use convnet_nn::{Activation, Model, Result, Symbol};
use ndarray::Array2;

use super::parts::named;
use super::{Error, Family, Network, Top};
use crate::layers::{RadialBasis, ScaledTanh, Subsampling, TableConvolution};

/// The network of LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998
/// ([Proceedings of the IEEE 86](https://doi.org/10.1109/5.726791)), section II.B, as published: pools that are trained, a third layer
/// whose maps see some of those before only, and an output that measures the distance from pictures of the digits.
///
/// It takes 32 × 32 pixels that are −0.1 where the paper is white and 1.175 where it is black. The classifier's function is
/// applied to the negative distances: with the default, softmax, cross-entropy is the paper's criterion (9) without its rubbish class.
#[derive(Clone, Debug)]
pub struct LeNet5;

/// The same as it is built today: max pools, rectifiers, all maps connected.
#[derive(Clone, Debug)]
pub struct LeNet;

/// LeNet-5 as published: 60,000 parameters that are trained (C1 156, S2 12, C3 1,516, S4 32, C5 48,120, F6 10,164), and 840 of
/// the pictures of the 10 digits.
pub fn lenet5() -> Network<LeNet5> {
    Network::new(LeNet5).input_shape([32, 32, 1]).classes(10)
}

/// LeNet-5 in modern form: 61,706 parameters for 28 × 28 grey pixels and 10 classes.
pub fn lenet() -> Network<LeNet> {
    Network::new(LeNet).input_shape([28, 28, 1]).classes(10)
}

/// Which maps of S2 each map of C3 sees: table I.
const TABLE: [&[usize]; 16] = [
    &[0, 1, 2],
    &[1, 2, 3],
    &[2, 3, 4],
    &[3, 4, 5],
    &[4, 5, 0],
    &[5, 0, 1],
    &[0, 1, 2, 3],
    &[1, 2, 3, 4],
    &[2, 3, 4, 5],
    &[3, 4, 5, 0],
    &[4, 5, 0, 1],
    &[5, 0, 1, 2],
    &[0, 1, 3, 4],
    &[1, 2, 4, 5],
    &[0, 2, 3, 5],
    &[0, 1, 2, 3, 4, 5],
];

/// Pictures of the digits, 7 wide and 12 high, a byte a row. Drawn after the paper's figure 3.
const DIGITS: [[u8; 12]; 10] = [
    [0x00, 0x1c, 0x22, 0x41, 0x41, 0x41, 0x41, 0x41, 0x22, 0x1c, 0x00, 0x00],
    [0x00, 0x08, 0x18, 0x28, 0x08, 0x08, 0x08, 0x08, 0x08, 0x3e, 0x00, 0x00],
    [0x00, 0x3e, 0x41, 0x01, 0x02, 0x0c, 0x10, 0x20, 0x40, 0x7f, 0x00, 0x00],
    [0x00, 0x7f, 0x02, 0x04, 0x0c, 0x02, 0x01, 0x01, 0x41, 0x3e, 0x00, 0x00],
    [0x00, 0x02, 0x06, 0x0a, 0x12, 0x22, 0x42, 0x7f, 0x02, 0x02, 0x00, 0x00],
    [0x00, 0x7f, 0x40, 0x40, 0x7e, 0x01, 0x01, 0x01, 0x41, 0x3e, 0x00, 0x00],
    [0x00, 0x1e, 0x20, 0x40, 0x5e, 0x61, 0x41, 0x41, 0x21, 0x1e, 0x00, 0x00],
    [0x00, 0x7f, 0x01, 0x02, 0x02, 0x04, 0x04, 0x08, 0x08, 0x08, 0x00, 0x00],
    [0x00, 0x3e, 0x41, 0x41, 0x22, 0x1c, 0x22, 0x41, 0x41, 0x3e, 0x00, 0x00],
    [0x00, 0x3c, 0x42, 0x41, 0x41, 0x43, 0x3d, 0x01, 0x02, 0x3c, 0x00, 0x00],
];

const WIDTH: usize = 7;
const PIXELS: usize = 12 * WIDTH;

impl Family for LeNet5 {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "lenet5".into()
    }

    /// Up to the maps of S4.
    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let squash = |x: &Symbol, name: &str| x.apply(named(format!("{name}_squash"), ScaledTanh {}));
        let x = squash(&image.apply(named("c1", Conv2D::new(6, 5)))?, "c1")?;
        let x = squash(&x.apply(named("s2", Subsampling {}))?, "s2")?;
        let table = TABLE.iter().map(|seen| seen.to_vec()).collect();
        let x = squash(&x.apply(named("c3", TableConvolution::new(5, table)))?, "c3")?;
        squash(&x.apply(named("s4", Subsampling {}))?, "s4")
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        if top.classes > DIGITS.len() {
            let problem =
                format!("there are pictures of {} digits, got {} classes", DIGITS.len(), top.classes);
            return Err(Error::argument("LeNet5", problem));
        }
        let x = features.apply(named("c5", Conv2D::new(120, 5)))?;
        let x = x.apply(named("c5_squash", ScaledTanh {}))?.apply(named("flatten", Flatten::new()))?;
        let x = x.apply(named("f6", Dense::new(PIXELS)))?.apply(named("f6_squash", ScaledTanh {}))?;
        let distance = x.apply(named("output", RadialBasis::new(top.classes)))?;
        let x = distance.apply(named("negative", Rescaling::new(-1.0)))?;
        x.apply(named("predictions", ActivationLayer::new(top.activation)))
    }

    fn initialize(&self, model: &mut Model) -> Result<()> {
        let Ok(centres) = model.weight("output/centres") else { return Ok(()) };
        let (path, classes) = (centres.path.clone(), centres.dims[0]);
        let pictures = Array2::from_shape_fn((classes, PIXELS), |(digit, pixel)| {
            let row = DIGITS[digit][pixel / WIDTH];
            if row >> (WIDTH - 1 - pixel % WIDTH) & 1 == 1 { 1.0 } else { -1.0 }
        });
        model.set_weight(&path, pictures.view().into_dyn())
    }
}

impl Family for LeNet {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "lenet".into()
    }

    fn min_size(&self) -> usize {
        12
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let first = Conv2D::new(6, 5).padding(Padding::Same).activation(Activation::Relu);
        let x = image.apply(named("conv1", first))?.apply(named("pool1", MaxPooling2D::new(2)))?;
        let x = x.apply(named("conv2", Conv2D::new(16, 5).activation(Activation::Relu)))?;
        x.apply(named("pool2", MaxPooling2D::new(2)))
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        let dense = |units| Dense::new(units).activation(Activation::Relu);
        let x = features.apply(named("flatten", Flatten::new()))?.apply(named("fc1", dense(120)))?;
        x.apply(named("fc2", dense(84)))?.apply(top.classifier("predictions"))
    }
}
