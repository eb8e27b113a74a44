//! Products of two tensors, summed as Einstein wrote it.

use convnet_engine::ops::{self, MatMul};
use convnet_engine::{EngineError, Value};

use super::call::Call;
use crate::layer::LayerContext;

type Made<T> = Result<T, EngineError>;

/// Two terms and a result whose axes a value can have do not need more letters.
const MAX_TEXT: usize = 1024;

/// `einsum("bij,bkj->bik", x, y)` and the like: each letter at most once in a term, the batch in front of all.
pub(super) fn apply(call: &Call<'_>, at: &mut LayerContext<'_>) -> Made<Vec<Value>> {
    let text: String =
        call.get("subscripts").and_then(serde_json::Value::as_str).unwrap_or_default().replace(' ', "");
    let parts: Option<(&str, &str, &str)> = text
        .split_once("->")
        .filter(|_| text.len() <= MAX_TEXT)
        .and_then(|(inputs, output)| inputs.split_once(',').map(|(a, b)| (a, b, output)));
    let refuse = |at: &LayerContext<'_>| {
        call.refuse(
            at,
            "two terms and a result of which each begins with the batch, such as `bij,bjk->bik`",
            &text,
        )
    };
    let (Some((a, b, output)), &[x, y]) = (parts, call.inputs) else { return refuse(at) };
    let batch = a.chars().next();
    let once = |term: &str| term.char_indices().all(|(place, letter)| term.find(letter) == Some(place));
    let good =
        |term: &str| term.chars().next() == batch && once(term) && term.chars().all(char::is_alphabetic);
    let fits = |term: &str, value: Value| at.graph.shape(value).dims.len() + 1 == term.chars().count();
    if ![a, b, output].into_iter().all(good) || !fits(a, x) || !fits(b, y) {
        return refuse(at);
    }
    let [a, b, output] = [a, b, output].map(|term| term.chars().skip(1).collect::<Vec<_>>());
    let all: Vec<char> = a.iter().chain(&b).copied().collect();
    let kind = |in_a: bool, in_b: bool, stays: bool| -> Vec<char> {
        let mut seen = Vec::new();
        for &letter in &all {
            let found = (a.contains(&letter), b.contains(&letter), output.contains(&letter));
            if found == (in_a, in_b, stays) && !seen.contains(&letter) {
                seen.push(letter);
            }
        }
        seen
    };
    let (both, left, right, summed) =
        (kind(true, true, true), kind(true, false, true), kind(false, true, true), kind(true, true, false));
    let alone = !kind(true, false, false).is_empty() || !kind(false, true, false).is_empty();
    if alone || output.iter().any(|letter| !all.contains(letter)) {
        return refuse(at);
    }
    let size = |at: &LayerContext<'_>, letter: &char| {
        let of = |term: &[char], value| {
            term.iter().position(|other| other == letter).map(|axis| at.graph.shape(value).dims[axis])
        };
        of(&a, x).or_else(|| of(&b, y)).unwrap_or(1)
    };
    let sizes = |at: &LayerContext<'_>, letters: &[char]| {
        letters.iter().map(|letter| size(at, letter)).collect::<Vec<_>>()
    };
    let matrix = |at: &mut LayerContext<'_>, value: Value, term: &[char], rows: &[char], columns: &[char]| {
        let order = both.iter().chain(rows).chain(columns);
        let axes = order.filter_map(|letter| term.iter().position(|other| other == letter)).collect();
        let turned = at.graph.apply(ops::Permute { axes }, &[value])?;
        let mut dims = sizes(at, &both);
        dims.extend([rows, columns].map(|letters| sizes(at, letters).iter().product::<usize>()));
        call.reshaped(at, turned, dims)
    };
    let p = matrix(at, x, &a, &left, &summed)?;
    let q = matrix(at, y, &b, &summed, &right)?;
    let product = at.graph.apply(MatMul, &[p, q])?;
    let letters = [&both[..], &left, &right].concat();
    let dims = sizes(at, &letters);
    let product = call.reshaped(at, product, dims)?;
    let axes = output.iter().filter_map(|letter| letters.iter().position(|other| other == letter)).collect();
    Ok(vec![at.graph.apply(ops::Permute { axes }, &[product])?])
}
