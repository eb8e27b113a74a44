//! Sets made of other sets, in the manner of [tf.data](https://www.tensorflow.org/guide/data): methods of [`SampleSet`](crate::SampleSet).
//!
//! Samples keep their numbers until a batch asks for them, so all of this is lazy, takes hardly any memory (but for [`cache`](crate::SampleSet::cache)), and
//! gives the same samples on any number of threads: what is random depends on seed, epoch and the sample's number alone. There is no step for
//! shuffling, batching or prefetching a set that has numbers, because `Model::fit` does these: it visits samples in an order of its own in
//! each epoch, and has batches filled ahead. A [`Stream`](crate::Stream) has no numbers, so it brings a buffer to shuffle in.
//!
//! ```
//! use convnet_data::{SampleSet, Shares};
//! use convnet_nn::Samples;
//! let mnist = SampleSet::from(convnet_data::load("mnist")?.train);
//! let parts = mnist.take(1000).split(Shares::new(&[0.1, 0.15, 0.75])?.seed(7).stratified())?;
//! let sizes: Vec<usize> = parts.iter().map(|part| part.len()).collect();
//! assert_eq!(sizes.iter().sum::<usize>(), 1000);
//! let brighter = parts[2].map(|_visit, _index, sample| sample.inputs[0].iter_mut().for_each(|x| *x = (*x * 1.2).min(1.0)));
//! assert_eq!(brighter.len(), parts[2].len());
//! # Ok::<(), convnet_data::DataError>(())
//! ```

mod cache;
mod cache_file;
mod join;
mod map;
mod split;
mod stage;
mod targets;
mod through;
mod view;
mod weights;

pub use map::{Example, ExampleMut, random};
pub use split::Shares;
pub use weights::balanced_class_weights;

#[cfg(test)]
mod tests;
