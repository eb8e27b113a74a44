//! Sums of products that a line of letters describes, as a product of matrices.

use std::sync::Arc;

use super::matrix::multiply;
use super::reduction::reduce;
use super::shape::regroup;
use super::{Call, Traced, Value};
use crate::Result;

/// A value and the letters of its axes; of a traced value in a batch without the batch's.
struct Operand {
    value: Value,
    letters: Vec<char>,
}

/// Letters of an equation, at most.
const LONGEST: usize = 200;

/// `bhid,bhjd->bhij` and the like: of one or two values, each letter once in each.
pub(super) fn import(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let equation: String = call.string("equation", "")?.split_whitespace().collect();
    if equation.len() > LONGEST {
        return Err(call.unsupported(format!("an equation of more than {LONGEST} letters")));
    }
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs.to_owned(), output.to_owned()),
        None => (equation.clone(), implied(&equation)),
    };
    let lists: Vec<Vec<char>> = inputs.split(',').map(|list| list.chars().collect()).collect();
    let mut output: Vec<char> = output.chars().collect();
    let is_once = |list: &Vec<char>| (1..list.len()).all(|place| !list[..place].contains(&list[place]));
    let is_plain =
        lists.iter().chain([&output]).all(|list| is_once(list) && list.iter().all(|c| c.is_alphabetic()));
    if !is_plain || lists.len() != call.inputs.len() || lists.len() > 2 {
        return Err(call.unsupported(format!("the equation {equation}")));
    }
    let batch = if call.at.batched { Some(batch(call, &lists, &output)?) } else { None };
    if batch.is_some() {
        output.remove(0);
    }
    let mut operands = Vec::new();
    for (index, letters) in lists.into_iter().enumerate() {
        operands.push(operand(call, index, letters, batch, &output)?);
    }
    let (letters, y) = match operands.pop() {
        Some(b) if !operands.is_empty() => product(call, &operands.remove(0), &b, batch, &output)?,
        Some(a) => {
            let Value::Traced(x) = a.value else { return Err(call.unsupported("a constant alone")) };
            (a.letters, x)
        }
        None => return Err(call.malformed("it has no inputs")),
    };
    let groups: Option<Vec<Vec<usize>>> = output
        .iter()
        .map(|letter| letters.iter().position(|other| other == letter).map(|place| y.groups[place].clone()))
        .collect();
    let groups = groups.ok_or_else(|| call.malformed(format!("the equation {equation}")))?;
    Ok(vec![Value::Traced(Traced { groups, ..y })])
}

/// The letters of the result where an equation does not say them: those that are there once, in alphabetic order.
fn implied(inputs: &str) -> String {
    let mut letters: Vec<char> =
        inputs.chars().filter(|c| *c != ',' && inputs.matches(*c).count() == 1).collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

/// The letter of the batch, which is the first of each value that depends on the model's inputs.
fn batch(call: &Call<'_, '_>, lists: &[Vec<char>], output: &[char]) -> Result<char> {
    let traced = lists.iter().zip(&call.inputs).filter(|(_, value)| matches!(value, Some(Value::Traced(_))));
    let letter = output.first().copied().ok_or_else(|| call.mixes())?;
    let known = lists.iter().zip(&call.inputs).filter(|(_, value)| matches!(value, Some(Value::Known(_))));
    let first = traced.map(|(list, _)| list.first()).all(|first| first == Some(&letter));
    if first && known.map(|(list, _)| list).all(|list| !list.contains(&letter)) {
        Ok(letter)
    } else {
        Err(call.mixes())
    }
}

/// An input, summed along axes that neither the other input nor the result has.
fn operand(
    call: &mut Call<'_, '_>,
    index: usize,
    mut letters: Vec<char>,
    batch: Option<char>,
    output: &[char],
) -> Result<Operand> {
    let value = call.input(index)?.clone();
    let equation = call.string("equation", "")?;
    let is_alone = |letter: &char| !output.contains(letter) && equation.matches(*letter).count() == 1;
    let rank = match &value {
        Value::Known(tensor) => tensor.dims.len(),
        Value::Traced(traced) => call.rank(traced),
    };
    if rank != letters.len() {
        return Err(call.malformed(format!("{} letters for an input of {rank} axes", letters.len())));
    }
    let Value::Traced(x) = value else {
        return if letters.iter().any(is_alone) {
            Err(call.unsupported("a sum of a constant"))
        } else {
            Ok(Operand { value, letters })
        };
    };
    if batch.is_some() {
        letters.remove(0);
    }
    let gone: Vec<usize> = (0..letters.len()).filter(|&axis| is_alone(&letters[axis])).collect();
    let x = if gone.is_empty() { x } else { reduce(call, &x, "sum", &gone, false)? };
    letters.retain(|letter| !is_alone(letter));
    Ok(Operand { value: Value::Traced(x), letters })
}

impl Operand {
    /// The size of a letter's axis.
    fn size(&self, letter: char) -> Option<usize> {
        let place = self.letters.iter().position(|&other| other == letter)?;
        Some(match &self.value {
            Value::Known(tensor) => tensor.dims[place],
            Value::Traced(traced) => traced.dims()[place],
        })
    }

    /// The value with an axis for each of the first letters, and one for all of each of two lists behind them.
    fn matrix(
        &self,
        call: &mut Call<'_, '_>,
        common: &[char],
        rows: &[char],
        columns: &[char],
    ) -> Result<Value> {
        let order: Vec<usize> = common
            .iter()
            .chain(rows)
            .chain(columns)
            .filter_map(|letter| self.letters.iter().position(|other| other == letter))
            .collect();
        let len =
            |letters: &[char]| letters.iter().filter_map(|&letter| self.size(letter)).product::<usize>();
        let mut dims: Vec<usize> = common.iter().filter_map(|&letter| self.size(letter)).collect();
        dims.extend([len(rows), len(columns)]);
        Ok(match &self.value {
            Value::Known(tensor) => {
                Value::Known(Arc::new(call.at.transposed(tensor, &order)?.reshaped(dims)))
            }
            Value::Traced(x) => {
                let groups = order.iter().map(|&axis| x.groups[axis].clone()).collect();
                Value::Traced(regroup(call, &Traced { groups, ..x.clone() }, &dims)?)
            }
        })
    }
}

/// The product of two values, with the letters of its axes.
fn product(
    call: &mut Call<'_, '_>,
    a: &Operand,
    b: &Operand,
    batch: Option<char>,
    output: &[char],
) -> Result<(Vec<char>, Traced)> {
    let both: Vec<char> = a.letters.iter().copied().filter(|letter| b.letters.contains(letter)).collect();
    if both.iter().any(|&letter| a.size(letter) != b.size(letter)) {
        return Err(call.unsupported("axes of one letter with different sizes"));
    }
    let (common, summed): (Vec<char>, Vec<char>) = both.iter().partition(|letter| output.contains(letter));
    let own = |operand: &Operand| -> Vec<char> {
        operand.letters.iter().copied().filter(|letter| !both.contains(letter)).collect()
    };
    let (rows, columns) = (own(a), own(b));
    let mut left = a.matrix(call, &common, &rows, &summed)?;
    let mut right = b.matrix(call, &common, &summed, &columns)?;
    if batch.is_some() {
        for side in [&mut left, &mut right] {
            if let Value::Known(tensor) = side {
                let dims = [&[1], &tensor.dims[..]].concat();
                *side = Value::Known(Arc::new(call.at.copy(tensor)?.reshaped(dims)));
            }
        }
    }
    let y = multiply(call, &left, &right)?;
    let letters = [common, rows, columns].concat();
    let dims: Option<Vec<usize>> =
        letters.iter().map(|&letter| a.size(letter).or_else(|| b.size(letter))).collect();
    let y = regroup(call, &y, &dims.expect("each letter is one of the two values'"))?;
    Ok((letters, y))
}
