//! Layers that read a sequence step by step.

use convnet_nn::layers::{Cell, Concatenate, GRU, LSTM, Recurrent, SimpleRNN};
use convnet_nn::{Activation, LayerRef, Symbol};

use super::pick::{listed, take};
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{Element, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "GRU", import: gated },
    Operator { name: "LSTM", import: long_short_term },
    Operator { name: "RNN", import: plain },
];

/// What a kind of cell has otherwise here than in a file.
struct Kind {
    /// Places of its gates in a file, in the order here.
    gates: &'static [usize],
    /// How many states it has.
    states: usize,
    /// Whether the products of inputs and of states have a bias each.
    two_biases: bool,
}

fn long_short_term(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    if call.optional(7).is_some() || call.int("input_forget", 0)? != 0 {
        return Err(call.unsupported("peepholes, or input and forget gates that are one"));
    }
    activations(call, &["Sigmoid", "Tanh", "Tanh"])?;
    // A file has the gates input, output, forget, cell; the layer has input, forget, cell, output.
    let kind = Kind { gates: &[0, 2, 3, 1], states: 2, two_biases: false };
    sequence(call, &kind, |units, backwards| layer(LSTM::new(units), backwards))
}

fn gated(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    activations(call, &["Sigmoid", "Tanh"])?;
    let after = call.int("linear_before_reset", 0)? != 0;
    let kind = Kind { gates: &[0, 1, 2], states: 1, two_biases: after };
    sequence(call, &kind, |units, backwards| layer(GRU::new(units).reset_after(after), backwards))
}

fn plain(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let functions = functions(call)?;
    let function = functions.first().map_or("Tanh", |name| name);
    let activation = match function {
        "Tanh" => Activation::Tanh,
        "Relu" => Activation::Relu,
        "Sigmoid" => Activation::Sigmoid,
        other => return Err(call.unsupported(format!("the function {other}"))),
    };
    if functions.iter().any(|other| other != function) {
        return Err(call.unsupported("another function for each direction"));
    }
    let kind = Kind { gates: &[0], states: 1, two_biases: false };
    sequence(call, &kind, |units, backwards| layer(SimpleRNN::new(units).activation(activation), backwards))
}

fn layer<C: Cell>(layer: Recurrent<C>, backwards: bool) -> LayerRef {
    layer.return_sequences(true).return_state(true).go_backwards(backwards).into()
}

/// Names of functions, for all directions.
fn functions(call: &Call<'_, '_>) -> Result<Vec<String>> {
    let found = call.node.attribute.iter().find(|attribute| attribute.name == "activations");
    let names = found.map(|found| &found.strings[..]).unwrap_or_default();
    names
        .iter()
        .map(|name| {
            String::from_utf8(name.to_vec()).map_err(|_| call.malformed("a function's name is no text"))
        })
        .collect()
}

/// Refuses other functions than the usual ones.
fn activations(call: &Call<'_, '_>, usual: &[&str]) -> Result<()> {
    let found = functions(call)?;
    let same = found.iter().zip(usual.iter().cycle()).all(|(name, usual)| name.eq_ignore_ascii_case(usual));
    if same { Ok(()) } else { Err(call.unsupported(format!("the functions {}", found.join(", ")))) }
}

/// The part of a tensor that is one direction's.
fn of_direction(call: &mut Call<'_, '_>, tensor: &Tensor, direction: usize) -> Result<Vec<f32>> {
    let len = tensor.len() / tensor.dims[0];
    // It is copied once more as columns.
    call.at.spend(len.saturating_mul(2 * size_of::<f32>()))?;
    Ok(tensor.gather(vec![len], direction * len..(direction + 1) * len).into_floats())
}

/// Rows of gates in the order of a file as columns in the order of the layer.
fn columns(rows: &[f32], kind: &Kind, units: usize, width: usize) -> Vec<f32> {
    let mut columns = Vec::with_capacity(rows.len());
    for input in 0..width {
        for &gate in kind.gates {
            columns.extend((0..units).map(|unit| rows[(gate * units + unit) * width + input]));
        }
    }
    columns
}

/// The weights of one direction as the layer has them.
fn weights(call: &mut Call<'_, '_>, kind: &Kind, direction: usize, units: usize) -> Result<Vec<Vec<f32>>> {
    let [kernel, recurrent] = [call.constant(1)?, call.constant(2)?];
    let width = kind.gates.len() * units;
    let features = kernel.dims[2];
    let mut all = vec![
        columns(&of_direction(call, &kernel, direction)?, kind, units, features),
        columns(&of_direction(call, &recurrent, direction)?, kind, units, units),
    ];
    let bias = match call.known(3)? {
        Some(bias) if bias.dims == [kernel.dims[0], 2 * width] => of_direction(call, &bias, direction)?,
        Some(bias) => return Err(call.malformed(format!("a bias of sizes {:?}", bias.dims))),
        None => vec![0.0; 2 * width],
    };
    let [of_input, of_state] = [0, width].map(|start| columns(&bias[start..][..width], kind, units, 1));
    all.push(if kind.two_biases {
        [of_input, of_state].concat()
    } else {
        of_input.iter().zip(&of_state).map(|(a, b)| a + b).collect()
    });
    Ok(all)
}

/// The sizes of the kernel: directions, units, features.
fn sizes(call: &Call<'_, '_>, kind: &Kind) -> Result<[usize; 3]> {
    let (kernel, recurrent) = (call.constant(1)?, call.constant(2)?);
    let (&[directions, width, features], &[others, other_width, units]) =
        (&kernel.dims[..], &recurrent.dims[..])
    else {
        return Err(call.malformed("weights that have not three axes"));
    };
    let fits =
        directions == others && width == other_width && Some(width) == units.checked_mul(kind.gates.len());
    let said = call.int("hidden_size", units as i64)? == units as i64;
    if !fits || !said || directions == 0 || kernel.is_empty() || recurrent.is_empty() {
        let reason = format!("weights of sizes {:?} and {:?}", kernel.dims, recurrent.dims);
        return Err(call.malformed(reason));
    }
    Ok([directions, units, features])
}

/// A value without the axis of the batch, which the model's own stands for.
fn without_batch(call: &Call<'_, '_>, mut x: Traced, axis: usize) -> Result<Traced> {
    if call.at.batched {
        return if axis == 0 { Ok(x) } else { Err(call.mixes()) };
    }
    match x.dims().get(axis) {
        Some(1) => {
            x.groups.remove(axis);
            Ok(x)
        }
        Some(_) => Err(call.mixes()),
        None => Err(call.malformed("an input with too few axes")),
    }
}

fn sequence(
    call: &mut Call<'_, '_>,
    kind: &Kind,
    make: impl Fn(usize, bool) -> LayerRef,
) -> Result<Vec<Value>> {
    let [directions, units, features] = sizes(call, kind)?;
    let backwards: &[bool] = match (call.string("direction", "forward")?, directions) {
        ("forward", 1) => &[false],
        ("reverse", 1) => &[true],
        ("bidirectional", 2) => &[false, true],
        (name, _) => return Err(call.malformed(format!("direction {name} with weights for {directions}"))),
    };
    if call.some_float("clip")?.is_some() {
        return Err(call.unsupported("clip"));
    }
    let batch_first = call.int("layout", 0)? != 0;
    let x = call.traced(0)?;
    let mut x = without_batch(call, x, usize::from(!batch_first))?;
    let &[steps, width] = &x.dims()[..] else {
        return Err(call.malformed("an input that has not three axes"));
    };
    if width != features {
        return Err(call.malformed(format!("weights for {features} features of {width}")));
    }
    if let Some(lens) = call.known_integers(4)?
        && lens.iter().any(|&len| len != steps as i64)
    {
        return Err(call.unsupported("sequences of different lengths"));
    }
    // The graph has the cell once for each step.
    call.at.spend(steps.saturating_mul(directions).saturating_mul(4 * units + (1 << 14)))?;
    let symbol = call.at.canonical(&x)?;
    x = Traced::plain(symbol, Element::Float);
    let states = states(call, kind, batch_first, directions, units)?;
    let (mut ys, mut lasts) = (Vec::new(), vec![Vec::new(); kind.states]);
    for (direction, &backwards) in backwards.iter().enumerate() {
        let mut inputs = vec![&x.symbol];
        inputs.extend(states.iter().flat_map(|states| &states[direction]));
        let weights = weights(call, kind, direction, units)?;
        let made = call.at.layers("", make(units, backwards), &inputs, weights)?;
        let mut y = Traced::plain(made[0].clone(), Element::Float);
        if backwards {
            let backwards = listed(call, (0..steps).rev())?;
            y = take(call, &y, 0, backwards)?;
        }
        ys.push(y);
        for (last, symbol) in lasts.iter_mut().zip(&made[1..]) {
            last.push(Traced::plain(symbol.clone(), Element::Float));
        }
    }
    let mut outputs = vec![stacked(call, ys, true, batch_first)?];
    for last in lasts {
        outputs.push(stacked(call, last, false, batch_first)?);
    }
    Ok(outputs)
}

/// Initial states of each direction; `None` for a cell that starts with zeros.
fn states(
    call: &mut Call<'_, '_>,
    kind: &Kind,
    batch_first: bool,
    directions: usize,
    units: usize,
) -> Result<Option<Vec<Vec<Symbol>>>> {
    let is_zero = |value: Option<&Value>| match value {
        None => true,
        Some(Value::Known(tensor)) => tensor.dims.last() == Some(&units) && tensor.is_zero(),
        Some(Value::Traced(_)) => false,
    };
    for index in 5..5 + kind.states {
        if let Some(Value::Known(tensor)) = call.optional(index) {
            // All of it may be looked at.
            let len = tensor.len();
            call.at.spend(len)?;
        }
    }
    if (5..5 + kind.states).all(|index| is_zero(call.optional(index))) {
        return Ok(None);
    }
    let mut by_direction = vec![Vec::new(); directions];
    for index in 5..5 + kind.states {
        if call.optional(index).is_none() {
            return Err(call.unsupported("one of two states that starts with zeros"));
        }
        let state = call.traced(index)?;
        let state = without_batch(call, state, usize::from(!batch_first))?;
        if state.dims() != [directions, units] {
            return Err(call.malformed(format!("a state of sizes {:?}", state.dims())));
        }
        for (direction, states) in by_direction.iter_mut().enumerate() {
            let own = take(call, &state, 0, direction..direction + 1)?;
            let own = Traced { groups: own.groups[1..].to_vec(), ..own };
            states.push(call.at.canonical(&own)?);
        }
    }
    Ok(Some(by_direction))
}

/// What the directions made as one value with their axis, and that of the batch, as a file has it.
fn stacked(call: &mut Call<'_, '_>, parts: Vec<Traced>, has_steps: bool, batch_first: bool) -> Result<Value> {
    let place = usize::from(has_steps);
    let mut y = parts[0].clone();
    if parts.len() > 1 {
        let mut symbols = Vec::new();
        for part in &parts {
            let mut dims = part.dims();
            dims.insert(place, 1);
            let symbol = call.at.canonical(part)?;
            symbols.push(call.at.reshaped(&symbol, &dims)?);
        }
        let symbols: Vec<_> = symbols.iter().collect();
        let symbol = call.layer(Concatenate::new().axis(place as isize + 1), &symbols, Vec::new())?;
        y = Traced::plain(symbol, Element::Float);
    } else {
        y.groups.insert(place, Vec::new());
    }
    if !call.at.batched {
        let batch = if batch_first { 0 } else { place + 1 };
        y.groups.insert(batch, Vec::new());
    }
    Ok(Value::Traced(y))
}
