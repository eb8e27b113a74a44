//! Values in 16 bits (bf16): rounding, storing, reading, weights. Made by passes after gradients were taken, so they have none.

use convnet_kernels::{conv, elementwise};

use super::Convolution;
use crate::error::Mismatch;
use crate::op::{Lowered, Op, Sharing, Sizes};
use crate::shape::{Bound, Element, TensorType};

/// y is x rounded to what 16 bits can hold.
#[derive(Clone, Debug)]
pub struct Round;

/// y is x rounded to what 16 bits can hold. Second output: the same, stored in 16 bits.
#[derive(Clone, Debug)]
pub struct Narrow;

/// y is x, read from 16 bits.
#[derive(Clone, Debug)]
pub struct Widen;

/// A [`Convolution`] that reads each weight once, and has them in 16 bits. Inputs as there.
#[derive(Clone, Debug)]
pub struct Bf16Convolution(
    /// What is computed.
    pub Convolution,
);

/// The halves of floats in which values of 16 bits are kept.
fn halves(floats: &[f32], len: usize) -> &[u16] {
    &bytemuck::cast_slice(floats)[..len]
}

fn halves_mut(floats: &mut [f32], len: usize) -> &mut [u16] {
    &mut bytemuck::cast_slice_mut(floats)[..len]
}

impl Op for Round {
    fn name(&self) -> &'static str {
        "rounding to bf16"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let in_place = sizes.in_place;
        Lowered::new(move |call| {
            if !in_place {
                call.outputs[0].copy_from_slice(call.inputs[0]);
            }
            elementwise::round_in_place(call.outputs[0]);
        })
    }
}

impl Op for Narrow {
    fn name(&self) -> &'static str {
        "storing as bf16"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let rounded = super::unary(inputs)?;
        let stored = TensorType { element: Element::Bf16, ..inputs[0].clone() };
        Ok(rounded.into_iter().chain([stored]).collect())
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn optional_output(&self, output: usize) -> bool {
        output == 0
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (in_place, len) = (sizes.in_place, sizes.inputs[0].len());
        Lowered::new(move |call| {
            let [rounded, stored] = &mut call.outputs[..] else { unreachable!("two outputs") };
            let stored = halves_mut(stored, len);
            if in_place {
                elementwise::narrow_in_place(rounded, stored);
            } else if rounded.is_empty() {
                elementwise::narrow(call.inputs[0], stored);
            } else {
                rounded.copy_from_slice(call.inputs[0]);
                elementwise::narrow_in_place(rounded, stored);
            }
        })
    }
}

impl Op for Widen {
    fn name(&self) -> &'static str {
        "reading of bf16"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        match inputs {
            [TensorType { shape, element: Element::Bf16 }] => Ok(vec![shape.clone().into()]),
            _ => Err(Mismatch::new("one input of 16 bits an element", inputs.len())),
        }
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let len = sizes.inputs[0].len();
        Lowered::new(move |call| elementwise::widen(halves(call.inputs[0], len), call.outputs[0]))
    }
}

impl Op for Bf16Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let mut inputs = inputs.to_vec();
        match inputs.get_mut(1) {
            Some(weights) if weights.element == Element::Bf16 => weights.element = Element::F32,
            _ => return Err(Mismatch::new("weights of 16 bits an element", "none")),
        }
        self.0.infer(&inputs)
    }

    fn multiply_adds(&self, inputs: &[Bound], outputs: &[Bound]) -> u64 {
        self.0.multiply_adds(inputs, outputs)
    }

    fn sharing(&self) -> Sharing {
        self.0.sharing()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernels = conv::Convolution::new(self.0.geometry(sizes.inputs));
        let (op, in_place, weights) = (self.0.clone(), sizes.in_place, sizes.inputs[1].len());
        Lowered::with_scratch(kernels.forward_scratch(), move |call| {
            let epilogue = op.epilogue(&call.inputs, in_place);
            let weights = halves(call.inputs[1], weights);
            kernels.forward_bf16(call.inputs[0], weights, epilogue, call.outputs[0], call.scratch);
        })
    }
}
