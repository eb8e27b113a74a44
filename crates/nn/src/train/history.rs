//! What happened in training, epoch by epoch.

/// The figures of one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochLog {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean loss over the epoch's samples, each before the update it led to.
    pub loss: f64,
    /// Names and means of the metrics.
    pub metrics: Vec<(String, f64)>,
    /// Loss on the validation data, if there is any.
    pub val_loss: Option<f64>,
    /// Metrics on the validation data.
    pub val_metrics: Vec<(String, f64)>,
    /// Time of the epoch's steps, validation not counted.
    pub seconds: f64,
    /// Seconds of these in which a step waited for its batch: reading and decoding are the bottleneck if they are many.
    pub waited: f64,
    /// Samples trained on in a second.
    pub images_per_second: f64,
}

impl EpochLog {
    /// A metric by name.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }

    /// A metric on the validation data by name.
    pub fn val_metric(&self, name: &str) -> Option<f64> {
        self.val_metrics.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }
}

/// The figures of a training, as Keras's `History`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// One entry an epoch.
    pub epochs: Vec<EpochLog>,
}
