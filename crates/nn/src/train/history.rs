//! What happened in training, epoch by epoch.

use super::Place;

/// The figures of one epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochLog {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean loss over the epoch's samples, each before the update it led to.
    pub loss: f64,
    /// Names and means of the metrics; of a model with several outputs first the outputs' losses.
    pub metrics: Vec<(String, f64)>,
    /// Loss on the validation data, if there is any.
    pub val_loss: Option<f64>,
    /// Metrics on the validation data.
    pub val_metrics: Vec<(String, f64)>,
    /// The optimizer's step size at the epoch's end.
    pub learning_rate: f32,
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

    /// All figures under Keras's names: `loss`, metrics, `val_loss`, metrics on the validation data as `val_NAME`, `learning_rate`.
    pub fn figures(&self) -> Vec<(String, f64)> {
        let mut figures = vec![("loss".to_owned(), self.loss)];
        figures.extend(self.metrics.iter().cloned());
        figures.extend(self.val_loss.map(|loss| ("val_loss".to_owned(), loss)));
        figures.extend(self.val_metrics.iter().map(|(name, value)| (format!("val_{name}"), *value)));
        // The shortest number that is this rate, not its 17 digits as a double.
        let rate = self.learning_rate.to_string().parse().unwrap_or_else(|_| f64::from(self.learning_rate));
        figures.push(("learning_rate".to_owned(), rate));
        figures
    }

    /// A line of names, as [`EpochLog::csv_line`] has figures.
    pub(super) fn csv_head(&self, separator: char) -> String {
        let names = self.figures().into_iter().map(|(name, _)| name);
        let names: Vec<String> =
            ["epoch".to_owned()].into_iter().chain(names).chain(["seconds".to_owned()]).collect();
        names.join(&separator.to_string()) + "\n"
    }

    /// The figures as a line, the epoch first and the seconds last.
    pub(super) fn csv_line(&self, separator: char) -> String {
        let mut line = self.epoch.to_string();
        for (_, value) in self.figures().into_iter().chain([(String::new(), self.seconds)]) {
            line.push(separator);
            line += &value.to_string();
        }
        line + "\n"
    }
}

/// The figures of a training, as Keras's [History](https://keras.io/api/models/model_training_apis/#fit-method).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// One entry an epoch.
    pub epochs: Vec<EpochLog>,
    /// Where training was stopped before its end: by a flag, or by a callback after a step.
    pub stopped: Option<Place>,
}

impl History {
    /// The values of a figure, an epoch after the other: Keras's `history.history[name]`. Names are those of [`EpochLog::figures`].
    pub fn values(&self, name: &str) -> Vec<f64> {
        let value = |log: &EpochLog| log.figures().into_iter().find(|(known, _)| known == name);
        self.epochs.iter().filter_map(value).map(|(_, value)| value).collect()
    }

    /// All figures with their values: Keras's `history.history`.
    pub fn table(&self) -> Vec<(String, Vec<f64>)> {
        let names = self.epochs.last().map(EpochLog::figures).unwrap_or_default();
        names.into_iter().map(|(name, _)| (name.clone(), self.values(&name))).collect()
    }

    /// A line of names and a line an epoch, with commas between: `epoch,loss,…,learning_rate,seconds`.
    pub fn to_csv(&self) -> String {
        let head = self.epochs.last().map_or_else(String::new, |log| log.csv_head(','));
        self.epochs.iter().fold(head, |text, log| text + &log.csv_line(','))
    }
}
