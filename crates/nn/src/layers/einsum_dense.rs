//! Fully connected layer whose sums are written in Einstein's notation.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Binary, BinaryFunction, Permute, Reduce, ReduceFunction, Reshape, Sliding};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use super::Padding;
use super::config::{self, setters, to_map};
use super::conv::convolve;
use super::filters::sliding;
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// More letters than the axes of any tensor need.
const MAX_EQUATION: usize = 1024;

/// Multiplies the input with a kernel, and sums along axes that an equation names: y = f(einsum(equation, x, kernel) + bias).
///
/// In `abc,cd->abd` the letters are the axes of the input (the batch first), of the kernel and of the output (the batch first). Those of the kernel are
/// summed along if the output does not have them. `...` in front of or behind the letters of input and output stands for axes that stay as they are, and
/// may contain the batch. Weights: `kernel`, whose sizes follow from the input and from `output_shape`, and `bias` if `bias_axes` names axes of the output.
/// As Keras's [EinsumDense](https://keras.io/api/layers/core_layers/einsum_dense/), with the same defaults; a letter stands once in each term.
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::EinsumDense;
///
/// // Two heads of eight numbers from each of 32 steps of 128 numbers.
/// let heads = EinsumDense::new("abc,cde->abde", [None, Some(2), Some(8)]).bias_axes("de");
/// assert_eq!(Symbol::input([32, 128]).apply(heads)?.shape().dims, [32, 2, 8]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EinsumDense {
    /// Letters of the input, of the kernel and of the output, such as `abc,cd->abd`.
    pub equation: String,
    /// Sizes of the output without the batch and what `...` stands for; none where the input has the axis.
    #[serde(deserialize_with = "one_or_many")]
    pub output_shape: Vec<Option<usize>>,
    /// The function f. Default linear.
    #[serde(default, deserialize_with = "crate::activation::or_linear")]
    pub activation: Activation,
    /// Letters of the axes of the output along which the bias differs. Default no bias.
    #[serde(default)]
    pub bias_axes: Option<String>,
    /// How the kernel is filled at first. Default Glorot uniform.
    #[serde(default)]
    pub kernel_initializer: Initializer,
    /// How the bias is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub bias_initializer: Initializer,
}

/// A size, or a list of sizes of which some are open.
fn one_or_many<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<Option<usize>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a size or a list of sizes")]
    enum Sizes {
        One(usize),
        Many(Vec<Option<usize>>),
    }
    Ok(match Sizes::deserialize(json)? {
        Sizes::One(size) => vec![Some(size)],
        Sizes::Many(sizes) => sizes,
    })
}

/// An equation with what it means for an input: letters of axes without the batch. What an ellipsis stands for has letters of its own.
struct Terms {
    input: Vec<char>,
    kernel: Vec<char>,
    output: Vec<char>,
    /// Sizes of the kernel and the bias.
    kernel_dims: Vec<usize>,
    bias_dims: Option<Vec<usize>>,
}

impl EinsumDense {
    /// An equation, and the sizes of the output without the batch; `None` where the input has the axis.
    pub fn new(equation: impl Into<String>, output_shape: impl IntoIterator<Item = Option<usize>>) -> Self {
        Self {
            equation: equation.into(),
            output_shape: output_shape.into_iter().collect(),
            activation: Activation::Linear,
            bias_axes: None,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    /// Has a bias that differs along these axes of the output.
    pub fn bias_axes(self, axes: impl Into<String>) -> Self {
        Self { bias_axes: Some(axes.into()), ..self }
    }

    setters! {
        /// Sets the function that is applied to the result.
        activation: Activation,
        /// Sets how the kernel is filled at first.
        kernel_initializer: Initializer,
        /// Sets how the bias is filled at first.
        bias_initializer: Initializer,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let heads = Self::new("abc,cde->abde", [None, Some(2), Some(3)]).bias_axes("de");
        let back = Self::new("abde,dec->abc", [None, Some(4)]).bias_axes("c").activation(Activation::Tanh);
        let apart = Self::new("abc,bcd->adb", [Some(3), None]).bias_axes("b");
        vec![
            (Self::new("ab,bc->ac", [Some(4)]).bias_axes("c"), vec![vec![5]]),
            (Self::new("...x,xy->...y", [Some(3)]), vec![vec![2, 5]]),
            (Self::new("ab...,bc->ac...", [Some(3)]).bias_axes("c"), vec![vec![4, 2, 3]]),
            (heads, vec![vec![3, 4]]),
            (back, vec![vec![2, 3, 2]]),
            (apart, vec![vec![3, 4]]),
            (Self::new("abc,cd->ad", [Some(2)]), vec![vec![3, 4]]),
        ]
    }

    /// The three terms as they are written, and where an ellipsis stands in the first and the last: in front, behind.
    fn written(&self) -> Option<([Vec<char>; 3], [bool; 2])> {
        let (inputs, output) = self.equation.split_once("->")?;
        let (input, kernel) = inputs.split_once(',')?;
        let sides = [input.starts_with("..."), input.ends_with("...")];
        let mut terms = [input, kernel, output];
        if sides[0] {
            terms = [input.strip_prefix("...")?, kernel, output.strip_prefix("...")?];
        } else if sides[1] {
            terms = [input.strip_suffix("...")?, kernel, output.strip_suffix("...")?];
        }
        let letters = terms.map(|term| term.chars().collect::<Vec<_>>());
        let once = |term: &Vec<char>| {
            let mut sorted = term.clone();
            sorted.sort_unstable();
            sorted.windows(2).all(|pair| pair[0] != pair[1])
        };
        let good =
            |term: &Vec<char>| !term.is_empty() && term.iter().all(char::is_ascii_alphabetic) && once(term);
        letters.iter().all(good).then_some((letters, sides))
    }

    /// The equation for an input of these sizes.
    fn terms(&self, dims: &[usize]) -> Result<Terms, Mismatch> {
        let expected = "an equation such as `ab,bc->ac`, `...a,ab->...b` or `ab...,bc->ac...`";
        if self.equation.len() > MAX_EQUATION {
            return Err(Mismatch::new(expected, format!("{} letters", self.equation.len())));
        }
        let equation = format!("`{}`", self.equation);
        let Some(([mut input, kernel, mut output], [in_front, behind])) = self.written() else {
            return Err(Mismatch::new(expected, equation));
        };
        let open = (dims.len() + 1).checked_sub(input.len());
        let Some(open) = open.filter(|&open| open == 0 || in_front || behind) else {
            return Err(Mismatch::new(
                format!("an input with {} axes and the batch, as in {equation}", input.len() - 1),
                Shape::batched(dims),
            ));
        };
        // Sizes of the axes of the output that are written, of which the first may be the batch.
        let unnamed = usize::from(!(in_front && open > 0));
        if output.len() != self.output_shape.len() + unnamed {
            let expected = format!("an output shape of {} sizes, as in {equation}", output.len() - unnamed);
            let size = |size: &Option<usize>| size.map_or_else(|| "null".to_owned(), |size| size.to_string());
            let sizes: Vec<String> = self.output_shape.iter().map(size).collect();
            return Err(Mismatch::new(expected, format!("({})", sizes.join(", "))));
        }
        let mut sizes: Vec<(char, Option<usize>)> =
            output[unnamed..].iter().copied().zip(self.output_shape.iter().copied()).collect();
        let written = output.clone();
        let others: Vec<char> = ('\u{E000}'..).take(open).collect();
        let at = |term: &Vec<char>| if in_front { 0 } else { term.len() };
        for term in [&mut input, &mut output] {
            let place = at(term);
            term.splice(place..place, others.iter().copied());
        }
        let batch = input[0];
        if output[0] != batch || kernel.contains(&batch) {
            let expected = "an equation whose input and output, but not the kernel, begin with the batch";
            return Err(Mismatch::new(expected, equation));
        }
        let size_in = |letter| input[1..].iter().position(|&other| other == letter).map(|axis| dims[axis]);
        for (letter, size) in &mut sizes {
            match (size_in(*letter), *size) {
                (Some(found), Some(asked)) if found != asked => {
                    let expected = format!("an output of size {found} along `{letter}`, as the input");
                    return Err(Mismatch::new(expected, asked));
                }
                (found, asked) => *size = asked.or(found),
            }
        }
        let size = |letter: char| -> Result<usize, Mismatch> {
            let known =
                sizes.iter().find(|known| known.0 == letter).map_or_else(|| size_in(letter), |known| known.1);
            match known {
                Some(0) => Err(Mismatch::new(format!("at least 1 element along `{letter}`"), 0)),
                Some(size) => Ok(size),
                None => Err(Mismatch::new(
                    format!("a size of `{letter}` in the output shape or the input"),
                    &equation,
                )),
            }
        };
        if let Some(letter) = output.iter().find(|letter| !input.contains(letter) && !kernel.contains(letter))
        {
            return Err(Mismatch::new(format!("`{letter}` in the input or the kernel, too"), equation));
        }
        let kernel_dims = kernel.iter().map(|&letter| size(letter)).collect::<Result<Vec<_>, _>>()?;
        let bias_dims = match &self.bias_axes {
            None => None,
            Some(axes) => {
                let places = axes.chars().map(|letter| written.iter().position(|&other| other == letter));
                let places = places.collect::<Option<Vec<_>>>().unwrap_or_default();
                let Some(&first) = places.iter().min().filter(|&&first| written[first] != batch) else {
                    let expected = "bias axes that are letters of the output, without the batch";
                    return Err(Mismatch::new(expected, format!("`{axes}` of {equation}")));
                };
                let along = |place: usize| if places.contains(&place) { size(written[place]) } else { Ok(1) };
                let mut dims = (first..written.len()).map(along).collect::<Result<Vec<_>, _>>()?;
                dims.resize(dims.len() + if in_front { 0 } else { open }, 1);
                Some(dims)
            }
        };
        input.remove(0);
        output.remove(0);
        Ok(Terms { input, kernel, output, kernel_dims, bias_dims })
    }
}

impl Layer for EinsumDense {
    fn class_name(&self) -> &'static str {
        "EinsumDense"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let [input] = inputs else { return Err(Mismatch::new("one input", inputs.len())) };
        let terms = self.terms(&input.dims)?;
        let fan = |goes_out: bool| -> f64 {
            let of = terms.kernel.iter().zip(&terms.kernel_dims);
            of.filter(|(letter, _)| terms.output.contains(letter) == goes_out)
                .map(|(_, &size)| size as f64)
                .product()
        };
        let initializer = self.kernel_initializer.with_fans(&terms.kernel_dims, [fan(false), fan(true)]);
        let mut weights = vec![WeightSpec::trainable("kernel", terms.kernel_dims, initializer)];
        weights
            .extend(terms.bias_dims.map(|dims| WeightSpec::trainable("bias", dims, self.bias_initializer)));
        Ok(weights)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let dims = at.graph.shape(inputs[0]).dims.clone();
        let terms = self.terms(&dims).map_err(|mismatch| at.mismatch("einsum", mismatch))?;
        let Terms { mut input, kernel, output, kernel_dims, bias_dims } = terms;
        let one = sliding::<1>(at, 1.into(), 1.into(), Padding::Valid)?;
        let (graph, mut x) = (&mut *at.graph, inputs[0]);
        // What only the input has is summed up first.
        let alone = |letter: &char| !kernel.contains(letter) && !output.contains(letter);
        let axes: Vec<usize> = (0..input.len()).filter(|&axis| alone(&input[axis])).collect();
        if !axes.is_empty() {
            x = graph.apply(Reduce::new(ReduceFunction::Sum, axes), &[x])?;
            input.retain(|letter| !alone(letter));
        }
        // What is left is a product of matrices for each of the places that all three have: a convolution in groups.
        let of = |term: &[char], other: &[char], stays: bool| -> Vec<char> {
            let wanted = |letter: &&char| other.contains(letter) && output.contains(letter) == stays;
            term.iter().filter(wanted).copied().collect()
        };
        let (groups, summed) = (of(&kernel, &input, true), of(&kernel, &input, false));
        let rows: Vec<char> = input.iter().filter(|letter| !kernel.contains(letter)).copied().collect();
        let columns: Vec<char> = kernel.iter().filter(|letter| !input.contains(letter)).copied().collect();
        let size = |letter: &char| {
            let axis = kernel.iter().position(|other| other == letter);
            axis.map_or_else(|| dims_of(&input, graph.shape(x), letter), |axis| kernel_dims[axis])
        };
        let sizes = |letters: &[char]| letters.iter().map(size).collect::<Vec<usize>>();
        let count = |letters: &[char]| sizes(letters).iter().product::<usize>();
        let [of_groups, of_summed, of_columns] = [&groups, &summed, &columns].map(|letters| count(letters));
        // Groups are those of a convolution over one axis, for which there is a name in other programs' files.
        let (mut matrix, mut weights) = (sizes(&rows), vec![of_summed, of_groups * of_columns]);
        if of_groups > 1 {
            matrix = vec![count(&rows)];
            weights.insert(0, 1);
        }
        matrix.push(of_groups * of_summed);
        let sliding = if of_groups > 1 { one } else { Sliding::default() };
        let made = [sizes(&rows), sizes(&groups), sizes(&columns)].concat();
        let order = |from: &[char], to: &[char]| Permute {
            axes: to.iter().filter_map(|letter| from.iter().position(|other| other == letter)).collect(),
        };
        let x = graph.apply(order(&input, &[&rows[..], &groups, &summed].concat()), &[x])?;
        let x = graph.apply(Reshape { dims: matrix }, &[x])?;
        let weight =
            graph.apply(order(&kernel, &[&summed[..], &groups, &columns].concat()), &[at.weights[0]])?;
        let weight = graph.apply(Reshape { dims: weights }, &[weight])?;
        let y = convolve(graph, sliding, of_groups, Activation::Linear, &[x, weight])?;
        let y = graph.apply(Reshape { dims: made }, &[y])?;
        let mut y = graph.apply(order(&[&rows[..], &groups, &columns].concat(), &output), &[y])?;
        if bias_dims.is_some() {
            y = graph.apply(Binary(BinaryFunction::Add), &[y, at.weights[1]])?;
        }
        self.activation.apply(graph, y)
    }
}

/// The size of the axis of a letter.
fn dims_of(letters: &[char], shape: &Shape, letter: &char) -> usize {
    letters.iter().zip(&shape.dims).find(|(other, _)| *other == letter).map_or(1, |(_, &size)| size)
}
