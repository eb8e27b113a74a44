//! Weighted sums of a few elements along one axis: gathering, repetition, interpolation.

use crate::par;

/// For each output place along an axis, the input places that it is made of and their weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// Elements of the input along the axis.
    input: usize,
    /// Where the taps of each output place start, and at the end their number.
    starts: Vec<usize>,
    taps: Vec<(usize, f32)>,
}

impl Taps {
    /// The taps of each output place, of an axis with `input` elements.
    ///
    /// # Panics
    /// If a tap lies outside.
    pub fn new(input: usize, places: impl IntoIterator<Item = Vec<(usize, f32)>>) -> Self {
        let (mut starts, mut taps) = (vec![0], Vec::new());
        for place in places {
            assert!(place.iter().all(|&(index, _)| index < input), "Taps: a tap lies outside");
            taps.extend(place);
            starts.push(taps.len());
        }
        Self { input, starts, taps }
    }

    /// Elements of the input along the axis.
    pub fn input(&self) -> usize {
        self.input
    }

    /// Elements of the output along the axis.
    pub fn output(&self) -> usize {
        self.starts.len() - 1
    }

    /// The taps of an output place.
    pub fn of(&self, place: usize) -> &[(usize, f32)] {
        &self.taps[self.starts[place]..self.starts[place + 1]]
    }

    /// The taps that carry gradients back.
    pub fn transposed(&self) -> Self {
        let mut places = vec![Vec::new(); self.input];
        for place in 0..self.output() {
            for &(index, weight) in self.of(place) {
                places[index].push((place, weight));
            }
        }
        Self::new(self.output(), places)
    }
}

/// `y[o,p,i] = Σ_taps weight · x[o,index,i]` of `x (outer, input, inner)`. A lone tap of weight 1 copies, whatever it copies.
///
/// # Panics
/// If the lengths do not fit.
pub fn blend(taps: &Taps, inner: usize, x: &[f32], y: &mut [f32]) {
    let (from, to) = (taps.input() * inner, taps.output() * inner);
    if y.is_empty() {
        return;
    }
    assert!(
        y.len().is_multiple_of(to) && x.len() == y.len() / to * from,
        "blend: lengths do not fit the axis"
    );
    par::for_each_chunk(y, inner, y.len() as u64, |start, y| {
        let (outer, place) = (start / to, start % to / inner);
        let x = &x[outer * from..][..from];
        match *taps.of(place) {
            [(index, 1.0)] => y.copy_from_slice(&x[index * inner..][..inner]),
            ref several => {
                y.fill(0.0);
                for &(index, weight) in several {
                    let x = &x[index * inner..][..inner];
                    y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
                }
            }
        }
    });
}
