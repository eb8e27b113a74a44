//! Samples from a user's own iterator.

use std::sync::{Mutex, PoisonError};

use convnet_nn::Samples;
use convnet_nn::engine::kernels::random::Philox;
use convnet_nn::train::{Batch, Visit};

use crate::{DataError, Labelled, Result};

/// A sample of a [`Stream`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamSample {
    /// The values of each input, of the stream's input sizes.
    pub inputs: Vec<Vec<f32>>,
    /// The values of each target.
    pub targets: Vec<Vec<f32>>,
}

impl StreamSample {
    /// A sample with one input and a class number.
    pub fn labelled(input: Vec<f32>, label: u32) -> Self {
        Self { inputs: vec![input], targets: vec![vec![label as f32]] }
    }
}

type Source = Box<dyn Iterator<Item = Result<StreamSample>> + Send>;
type Start = Box<dyn Fn(Visit) -> Source + Send + Sync>;

/// Samples without numbers, as an iterator gives them: so many make an epoch. Keras's `fit(generator, steps_per_epoch=…)`.
///
/// A training visits an epoch's samples in the iterator's order, whatever numbers it asks for, so switch `Fit::shuffle` off or leave it, and use
/// [`shuffle`](Self::shuffle). When the iterator ends before the epoch does, it is begun again. Split off validation data in the iterator, not by
/// `Fit::validation_split`.
///
/// ```
/// use convnet_data::{Stream, StreamSample};
/// // Each epoch begins anew, so that a training that is resumed sees the same samples.
/// let noise = Stream::new(640, vec![vec![4]], vec![vec![]], |visit| {
///     (0..).map(move |i| Ok(StreamSample::labelled(vec![(visit.epoch * 1000 + i) as f32; 4], 1)))
/// });
/// # use convnet_nn::Samples;
/// assert_eq!(noise.len(), 640);
/// ```
pub struct Stream {
    epoch_len: usize,
    input_dims: Vec<Vec<usize>>,
    target_dims: Vec<Vec<usize>>,
    start: Start,
    buffer: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    visit: Option<Visit>,
    source: Option<Source>,
    /// Samples given in this epoch.
    given: usize,
    /// Samples that wait for their turn, if they are shuffled.
    waiting: Vec<StreamSample>,
    /// Samples drawn from `waiting`.
    drawn: u64,
}

/// Stream of random numbers for buffers, counted up by epochs.
const BUFFER_STREAM: u64 = 1 << 62;

impl Stream {
    /// `epoch_len` samples an epoch (steps times the batch size) of these sizes, from the iterator that `start` makes for each epoch. Items may be errors, which end
    /// the training.
    pub fn new<I>(
        epoch_len: usize,
        input_dims: Vec<Vec<usize>>,
        target_dims: Vec<Vec<usize>>,
        start: impl Fn(Visit) -> I + Send + Sync + 'static,
    ) -> Self
    where
        I: Iterator<Item = Result<StreamSample>> + Send + 'static,
    {
        let start: Start = Box::new(move |visit| Box::new(start(visit)));
        Self { epoch_len, input_dims, target_dims, start, buffer: 1, state: Mutex::default() }
    }

    /// As [`new`](Self::new), from one iterator that goes on from epoch to epoch. Such a training cannot be resumed to the same bits.
    pub fn endless(
        epoch_len: usize,
        input_dims: Vec<Vec<usize>>,
        target_dims: Vec<Vec<usize>>,
        iterator: impl Iterator<Item = Result<StreamSample>> + Send + 'static,
    ) -> Self {
        let shared = std::sync::Arc::new(Mutex::new(iterator));
        Self::new(epoch_len, input_dims, target_dims, move |_| {
            let shared = shared.clone();
            std::iter::from_fn(move || shared.lock().unwrap_or_else(PoisonError::into_inner).next())
        })
    }

    /// Lets `buffer` samples wait and draws the next from them by chance, of the training's seed and the epoch. tf.data's `shuffle(buffer_size)`.
    pub fn shuffle(self, buffer: usize) -> Self {
        Self { buffer: buffer.max(1), ..self }
    }

    fn check(&self, sample: StreamSample) -> Result<StreamSample> {
        let fits = |values: &[Vec<f32>], dims: &[Vec<usize>]| {
            let pairs = values.iter().zip(dims);
            values.len() == dims.len()
                && pairs.into_iter().all(|(v, d)| v.len() == d.iter().product::<usize>())
        };
        if fits(&sample.inputs, &self.input_dims) && fits(&sample.targets, &self.target_dims) {
            return Ok(sample);
        }
        let lengths = |values: &[Vec<f32>]| values.iter().map(Vec::len).collect::<Vec<_>>();
        let (inputs, targets) = (lengths(&sample.inputs), lengths(&sample.targets));
        Err(DataError::Shape {
            what: "sample of a stream",
            expected: format!("inputs {:?}, targets {:?}", self.input_dims, self.target_dims),
            received: format!("{inputs:?} and {targets:?} values"),
        })
    }

    /// The iterator's next, begun again when it has ended.
    fn pull(&self, state: &mut State, visit: Visit) -> Result<StreamSample> {
        for _ in 0..2 {
            let source = state.source.get_or_insert_with(|| (self.start)(visit));
            match source.next() {
                Some(sample) => return self.check(sample?),
                None => state.source = None,
            }
        }
        Err(DataError::Shape {
            what: "stream",
            expected: "at least one sample".into(),
            received: "none".into(),
        })
    }

    fn next(&self, state: &mut State, visit: Visit) -> Result<StreamSample> {
        while state.waiting.len() < self.buffer {
            let sample = self.pull(state, visit)?;
            state.waiting.push(sample);
        }
        let word = Philox::new(visit.seed, BUFFER_STREAM + visit.epoch).word(state.drawn);
        state.drawn += 1;
        let place = (u64::from(word) * state.waiting.len() as u64) >> 32;
        Ok(state.waiting.swap_remove(place as usize))
    }
}

impl Samples for Stream {
    fn len(&self) -> usize {
        self.epoch_len
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.input_dims.clone()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.target_dims.clone()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.visit != Some(visit) || state.given + indices.len() > self.epoch_len {
            *state = State { visit: Some(visit), ..State::default() };
        }
        for place in 0..indices.len() {
            let sample = self.next(&mut state, visit)?;
            let slabs = batch.inputs.iter_mut().zip(&sample.inputs);
            for (slab, values) in slabs.chain(batch.targets.iter_mut().zip(&sample.targets)) {
                slab[place * values.len()..][..values.len()].copy_from_slice(values);
            }
        }
        state.given += indices.len();
        Ok(())
    }
}

impl Labelled for Stream {}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({} samples an epoch, inputs {:?})", self.epoch_len, self.input_dims)
    }
}
