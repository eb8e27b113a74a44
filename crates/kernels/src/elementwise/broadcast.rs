//! Functions of two arrays, one of which may be repeated along axes that it does not have.

use super::CHUNK;
use crate::par;
use crate::simd::vectorized;

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryFunction {
    /// a + b.
    Add,
    /// a − b.
    Subtract,
    /// a · b.
    Multiply,
    /// a / b.
    Divide,
    /// The larger one.
    Maximum,
    /// The smaller one.
    Minimum,
    /// 1 where both are the same number, else 0.
    Equal,
    /// 1 where a is the larger one, else 0.
    Greater,
    /// aᵇ.
    Power,
    /// What a division leaves, with the sign of a.
    Remainder,
    /// What a division leaves, with the sign of b.
    Modulo,
}

impl BinaryFunction {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Maximum,
        Self::Minimum,
        Self::Equal,
        Self::Greater,
        Self::Power,
        Self::Remainder,
        Self::Modulo,
    ];

    /// Name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Subtract => "subtract",
            Self::Multiply => "multiply",
            Self::Divide => "divide",
            Self::Maximum => "maximum",
            Self::Minimum => "minimum",
            Self::Equal => "equal",
            Self::Greater => "greater",
            Self::Power => "power",
            Self::Remainder => "remainder",
            Self::Modulo => "modulo",
        }
    }
}

/// How two arrays are walked through together: made once for two shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Axes outside of the runs: size, and the steps of a and b (0 where they are repeated).
    outer: Vec<(usize, [usize; 2])>,
    /// Elements of a run.
    run: usize,
    /// After how many elements of a run a and b start again; 0 if they do not.
    period: [usize; 2],
    /// Elements of a and b.
    len: [usize; 2],
}

/// Elements of a block: what is repeated is laid out that often. Two blocks stay in the first-level cache.
const BLOCK: usize = 256;

impl Broadcast {
    /// For arrays of shapes `a` and `b` with equally many axes, each of which has the same size in both, or one element in
    /// one of them.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn new(a: &[usize], b: &[usize]) -> Self {
        assert_eq!(a.len(), b.len(), "Broadcast: the shapes have different numbers of axes");
        // Neighbouring axes with the same repetitions become one. Innermost last.
        let mut axes: Vec<(usize, [bool; 2])> = Vec::new();
        for (&a, &b) in a.iter().zip(b) {
            assert!(a == b || a == 1 || b == 1, "Broadcast: sizes {a} and {b}");
            let size = if a == 1 { b } else { a };
            if size == 1 {
                continue;
            }
            let full = [a == size, b == size];
            match axes.last_mut() {
                Some((total, other)) if *other == full => *total *= size,
                _ => axes.push((size, full)),
            }
        }
        let (mut run, full) = axes.pop().unwrap_or((1, [true; 2]));
        let mut period = full.map(|full| usize::from(!full));
        let mut steps = full.map(|full| if full { run } else { 1 });
        if full == [true; 2]
            && run <= BLOCK / 2
            && let Some(&(size, full)) = axes.last()
            && full != [true; 2]
        {
            // Short runs of which one side is repeated next, such as a few channels: one long run instead.
            period = full.map(|full| if full { 0 } else { run });
            steps = [0, 1].map(|side| if full[side] { run * size } else { run });
            run *= size;
            axes.pop();
        }
        let mut outer = Vec::new();
        for &(size, full) in axes.iter().rev() {
            outer.push((size, [0, 1].map(|side| if full[side] { steps[side] } else { 0 })));
            for side in 0..2 {
                steps[side] *= if full[side] { size } else { 1 };
            }
        }
        outer.reverse();
        Self { outer, run, period, len: steps }
    }

    /// Elements of the result.
    pub fn output_len(&self) -> usize {
        self.outer.iter().map(|(size, _)| size).product::<usize>() * self.run
    }

    /// Where run `index` of a and b starts.
    fn starts(&self, mut index: usize) -> [usize; 2] {
        let mut starts = [0; 2];
        for (size, steps) in self.outer.iter().rev() {
            let place = index % size;
            index /= size;
            starts = [starts[0] + place * steps[0], starts[1] + place * steps[1]];
        }
        starts
    }

    /// Calls `work(places of a and b, start and length in the output)` for pieces of runs.
    fn for_each_piece(&self, cost: u64, work: impl Fn([usize; 2], usize, usize) + Sync + Send) {
        // A piece starts where a repeated side does.
        let period = self.period[0].max(self.period[1]).max(1);
        let piece = (CHUNK / period).max(1) * period;
        let pieces = self.run.div_ceil(piece);
        let runs = self.output_len() / self.run;
        let runs_at_once = if pieces > 1 { 1 } else { (CHUNK / self.run).max(1) };
        par::for_each(runs.div_ceil(runs_at_once) * pieces, cost, |index| {
            let first = index / pieces * runs_at_once;
            let start = index % pieces * piece;
            let length = piece.min(self.run - start);
            for run in first..(first + runs_at_once).min(runs) {
                let places = self.starts(run);
                let inside = [0, 1].map(|side| places[side] + if self.period[side] > 0 { 0 } else { start });
                work(inside, run * self.run + start, length);
            }
        });
    }

    fn check(&self, a: Option<usize>, b: Option<usize>, out: usize, what: &str) {
        assert!(
            a.is_none_or(|a| a == self.len[0]),
            "{what}: the first input does not have its shape's length"
        );
        assert!(
            b.is_none_or(|b| b == self.len[1]),
            "{what}: the second input does not have its shape's length"
        );
        assert_eq!(out, self.output_len(), "{what}: the output does not have its shape's length");
    }
}

/// One side of a run, block by block.
struct Side<'a> {
    values: &'a [f32],
    block: [f32; BLOCK],
    is_repeated: bool,
}

impl<'a> Side<'a> {
    /// The side of a piece of `length` elements from `start` on, and how many of its elements make a block.
    fn new(values: &'a [f32], start: usize, length: usize, period: usize) -> (Self, usize) {
        if period == 0 {
            return (
                Self { values: &values[start..][..length], block: [0.0; BLOCK], is_repeated: false },
                BLOCK,
            );
        }
        let mut block = [0.0; BLOCK];
        let whole = BLOCK / period * period;
        block[..whole]
            .chunks_exact_mut(period)
            .for_each(|part| part.copy_from_slice(&values[start..][..period]));
        (Self { values: &[], block, is_repeated: true }, whole)
    }

    fn block(&self, start: usize, length: usize) -> &[f32] {
        if self.is_repeated { &self.block[..length] } else { &self.values[start..][..length] }
    }
}

/// `out = f(a, b)`.
///
/// # Panics
/// If the lengths do not fit.
pub fn binary(function: BinaryFunction, broadcast: &Broadcast, a: &[f32], b: &[f32], out: &mut [f32]) {
    broadcast.check(Some(a.len()), Some(b.len()), out.len(), "binary");
    let cost = out.len() as u64 / 2;
    let shared = par::Shared::new(out);
    broadcast.for_each_piece(cost, |[a_start, b_start], start, length| {
        let (a, a_block) = Side::new(a, a_start, length, broadcast.period[0]);
        let (b, b_block) = Side::new(b, b_start, length, broadcast.period[1]);
        // SAFETY: pieces do not overlap.
        let out = unsafe { shared.part(start, length) };
        let step = a_block.min(b_block);
        for (index, out) in out.chunks_mut(step).enumerate() {
            let (at, length) = (index * step, out.len());
            combine(function, a.block(at, length), b.block(at, length), out);
        }
    });
}

/// As [`binary`], where `out` holds a, which has the shape of the result.
///
/// # Panics
/// If the lengths do not fit, or a is repeated.
pub fn binary_in_place(function: BinaryFunction, broadcast: &Broadcast, b: &[f32], out: &mut [f32]) {
    broadcast.check(Some(out.len()), Some(b.len()), out.len(), "binary_in_place");
    let cost = out.len() as u64 / 2;
    let shared = par::Shared::new(out);
    broadcast.for_each_piece(cost, |[_, b_start], start, length| {
        let (b, step) = Side::new(b, b_start, length, broadcast.period[1]);
        // SAFETY: pieces do not overlap.
        let out = unsafe { shared.part(start, length) };
        let mut old = [0.0; BLOCK];
        for (index, out) in out.chunks_mut(step).enumerate() {
            let (at, length) = (index * step, out.len());
            old[..length].copy_from_slice(out);
            combine(function, &old[..length], b.block(at, length), out);
        }
    });
}

/// `out` is a, repeated along the axes that only the second shape has.
///
/// # Panics
/// If the lengths do not fit.
pub fn expand(broadcast: &Broadcast, a: &[f32], out: &mut [f32]) {
    broadcast.check(Some(a.len()), None, out.len(), "expand");
    let cost = out.len() as u64 / 4;
    let shared = par::Shared::new(out);
    broadcast.for_each_piece(cost, |[a_start, _], start, length| {
        let (a, step) = Side::new(a, a_start, length, broadcast.period[0]);
        // SAFETY: pieces do not overlap.
        let out = unsafe { shared.part(start, length) };
        for (index, out) in out.chunks_mut(step).enumerate() {
            out.copy_from_slice(a.block(index * step, out.len()));
        }
    });
}

/// What a division leaves, with the sign of b.
#[inline(always)]
fn modulo(a: f32, b: f32) -> f32 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}

vectorized! {
    fn combine(function: BinaryFunction, a: &[f32], b: &[f32], out: &mut [f32]) {
        let all = out.iter_mut().zip(a.iter().zip(b));
        match function {
            BinaryFunction::Add => all.for_each(|(out, (a, b))| *out = a + b),
            BinaryFunction::Subtract => all.for_each(|(out, (a, b))| *out = a - b),
            BinaryFunction::Multiply => all.for_each(|(out, (a, b))| *out = a * b),
            BinaryFunction::Divide => all.for_each(|(out, (a, b))| *out = a / b),
            // A NaN on either side stays one.
            BinaryFunction::Maximum => all.for_each(|(out, (&a, &b))| *out = if a > b || a.is_nan() { a } else { b }),
            BinaryFunction::Minimum => all.for_each(|(out, (&a, &b))| *out = if a < b || a.is_nan() { a } else { b }),
            BinaryFunction::Equal => all.for_each(|(out, (a, b))| *out = if a == b { 1.0 } else { 0.0 }),
            BinaryFunction::Greater => all.for_each(|(out, (a, b))| *out = if a > b { 1.0 } else { 0.0 }),
            BinaryFunction::Power => all.for_each(|(out, (a, b))| *out = a.powf(*b)),
            BinaryFunction::Remainder => all.for_each(|(out, (a, b))| *out = a % b),
            BinaryFunction::Modulo => all.for_each(|(out, (a, b))| *out = modulo(*a, *b)),
        }
    }
}
