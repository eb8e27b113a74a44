//! Where samples come from: when they are asked for, and what happens when they cannot be had.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Mutex;
use std::time::Duration;

use convnet_nn::layers::Dense;
use convnet_nn::losses::MeanSquaredError;
use convnet_nn::optimizers::Sgd;
use convnet_nn::train::{Batch, Samples, Visit};
use convnet_nn::{Error, Fit, Model, Result, Sequential};

/// Rows of a number, which is its own double's half; notes who asks.
struct Noted {
    len: usize,
    /// The sample that cannot be had.
    broken: Option<usize>,
    pause: Duration,
    visits: Mutex<Vec<(Visit, Vec<usize>)>>,
}

impl Noted {
    fn new(len: usize) -> Self {
        Self { len, broken: None, pause: Duration::ZERO, visits: Mutex::default() }
    }

    fn visits(&self) -> Vec<(Visit, Vec<usize>)> {
        self.visits.lock().unwrap().clone()
    }
}

impl Samples for Noted {
    fn len(&self) -> usize {
        self.len
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        vec![vec![1]]
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        vec![vec![1]]
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        self.visits.lock().unwrap().push((visit, indices.to_vec()));
        std::thread::sleep(self.pause);
        if let Some(broken) = self.broken.filter(|broken| indices.contains(broken)) {
            return Err(Error::Samples(format!("cannot read {broken}.jpg: not a picture")));
        }
        assert_eq!((batch.inputs[0].len(), batch.targets[0].len()), (indices.len(), indices.len()));
        for (at, &index) in indices.iter().enumerate() {
            (batch.inputs[0][at], batch.targets[0][at]) = (index as f32 / 10.0, index as f32 / 5.0);
        }
        Ok(())
    }
}

fn model() -> Model {
    let mut model = Sequential::new([1]).add(Dense::new(1)).build().unwrap();
    model.compile(Sgd::new(0.01), MeanSquaredError, []).unwrap();
    model
}

#[test]
fn each_epoch_visits_each_sample_once_and_says_when() {
    let (samples, validation) = (Noted::new(11), Noted::new(3));
    let options = Fit::new().epochs(3).batch_size(4).seed(5).validation_data(&validation);
    model().fit(&samples, options).unwrap();
    let visits = samples.visits();
    assert_eq!(
        visits.iter().map(|(_, indices)| indices.len()).collect::<Vec<_>>(),
        [4, 4, 3, 4, 4, 3, 4, 4, 3]
    );
    let mut orders = Vec::new();
    for (epoch, batches) in visits.chunks(3).enumerate() {
        let expected = Visit { seed: 5, epoch: epoch as u64 + 1, training: true };
        assert!(batches.iter().all(|(visit, _)| *visit == expected));
        let order: Vec<usize> = batches.iter().flat_map(|(_, indices)| indices.clone()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..11).collect::<Vec<_>>());
        orders.push(order);
    }
    assert!(orders[0] != orders[1] && orders[1] != orders[2]);
    assert_eq!(validation.visits(), vec![(Visit::default(), vec![0, 1, 2]); 3]);
}

#[test]
fn a_sample_that_cannot_be_had_ends_training_with_its_name() {
    let samples = Noted { broken: Some(7), ..Noted::new(20) };
    let mut model = model();
    let problem = model.fit(&samples, Fit::new().epochs(5).batch_size(3)).unwrap_err();
    assert_eq!(problem.to_string(), "cannot read 7.jpg: not a picture");
    let problem = model.evaluate(&samples).unwrap_err();
    assert_eq!(problem, Error::Samples("cannot read 7.jpg: not a picture".into()));
}

#[test]
fn the_time_that_steps_wait_for_samples_is_told() {
    let samples = Noted { pause: Duration::from_millis(20), ..Noted::new(8) };
    let history = model().fit(&samples, Fit::new().batch_size(2)).unwrap();
    let log = &history.epochs[0];
    assert!(log.waited > 0.04 && log.waited <= log.seconds, "{log:?}");
}

#[test]
#[should_panic(expected = "attempt to read")]
fn a_panic_of_the_samples_is_a_panic_of_training() {
    struct Panics(Noted);
    impl Samples for Panics {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn input_dims(&self) -> Vec<Vec<usize>> {
            self.0.input_dims()
        }
        fn target_dims(&self) -> Vec<Vec<usize>> {
            self.0.target_dims()
        }
        fn fill(&self, _visit: Visit, _indices: &[usize], _batch: &mut Batch) -> Result<()> {
            panic!("attempt to read");
        }
    }
    let _ = model().fit(&Panics(Noted::new(4)), Fit::new());
}
