//! A file's outputs for values of its inputs: a model where inputs may be anything, and what follows from those that sizes depend on.

use std::sync::Arc;

use convnet_nn::Model;
use ndarray::{ArrayD, IxDyn};

use super::import::{self, Part, Parts};
use super::tensor::{Element, Tensor};
use super::{FORMAT, File, Import};
use crate::{InteropError, Result};

/// A run may take so many bytes,
const MEMORY: usize = 1 << 30;

/// and so many more for each byte of the file and of the inputs.
const GROWTH: usize = 256;

/// A run may take so many multiplications, as which what it makes counts, too,
const WORK: usize = 1 << 38;

/// and so many more for each byte of the file and of the inputs.
const WORK_OF_A_BYTE: usize = 1 << 18;

/// So often inputs are asked for one by one whose numbers must be known.
const ROUNDS: usize = 16;

/// A file made ready for values of its inputs.
///
/// All inputs are left open that can be. Where sizes or places follow from the numbers of one (the shape of a `Reshape`, the scales
/// of a `Resize`), its value becomes part of the model; what depends on such inputs alone, and what has no elements, is computed at once.
#[derive(Debug)]
pub struct Evaluation {
    model: Option<Model>,
    /// Values of the model's inputs.
    values: Vec<ArrayD<f32>>,
    outputs: Vec<Part>,
    has_batch: bool,
    known: Vec<String>,
}

impl File {
    /// Makes the file ready for values of all its inputs, axes as in the file. Sizes that it leaves open are those of the values.
    ///
    /// # Errors
    /// If a value is missing or has another number of axes than its input, or as [`super::load_model`].
    pub fn with_values(&self, inputs: Vec<(String, Tensor)>) -> Result<Evaluation> {
        self.evaluation(inputs).map_err(|error| self.name(error))
    }

    fn evaluation(&self, inputs: Vec<(String, Tensor)>) -> Result<Evaluation> {
        let names: Vec<String> = self.inputs().into_iter().map(|port| port.name).collect();
        if let Some(missing) = names.iter().find(|name| inputs.iter().all(|(given, _)| given != *name)) {
            return Err(InteropError::unsupported(FORMAT, format!("the input `{missing}` is not given")));
        }
        let given: usize = inputs.iter().map(|(_, tensor)| tensor.len()).sum();
        let allowance = import::Allowance::new(self.size.saturating_add(given));
        let open = inputs.iter().map(|(name, tensor)| (name.clone(), tensor.dims.clone())).collect();
        let mut options = Import { keep_layout: true, open, ..Import::new() };
        let mut telling: Option<InteropError> = None;
        let mut round = 0;
        loop {
            round += 1;
            let failure = match import::parts(&options, self, true, &allowance) {
                Ok(parts) => return evaluation(parts, inputs, options.constants),
                Err(failure) => failure,
            };
            let (problem, needs_numbers) = (failure.problem, !failure.wanted.is_empty());
            let is_open = |name: &String| options.constants.iter().all(|(known, _)| known != name);
            let mut wanted: Vec<&String> = failure.wanted.iter().filter(|name| is_open(name)).collect();
            if wanted.is_empty() || round > ROUNDS {
                // The first input is the one that is worked on, as a rule; what no model can be made of is computed node by node.
                let rest = names.iter().skip(1).filter(|name| is_open(name)).collect::<Vec<_>>();
                wanted =
                    if rest.is_empty() { names.iter().filter(|name| is_open(name)).collect() } else { rest };
            }
            if wanted.is_empty() {
                return Err(telling.unwrap_or(problem));
            }
            if !needs_numbers {
                // Inputs are now taken for constants because nothing else is left; later problems are of that.
                telling.get_or_insert(problem);
            }
            let wanted: Vec<(String, Tensor)> =
                inputs.iter().filter(|(name, _)| wanted.contains(&name)).cloned().collect();
            options.constants.extend(wanted);
        }
    }
}

fn evaluation(
    parts: Parts,
    inputs: Vec<(String, Tensor)>,
    constants: Vec<(String, Tensor)>,
) -> Result<Evaluation> {
    let Parts { model, inputs: ends, outputs, has_batch, size, work } = parts;
    let given: usize = inputs.iter().map(|(_, tensor)| tensor.len() * tensor.element().width()).sum();
    let mut values = Vec::new();
    for end in &ends {
        let Some((_, tensor)) = inputs.iter().find(|(name, _)| *name == end.name) else { continue };
        let mut dims = tensor.dims.clone();
        if !has_batch {
            dims.insert(0, 1);
        }
        let value = ArrayD::from_shape_vec(IxDyn(&dims), tensor.to_floats());
        values.push(value.map_err(|problem| InteropError::malformed(FORMAT, problem.to_string()))?);
    }
    let known = constants.into_iter().map(|(name, _)| name).collect();
    let evaluation = Evaluation { model, values, outputs, has_batch, known };
    evaluation.check_cost(size.saturating_add(given), work)?;
    Ok(evaluation)
}

impl Evaluation {
    /// The inputs whose values became part of the model.
    pub fn known(&self) -> &[String] {
        &self.known
    }

    /// Refuses what takes much more than a file and inputs of so many bytes have reason to.
    fn check_cost(&self, bytes: usize, mut work: usize) -> Result<()> {
        let of_part = |part: &Part| match part {
            Part::Known(tensor) => tensor.len() * tensor.element().width(),
            Part::OfModel(_) => 0,
        };
        let mut memory = self.outputs.iter().map(of_part).fold(0, usize::saturating_add);
        if let Some(model) = &self.model {
            let samples = self.values.first().map_or(1, |value| value.shape()[0]);
            let cost = model.summary(1)?;
            let multiplications = usize::try_from(cost.multiplications).unwrap_or(usize::MAX);
            let making = cost.activation_bytes.saturating_mul(import::MULTIPLICATIONS);
            work = work.saturating_add(multiplications).saturating_add(making).saturating_mul(samples);
            let results = model.output_shapes().into_iter().map(|shape| shape.len().saturating_mul(samples));
            let results = results.fold(0, usize::saturating_add).saturating_mul(size_of::<f32>());
            memory = memory.saturating_add(cost.prediction_memory_bytes).saturating_add(results);
        }
        let most_memory = MEMORY.saturating_add(GROWTH.saturating_mul(bytes));
        let most_work = WORK.saturating_add(WORK_OF_A_BYTE.saturating_mul(bytes));
        if memory > most_memory || work > most_work {
            let reason = format!(
                "to compute its outputs takes {memory} bytes and the time of {work} multiplications, which is too much for a file and inputs of {bytes} bytes"
            );
            return Err(InteropError::too_large(FORMAT, reason));
        }
        Ok(())
    }

    /// Computes the outputs, in the file's order.
    ///
    /// # Errors
    /// If a value's sizes are not those that the file has for its input.
    pub fn run(&self) -> Result<Vec<Tensor>> {
        let views: Vec<_> = self.values.iter().map(|value| value.view()).collect();
        let mut results = match &self.model {
            Some(model) => model.predict_all(&views)?.into_iter(),
            None => Vec::new().into_iter(),
        };
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for part in &self.outputs {
            outputs.push(match part {
                Part::Known(tensor) => Arc::unwrap_or_clone(Arc::clone(tensor)),
                Part::OfModel(end) => {
                    let result = results.next().expect("the model has these outputs");
                    let dims = result.shape()[usize::from(!self.has_batch)..].to_vec();
                    let tensor = Tensor::floats(dims, result.into_iter().collect());
                    if end.element == Element::Float { tensor } else { tensor.cast(end.element) }
                }
            });
        }
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use convnet_nn::losses::MeanSquaredError;
    use convnet_nn::optimizers::Sgd;
    use convnet_nn::train::Arrays;
    use convnet_nn::{Fit, Model};
    use ndarray::ArrayD;
    use prost::Message;

    use super::super::proto::tensor_proto::DataType;
    use super::super::proto::tensor_shape_proto::{Dimension, dimension};
    use super::super::proto::{
        AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
        TypeProto, ValueInfoProto, attribute_proto::AttributeType, type_proto,
    };
    use super::*;
    use crate::npy::Number;

    /// An input or output; sizes of −1 are open.
    fn info(name: &str, kind: DataType, dims: &[i64]) -> ValueInfoProto {
        let dim = |&size: &i64| Dimension {
            value: (size >= 0).then_some(dimension::Value::DimValue(size)),
            ..Dimension::default()
        };
        let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
        let tensor = type_proto::Tensor { elem_type: kind as i32, shape };
        let known = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        ValueInfoProto { name: name.into(), r#type: Some(known), ..ValueInfoProto::default() }
    }

    fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (input, output) = (names(inputs), names(outputs));
        NodeProto { op_type: operator.into(), input, output, ..NodeProto::default() }
    }

    fn ints(node: NodeProto, name: &str, values: &[i64]) -> NodeProto {
        let attribute = AttributeProto {
            name: name.into(),
            r#type: AttributeType::Ints as i32,
            ints: values.to_vec(),
            ..AttributeProto::default()
        };
        NodeProto { attribute: [node.attribute, vec![attribute]].concat(), ..node }
    }

    fn file(nodes: Vec<NodeProto>, input: Vec<ValueInfoProto>, output: Vec<ValueInfoProto>) -> File {
        file_of_set(17, nodes, input, output)
    }

    fn file_of_set(
        version: i64,
        node: Vec<NodeProto>,
        input: Vec<ValueInfoProto>,
        output: Vec<ValueInfoProto>,
    ) -> File {
        let graph = GraphProto { node, input, output, ..GraphProto::default() };
        let opset_import = vec![OperatorSetIdProto { version, ..OperatorSetIdProto::default() }];
        let model = ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() };
        File::from_bytes(model.encode_to_vec()).unwrap()
    }

    fn run(file: &File, inputs: &[(&str, Tensor)]) -> Result<(Vec<Tensor>, Vec<String>)> {
        let inputs = inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
        let evaluation = file.with_values(inputs)?;
        Ok((evaluation.run()?, evaluation.known().to_vec()))
    }

    const F32: DataType = DataType::Float;
    const I64: DataType = DataType::Int64;

    #[test]
    fn inputs_that_say_sizes_become_part_of_the_model() {
        let nodes = vec![
            node("Reshape", &["x", "to"], &["y"]),
            node("Greater", &["y", "limit"], &["above"]),
            node("Shape", &["y"], &["sizes"]),
        ];
        let inputs = vec![info("x", F32, &[-1, 6]), info("to", I64, &[3]), info("limit", F32, &[])];
        let outputs =
            vec![info("above", DataType::Bool, &[-1, -1, -1]), info("sizes", DataType::Int64, &[3])];
        let file = file(nodes, inputs, outputs);
        let numbers: Vec<Number> = file.outputs().iter().map(|port| port.number).collect();
        assert_eq!(numbers, [Number::Bool, Number::I64]);
        let x = Tensor::floats([2, 6], (0..12).map(|i| i as f32).collect());
        let to = Tensor::integers([3], vec![2, 3, 2]);
        let limit = Tensor::floats([], vec![6.5]);
        let (results, known) = run(&file, &[("x", x), ("to", to), ("limit", limit)]).unwrap();
        assert_eq!(known, ["to"]);
        let above = Tensor {
            dims: vec![2, 3, 2],
            data: super::super::Data::Booleans((0..12).map(|i| i > 6).collect()),
        };
        assert_eq!(results, [above, Tensor::integers([3], vec![2, 3, 2])]);
        let problem = file.with_values(Vec::new()).unwrap_err().to_string();
        assert!(problem.contains("`x` is not given"), "{problem}");
    }

    #[test]
    fn what_depends_on_no_input_is_computed_at_once() {
        let nodes = vec![node("Range", &["from", "to", "step"], &["y"])];
        let inputs = ["from", "to", "step"].map(|name| info(name, I64, &[])).to_vec();
        let file = file(nodes, inputs, vec![info("y", I64, &[-1])]);
        let number = |value: i64| Tensor::integers([], vec![value]);
        let given = [("from", number(10)), ("to", number(1)), ("step", number(-4))];
        let (results, known) = run(&file, &given).unwrap();
        assert_eq!((results, known.len()), (vec![Tensor::integers([3], vec![10, 6, 2])], 3));
    }

    #[test]
    fn values_without_elements_have_sizes_and_sums() {
        let rest = |name: &str, axes: &[i64]| ints(node(name, &["none"], &[name]), "axes", axes);
        let nodes = vec![
            ints(ints(node("Slice", &["x"], &["none"]), "starts", &[9]), "ends", &[12]),
            rest("ReduceSum", &[0]),
            rest("ReduceMax", &[0, 1]),
            node("Relu", &["none"], &["relu"]),
        ];
        let outputs = ["ReduceSum", "ReduceMax", "relu"].map(|name| info(name, F32, &[-1, -1])).to_vec();
        let file = file_of_set(9, nodes, vec![info("x", F32, &[2, 3])], outputs);
        let (results, _) = run(&file, &[("x", Tensor::floats([2, 3], vec![1.0; 6]))]).unwrap();
        let nothing = Tensor::floats([1, 1], vec![f32::NEG_INFINITY]);
        assert_eq!(results, [Tensor::floats([1, 3], vec![0.0; 3]), nothing, Tensor::floats([0, 3], vec![])]);
    }

    #[test]
    fn a_sequence_is_read_both_ways() {
        let text = |node: NodeProto, name: &str, value: &str| {
            let attribute = AttributeProto {
                name: name.into(),
                r#type: AttributeType::String as i32,
                s: value.to_owned().into_bytes(),
                ..AttributeProto::default()
            };
            NodeProto { attribute: [node.attribute, vec![attribute]].concat(), ..node }
        };
        let names = ["x", "w", "r", "b"];
        let waves =
            |len: usize, phase: f32| (0..len).map(|i| (i as f32 * 1.7 + phase).sin()).collect::<Vec<_>>();
        for (operator, gates) in [("LSTM", 4), ("GRU", 3), ("RNN", 1)] {
            // Two steps, one sample, three features, two units.
            let lens = [gates * 2 * 3, gates * 2 * 2, 2 * gates * 2];
            let sizes = [[gates * 2, 3], [gates * 2, 2]];
            let weights = |directions: std::ops::Range<usize>| -> Vec<Tensor> {
                let count = directions.len();
                let all =
                    |which: usize| directions.clone().flat_map(|d| waves(lens[which], d as f32)).collect();
                let mut made: Vec<Tensor> = (0..2)
                    .map(|which| Tensor::floats([&[count], &sizes[which][..]].concat(), all(which)))
                    .collect();
                made.push(Tensor::floats([count, lens[2]], all(2)));
                made
            };
            let outcome = |direction: &str, x: Vec<f32>, weights: Vec<Tensor>| -> Vec<f32> {
                let infos =
                    names.iter().zip([3, 3, 3, 2]).map(|(name, rank)| info(name, F32, &vec![-1; rank]));
                let file = file(
                    vec![text(node(operator, &names, &["y"]), "direction", direction)],
                    infos.collect(),
                    vec![info("y", F32, &[-1; 4])],
                );
                let x = Tensor::floats([2, 1, 3], x);
                let given: Vec<_> = names.into_iter().zip(std::iter::once(x).chain(weights)).collect();
                run(&file, &given).unwrap().0[0].to_floats()
            };
            let x = waves(6, 0.3);
            let turned = [&x[3..], &x[..3]].concat();
            let both = outcome("bidirectional", x.clone(), weights(0..2));
            let forwards = outcome("forward", x, weights(0..1));
            let backwards = outcome("forward", turned, weights(1..2));
            // Steps, directions, units.
            let expected = [&forwards[..2], &backwards[2..], &forwards[2..], &backwards[..2]].concat();
            assert_eq!(both, expected, "{operator}");
            assert!(forwards != backwards);
        }
    }

    /// Attention of two heads over the second axis, written as PyTorch exports it: the heads are joined with the batch.
    fn attention() -> File {
        let order = |node: NodeProto, perm: &[i64]| ints(node, "perm", perm);
        let sizes = |name: &str, values: &[i64]| ints(node("Constant", &[], &[name]), "value_ints", values);
        let nodes = vec![
            order(node("Transpose", &["x"], &["steps"]), &[1, 0, 2]),
            sizes("heads", &[3, -1, 2]),
            node("Reshape", &["steps", "heads"], &["split"]),
            order(node("Transpose", &["split"], &["q"]), &[1, 0, 2]),
            order(node("Transpose", &["split"], &["k"]), &[1, 2, 0]),
            node("MatMul", &["q", "k"], &["scores"]),
            node("Softmax", &["scores"], &["shares"]),
            node("MatMul", &["shares", "q"], &["mixed"]),
            order(node("Transpose", &["mixed"], &["back"]), &[1, 0, 2]),
            sizes("whole", &[3, -1, 4]),
            node("Reshape", &["back", "whole"], &["joined"]),
            order(node("Transpose", &["joined"], &["y"]), &[1, 0, 2]),
        ];
        file(nodes, vec![info("x", F32, &[-1, 3, 4])], vec![info("y", F32, &[-1, 3, 4])])
    }

    #[test]
    fn samples_stay_apart_where_the_batch_moves() {
        let values: Vec<f32> = (0..24).map(|i| (i as f32 * 1.3).sin()).collect();
        let both = run(&attention(), &[("x", Tensor::floats([2, 3, 4], values.clone()))]).unwrap().0;
        let each: Vec<f32> = values
            .chunks(12)
            .flat_map(|sample| {
                let x = Tensor::floats([1, 3, 4], sample.to_vec());
                run(&attention(), &[("x", x)]).unwrap().0[0].to_floats()
            })
            .collect();
        assert_eq!(both[0].dims, [2, 3, 4]);
        for (together, alone) in both[0].to_floats().iter().zip(&each) {
            assert!((together - alone).abs() < 1e-6, "{together} {alone}");
        }
        let imported = attention().import(&Import::new()).unwrap();
        assert!(imported.has_batch);
        assert_eq!(imported.model.input_shapes()[0].dims, [3, 4]);
    }

    #[test]
    fn rows_of_all_samples_are_normalised_together() {
        let sizes = |name: &str, values: &[i64]| ints(node("Constant", &[], &[name]), "value_ints", values);
        let names = ["scale", "shift", "mean", "variance"];
        let nodes = vec![
            sizes("flat", &[-1, 2]),
            node("Reshape", &["x", "flat"], &["rows"]),
            node("BatchNormalization", &["rows", "scale", "shift", "mean", "variance"], &["normal"]),
            sizes("whole", &[-1, 3, 2]),
            node("Reshape", &["normal", "whole"], &["y"]),
        ];
        let mut inputs = vec![info("x", F32, &[-1, 3, 2])];
        inputs.extend(names.map(|name| info(name, F32, &[2])));
        let file = file(nodes, inputs, vec![info("y", F32, &[-1, 3, 2])]);
        let x = Tensor::floats([2, 3, 2], (0..12).map(|i| i as f32).collect());
        let columns = [[2.0, 3.0], [1.0, -1.0], [0.5, 1.5], [1.0, 4.0]];
        let mut given = vec![("x", x)];
        given.extend(names.into_iter().zip(columns.map(|values| Tensor::floats([2], values.to_vec()))));
        let found = run(&file, &given).unwrap().0[0].to_floats();
        for (i, y) in found.iter().enumerate() {
            let [scale, shift, mean, variance] = columns.map(|values| values[i % 2]);
            let wanted = (i as f32 - mean) / variance.sqrt() * scale + shift;
            assert!((y - wanted).abs() < 1e-3, "{i}: {y}, not {wanted}");
        }
        assert_eq!(found.len(), 12);
    }

    #[test]
    fn what_mixes_samples_on_its_way_is_refused() {
        let make = || {
            let nodes = vec![
                ints(node("Transpose", &["x"], &["across"]), "perm", &[1, 0]),
                node("Softmax", &["across"], &["shares"]),
                ints(node("Transpose", &["shares"], &["y"]), "perm", &[1, 0]),
            ];
            file(nodes, vec![info("x", F32, &[-1, 2])], vec![info("y", F32, &[-1, 2])])
        };
        let problem = make().import(&Import::new()).unwrap_err().to_string();
        assert!(problem.contains("across") && problem.contains("mixes"), "{problem}");
        // With samples given it is what the file says.
        let x = Tensor::floats([2, 2], vec![0.0, 1.0, 0.0, 1.0]);
        assert_eq!(run(&make(), &[("x", x)]).unwrap().0, [Tensor::floats([2, 2], vec![0.5; 4])]);
    }

    #[test]
    fn maxima_go_back_to_where_they_stood() {
        let windows = |node: NodeProto| ints(ints(node, "kernel_shape", &[2, 2]), "strides", &[2, 2]);
        let pool = windows(node("MaxPool", &["x"], &["y", "places"]));
        let unpool = windows(node("MaxUnpool", &["y", "places"], &["z"]));
        let (x, z) = (info("x", F32, &[-1, 2, 2, 4]), info("z", F32, &[-1, 2, 2, 4]));
        // With an open batch: places are those in each sample.
        let batched = file(vec![pool.clone(), unpool.clone()], vec![x], vec![z.clone()]);
        let values: Vec<f32> = (0..32).map(|i| ((i * 7) % 32) as f32).collect();
        let expected: Vec<f32> = (0..32)
            .map(|i| {
                let corner = |row: usize, column: usize| i / 8 * 8 + row * 4 + i % 4 / 2 * 2 + column;
                let best = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, c)| values[corner(r, c)]);
                if best.iter().all(|&other| other <= values[i]) { values[i] } else { 0.0 }
            })
            .collect();
        let x = Tensor::floats([2, 2, 2, 4], values);
        assert_eq!(run(&batched, &[("x", x.clone())]).unwrap().0, [Tensor::floats([2, 2, 2, 4], expected)]);
        // Places that are asked for count what lies before, which takes one sample; places given may be wrong.
        let places = info("places", I64, &[1, 2, 1, 2]);
        let single = file(vec![pool], vec![info("x", F32, &[1, 2, 2, 4])], vec![places.clone()]);
        let half = Tensor::floats([1, 2, 2, 4], x.to_floats()[..16].to_vec());
        let found = run(&single, &[("x", half)]).unwrap().0;
        assert_eq!(found, [Tensor::integers([1, 2, 1, 2], vec![4, 3, 9, 11])]);
        let given = file(vec![unpool], vec![info("y", F32, &[1, 2, 1, 2]), places], vec![z]);
        let y = Tensor::floats([1, 2, 1, 2], vec![1.0, 2.0, 3.0, 4.0]);
        for stray in [i64::MAX, i64::MIN, 1 << 20] {
            let places = Tensor::integers([1, 2, 1, 2], vec![stray, 1, 15, -3]);
            let found = run(&given, &[("y", y.clone()), ("places", places)]).unwrap().0;
            assert_eq!(found[0].dims, [1, 2, 2, 4]);
        }
    }

    #[test]
    fn absurd_sizes_of_inputs_are_refused() {
        let make = || {
            file(
                vec![node("ConstantOfShape", &["to"], &["y"])],
                vec![info("to", I64, &[-1])],
                vec![info("y", F32, &[-1])],
            )
        };
        for sizes in [vec![1 << 40], vec![0, 1 << 62, 1 << 62], vec![-1], vec![1 << 20, 1 << 20]] {
            let to = Tensor::integers([sizes.len()], sizes);
            assert!(run(&make(), &[("to", to)]).is_err());
        }
        let nothing = Tensor::integers([3], vec![0, 1 << 20, 3]);
        assert_eq!(run(&make(), &[("to", nothing)]).unwrap().0[0].dims, [0, 1 << 20, 3]);
        let sum = ints(node("ReduceSum", &["x"], &["y"]), "axes", &[1]);
        let file =
            file_of_set(9, vec![sum], vec![info("x", F32, &[1 << 40, 0])], vec![info("y", F32, &[-1, 1])]);
        let x = Tensor { dims: vec![1 << 40, 0], data: super::super::Data::Floats(Vec::new()) };
        assert!(run(&file, &[("x", x)]).is_err());
    }

    #[test]
    fn old_operator_sets_are_read_but_for_what_they_did_otherwise() {
        let inputs = || vec![info("a", F32, &[2, 2]), info("b", F32, &[2, 2])];
        let add = node("Add", &["a", "b"], &["y"]);
        let y = || vec![info("y", F32, &[2, 2])];
        let file = file_of_set(6, vec![add.clone()], inputs(), y());
        let ones = Tensor::floats([2, 2], vec![1.0; 4]);
        let (results, _) = run(&file, &[("a", ones.clone()), ("b", ones)]).unwrap();
        assert_eq!(results, [Tensor::floats([2, 2], vec![2.0; 4])]);
        let broadcast = AttributeProto {
            name: "broadcast".into(),
            i: 1,
            r#type: AttributeType::Int as i32,
            ..AttributeProto::default()
        };
        let axis = AttributeProto { name: "axis".into(), i: 0, ..broadcast.clone() };
        let repeats = NodeProto { attribute: vec![broadcast.clone(), axis], ..add };
        let column = vec![info("a", F32, &[2, 2]), info("b", F32, &[2])];
        let file = file_of_set(6, vec![repeats], column, y());
        let given = [("a", Tensor::floats([2, 2], vec![1.0; 4])), ("b", Tensor::floats([2], vec![1.0, 2.0]))];
        assert_eq!(run(&file, &given).unwrap().0, [Tensor::floats([2, 2], vec![2.0, 2.0, 3.0, 3.0])]);
        let repeats = NodeProto { attribute: vec![broadcast], ..node("Greater", &["a", "b"], &["y"]) };
        let graph = GraphProto { node: vec![repeats], input: inputs(), output: y(), ..GraphProto::default() };
        let opset_import = vec![OperatorSetIdProto { version: 6, ..OperatorSetIdProto::default() }];
        let model = ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() };
        let problem = File::from_bytes(model.encode_to_vec()).unwrap_err().to_string();
        assert!(problem.contains("Greater") && problem.contains("sets before 7"), "{problem}");
    }

    #[test]
    fn what_moves_the_windows_of_a_convolution_has_a_gradient() {
        let initial = |name: &str, dims: &[i64], values: Vec<f32>| TensorProto {
            name: name.into(),
            dims: dims.to_vec(),
            data_type: F32 as i32,
            float_data: values,
            ..TensorProto::default()
        };
        let waves = |len: usize, scale: f32| (0..len).map(|i| (i as f32 * 1.7).sin() * scale).collect();
        let graph = GraphProto {
            node: vec![
                node("Conv", &["x", "moving", "start"], &["distances"]),
                node("DeformConv", &["x", "w", "distances"], &["y"]),
            ],
            initializer: vec![
                initial("moving", &[8, 1, 2, 2], waves(32, 0.1)),
                initial("start", &[8], vec![0.4, -0.6, 0.3, 0.5, -0.4, 0.6, 1.4, 0.5]),
                initial("w", &[3, 1, 2, 2], waves(12, 1.0)),
            ],
            input: vec![info("x", F32, &[-1, 1, 5, 5])],
            output: vec![info("y", F32, &[-1, 3, 4, 4])],
            ..GraphProto::default()
        };
        let opset_import = vec![OperatorSetIdProto { version: 19, ..OperatorSetIdProto::default() }];
        let bytes = ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() }.encode_to_vec();
        let mut model = Import::new().from_bytes(bytes).unwrap().model;
        let x = ArrayD::from_shape_vec(vec![2, 5, 5, 1], waves(50, 1.0)).unwrap();
        let y = ArrayD::zeros(vec![2, 4, 4, 3]);
        let loss = |model: &Model| -> f64 {
            let y = model.predict_all(&[x.view()]).unwrap();
            y[0].iter().map(|&y| f64::from(y).powi(2)).sum::<f64>() / y[0].len() as f64
        };
        let weights: Vec<_> = model.weights().filter(|weight| weight.dims.len() == 1).cloned().collect();
        let [start] = &weights[..] else { panic!("{weights:?}") };
        let values = model.weight_values(start).to_owned();
        let numeric: Vec<f64> = (0..8)
            .map(|index| {
                let [more, less] = [1e-2, -1e-2].map(|by| {
                    let mut moved = values.clone();
                    moved[index] += by;
                    model.set_weight(&start.path, moved.view()).unwrap();
                    loss(&model)
                });
                (more - less) / 2e-2
            })
            .collect();
        model.set_weight(&start.path, values.view()).unwrap();
        model.compile(Sgd::new(1.0), MeanSquaredError, []).unwrap();
        let samples = Arrays::new(x.view(), y.view()).unwrap();
        model.fit(&samples, Fit::new().epochs(1).batch_size(2)).unwrap();
        let stepped = model.weight_values(start);
        for ((before, after), numeric) in values.iter().zip(&stepped).zip(numeric) {
            let step = f64::from(before - after);
            assert!((step - numeric).abs() < 1e-3 + 0.02 * numeric.abs(), "{step} {numeric}");
        }
    }
}
