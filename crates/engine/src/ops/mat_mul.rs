//! Products of matrices, many at once.

use convnet_kernels::conv::{Convolution, Epilogue};
use convnet_kernels::geometry::ConvGeometry;

use super::Permute;
use crate::error::{Mismatch, Result};
use crate::graph::{Graph, Value};
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, TensorType};

/// y = a · b, the product of the matrices in the last two axes: a `(batch, outer…, rows, inner)`, b
/// `(batch, outer…, inner, columns)`, y `(batch, outer…, rows, columns)`. The axes before are the same in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatMul;

/// The matrices on their other side.
fn transposed(graph: &mut Graph, x: Value) -> Result<Value> {
    let rank = graph.shape(x).dims.len();
    let mut axes: Vec<usize> = (0..rank).collect();
    axes.swap(rank - 2, rank - 1);
    graph.apply(Permute { axes }, &[x])
}

/// Rows and columns of the matrices.
fn matrix(value: &Bound) -> [usize; 2] {
    let dims = value.inner();
    [dims[dims.len() - 2], dims[dims.len() - 1]]
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matrix product"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        let [a, b] = [&inputs[0].shape, &inputs[1].shape];
        let rank = a.dims.len();
        if rank < 2 {
            return Err(Mismatch::new("matrices", a));
        }
        let fits = rank == b.dims.len()
            && a.batched == b.batched
            && a.dims[..rank - 2] == b.dims[..rank - 2]
            && a.dims[rank - 1] == b.dims[rank - 2];
        if !fits || a.is_empty() || b.is_empty() {
            return Err(Mismatch::new(format!("matrices that can be multiplied by {a}"), b));
        }
        let mut shape = a.clone();
        shape.dims[rank - 1] = b.dims[rank - 1];
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let (a, b) = (at.inputs[0], at.inputs[1]);
        let mut gradients = vec![None, None];
        if at.wanted[0] {
            let b = transposed(at.graph, b)?;
            gradients[0] = Some(at.apply(Self, &[dy, b])?);
        }
        if at.wanted[1] {
            let a = transposed(at.graph, a)?;
            gradients[1] = Some(at.apply(Self, &[a, dy])?);
        }
        Ok(gradients)
    }

    fn multiply_adds(&self, inputs: &[Bound], outputs: &[Bound]) -> u64 {
        outputs[0].len() as u64 * matrix(&inputs[0])[1] as u64
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let [rows, inner] = matrix(&sizes.inputs[0]);
        let columns = matrix(&sizes.inputs[1])[1];
        let product = Convolution::new(ConvGeometry::matrix(rows, inner, columns));
        Lowered::with_scratch(product.forward_scratch(), move |call| {
            let [a, b] = [call.inputs[0], call.inputs[1]];
            let matrices = a.chunks_exact(rows * inner).zip(b.chunks_exact(inner * columns));
            for ((a, b), y) in matrices.zip(call.outputs[0].chunks_exact_mut(rows * columns)) {
                product.forward(a, b, Epilogue::default(), y, call.scratch);
            }
        })
    }
}
