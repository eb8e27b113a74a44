//! A model at a glance: Keras's table, and what it costs.

use std::collections::HashMap;
use std::fmt;

use convnet_engine::Slab;
use serde::Serialize;

use super::execute::Purpose;
use super::network::{LayerCall, Network};
use super::{Kind, Model};
use crate::error::Result;

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerRow {
    /// Name of the layer.
    pub name: String,
    /// Keras's class name.
    pub class: &'static str,
    /// Sizes of the output, the batch not counted.
    pub output_shape: Vec<usize>,
    /// Elements of all its weights.
    pub parameters: usize,
    /// Multiplications to predict one sample.
    pub multiplications: u64,
    /// Bytes of its output for one sample.
    pub output_bytes: usize,
    /// Names of the layers that feed it.
    pub connected_to: Vec<String>,
}

/// What [`Model::summary`] tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the model.
    pub name: String,
    /// One entry a layer.
    pub layers: Vec<LayerRow>,
    /// Elements of all weights.
    pub total_parameters: usize,
    /// Elements that an optimizer changes.
    pub trainable_parameters: usize,
    /// Elements of moving statistics and frozen layers.
    pub non_trainable_parameters: usize,
    /// Multiplications to predict one sample.
    pub multiplications: u64,
    /// Bytes to predict one sample: weights, constants, and activations that live at the same time.
    pub prediction_memory_bytes: usize,
    /// The batch size of `training_memory_bytes`.
    pub training_batch_size: usize,
    /// Bytes to train on a batch: weights, gradients, the optimizer's slots, activations. `None` if the model is not compiled.
    pub training_memory_bytes: Option<usize>,
    /// Bytes of one sample's activations if each is given up as soon as the next layer has read it: the largest sum of what a layer
    /// reads and writes.
    pub live_activation_bytes: usize,
    /// Bytes of the activations of all layers for a batch of `training_batch_size`, which a backward sweep without any sharing would keep.
    pub activation_bytes: usize,
    #[serde(skip)]
    branched: bool,
    #[serde(skip)]
    shows_memory: bool,
}

/// Which calls a layer has, and which layer makes a tensor: looked up once for all rows.
struct Wiring<'n> {
    calls: Vec<Vec<&'n LayerCall>>,
    makers: Vec<usize>,
}

impl<'n> Wiring<'n> {
    fn new(network: &'n Network) -> Self {
        let mut calls = vec![Vec::new(); network.layers.len()];
        let mut makers = vec![0; network.tensors.len()];
        for call in &network.calls {
            calls[call.layer].push(call);
            makers[call.outputs.clone()].fill(call.layer);
        }
        Self { calls, makers }
    }
}

impl Model {
    /// The model's layers and costs; training is counted for batches of `training_batch_size`.
    ///
    /// # Errors
    /// If the model cannot be planned for that batch.
    pub fn summary(&self, training_batch_size: usize) -> Result<Summary> {
        let plan = self.new_plan(Purpose::Predict, 1)?;
        let mut multiplications: HashMap<String, u64> = HashMap::new();
        for (label, _, multiply_adds) in plan.calls() {
            // What the layers of a model in a layer's place do is its own work.
            let layer = label.split('/').next().unwrap_or(label);
            *multiplications.entry(layer.to_owned()).or_default() += multiply_adds;
        }
        let layers = &self.network.layers;
        let wiring = Wiring::new(&self.network);
        let rows: Vec<LayerRow> = (0..layers.len())
            .filter(|&layer| self.network.kind == Kind::Functional || layers[layer].kind.is_some())
            .map(|layer| self.row(layer, &wiring, &multiplications))
            .collect();
        let total_parameters = self.count_params();
        let trainable_parameters = self.trainable_slots().map(|(_, len)| len).sum();
        let weights = self.variables.parameters.len() + self.variables.states.len();
        let training_memory_bytes = match &self.compiled {
            None => None,
            Some(_) => {
                let plan = self.new_plan(Purpose::Train { weighted: false }, training_batch_size)?;
                let beside = self.training_floats_beside_the_arena(training_batch_size);
                Some((plan.arena_len() + beside) * size_of::<f32>())
            }
        };
        let size = |tensor: &usize| self.network.tensors[*tensor].len() * size_of::<f32>();
        let live = |call: &LayerCall| {
            let outputs: usize = call.outputs.clone().map(|tensor| size(&tensor)).sum();
            call.inputs.iter().map(size).sum::<usize>() + outputs
        };
        let inputs: usize = self.input_shapes().iter().map(|shape| Slab::round_up(shape.len())).sum();
        Ok(Summary {
            name: self.network.name.clone(),
            total_parameters,
            trainable_parameters,
            non_trainable_parameters: total_parameters - trainable_parameters,
            multiplications: plan.multiply_adds(),
            prediction_memory_bytes: (weights + plan.arena_len() + plan.constants_len() + inputs)
                * size_of::<f32>(),
            training_batch_size,
            training_memory_bytes,
            live_activation_bytes: self.network.calls.iter().map(live).max().unwrap_or(0),
            activation_bytes: rows
                .iter()
                .fold(0_usize, |sum, row| sum.saturating_add(row.output_bytes))
                .saturating_mul(training_batch_size),
            shows_memory: false,
            branched: rows.iter().any(|row| row.connected_to.len() > 1),
            layers: rows,
        })
    }

    fn row(&self, layer: usize, wiring: &Wiring<'_>, multiplications: &HashMap<String, u64>) -> LayerRow {
        let network = &self.network;
        let model_layer = &network.layers[layer];
        let calls = &wiring.calls[layer];
        let feeds = |tensor: &usize| network.layers[wiring.makers[*tensor]].name.clone();
        let size = |call: &&LayerCall| -> usize {
            call.outputs.clone().map(|tensor| network.tensors[tensor].len() * size_of::<f32>()).sum()
        };
        LayerRow {
            output_bytes: calls.iter().map(size).sum(),
            name: model_layer.name.clone(),
            class: model_layer.class_name(),
            output_shape: calls
                .last()
                .map_or_else(Vec::new, |call| network.tensors[call.outputs.start].dims.clone()),
            parameters: model_layer.weights.iter().map(|weight| weight.len()).sum(),
            multiplications: multiplications.get(&model_layer.name).copied().unwrap_or(0),
            connected_to: calls.iter().flat_map(|call| &call.inputs).map(feeds).collect(),
        }
    }

    /// Whether a weight is changed by training.
    pub fn is_trained(&self, weight: &super::Weight) -> bool {
        self.trainable_weights().any(|own| own.path == weight.path)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut header = vec!["Layer (type)", "Output Shape", "Param #", "Multiplications"];
        header.extend(self.shows_memory.then_some("Output of 1 sample"));
        header.extend(self.branched.then_some("Connected to"));
        let rows: Vec<Vec<String>> = self.layers.iter().map(|row| self.cells(row)).collect();
        let widths: Vec<usize> = (0..header.len())
            .map(|i| {
                rows.iter().map(|row| row[i].chars().count()).chain([header[i].len()]).max().unwrap_or(0)
            })
            .collect();
        let rule = |left: &str, middle: &str, right: &str, line: &str| {
            let parts: Vec<String> = widths.iter().map(|width| line.repeat(width + 2)).collect();
            format!("{left}{}{right}", parts.join(middle))
        };
        writeln!(f, "Model: \"{}\"", self.name)?;
        writeln!(f, "{}", rule("┏", "┳", "┓", "━"))?;
        let titles: Vec<String> =
            header.iter().zip(&widths).map(|(title, width)| format!(" {title:<width$} ")).collect();
        writeln!(f, "┃{}┃", titles.join("┃"))?;
        writeln!(f, "{}", rule("┡", "╇", "┩", "━"))?;
        for (i, row) in rows.iter().enumerate() {
            if i > 0 {
                writeln!(f, "{}", rule("├", "┼", "┤", "─"))?;
            }
            let cells: Vec<String> = (row.iter().zip(&widths).enumerate())
                .map(|(i, (cell, width))| match i {
                    2 | 3 => format!(" {cell:>width$} "),
                    4 if self.shows_memory => format!(" {cell:>width$} "),
                    _ => format!(" {cell:<width$} "),
                })
                .collect();
            writeln!(f, "│{}│", cells.join("│"))?;
        }
        writeln!(f, "{}", rule("└", "┴", "┘", "─"))?;
        for (title, count) in [
            ("Total params", self.total_parameters),
            ("Trainable params", self.trainable_parameters),
            ("Non-trainable params", self.non_trainable_parameters),
        ] {
            writeln!(f, " {title}: {} ({})", thousands(count as u64), bytes(count * size_of::<f32>()))?;
        }
        writeln!(f, " Multiplications for one prediction: {}", thousands(self.multiplications))?;
        if self.shows_memory {
            let (live, all) = (bytes(self.live_activation_bytes), bytes(self.activation_bytes));
            writeln!(f, " Activations of one sample, a layer's input and output at a time: {live}")?;
            writeln!(f, " Activations of a batch of {}, all kept: {all}", self.training_batch_size)?;
        }
        writeln!(f, " Memory to predict one sample: {}", bytes(self.prediction_memory_bytes))?;
        match self.training_memory_bytes {
            Some(memory) => writeln!(
                f,
                " Memory to train with batches of {}: {}",
                self.training_batch_size,
                bytes(memory)
            ),
            None => Ok(()),
        }
    }
}

impl Summary {
    /// The same with what activations weigh: a column of the table, and two lines below it.
    pub fn with_memory(self) -> Self {
        Self { shows_memory: true, ..self }
    }

    fn cells(&self, row: &LayerRow) -> Vec<String> {
        let shape = convnet_engine::Shape::batched(row.output_shape.clone());
        let mut cells = vec![
            cut(format!("{} ({})", row.name, row.class)),
            cut(shape.to_string()),
            thousands(row.parameters as u64),
            thousands(row.multiplications),
        ];
        cells.extend(self.shows_memory.then(|| bytes(row.output_bytes)));
        cells.extend(self.branched.then(|| joined(&row.connected_to)));
        cells
    }
}

/// A cell that says more is cut: all rows are as wide as the widest.
const MOST_CHARACTERS: usize = 200;

/// A text, of which only the beginning is shown if it is very long.
fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Names in a row, as many as a cell has room for.
fn joined(names: &[String]) -> String {
    let (mut shown, mut length) = (Vec::new(), 0);
    for name in names {
        let name = cut(name.clone());
        length += name.chars().count() + 2;
        if length > MOST_CHARACTERS + 2 && !shown.is_empty() {
            return format!("{} and {} more", shown.join(", "), names.len() - shown.len());
        }
        shown.push(name);
    }
    shown.join(", ")
}

/// `104202` → `104,202`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes for people: `407.04 KB`, as Keras prints it (1 KB is 1024 bytes).
fn bytes(count: usize) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of a book's section on memory (kernels of 5 × 5 over 150 × 100 RGB) and of its exercise.
    #[test]
    fn costs_of_a_large_layer() {
        use crate::layers::{Conv2D, Padding};
        let layer = Conv2D::new(200, 5).padding(Padding::Same);
        let model = crate::Sequential::new([150, 100, 3]).add(layer).build().unwrap();
        let summary = model.summary(32).unwrap();
        assert_eq!(summary.total_parameters, 15_200);
        assert_eq!(summary.multiplications, 225_000_000);
        let output = &summary.layers[0];
        assert_eq!(output.output_bytes * 8, 96_000_000);
        assert_eq!(summary.live_activation_bytes, 12_000_000 + 150 * 100 * 3 * 4);
        assert_eq!(summary.activation_bytes, 32 * 12_000_000);
        assert!(summary.with_memory().to_string().contains("11.44 MB"), "as Keras counts megabytes");

        let strided = |filters| Conv2D::new(filters, 3).strides(2).padding(Padding::Same);
        let exercise =
            crate::Sequential::new([200, 300, 3]).add(strided(100)).add(strided(200)).add(strided(400));
        let summary = exercise.build().unwrap().summary(50).unwrap();
        assert_eq!(summary.total_parameters, 903_400);
        // 100 × 150 × 100, 50 × 75 × 200 and 25 × 38 × 400 numbers.
        assert_eq!(summary.activation_bytes, 50 * 4 * (1_500_000 + 750_000 + 380_000));
        // The largest pair is the first and the second layer.
        assert_eq!(summary.live_activation_bytes, 4 * 2_250_000);
    }

    #[test]
    fn numbers_are_printed_as_keras_does() {
        assert_eq!(thousands(104_202), "104,202");
        assert_eq!(thousands(93), "93");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(bytes(416_808), "407.04 KB");
        assert_eq!(bytes(0), "0.00 B");
    }
}
