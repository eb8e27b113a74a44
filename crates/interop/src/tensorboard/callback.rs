//! What TensorBoard shows of a training, written as it goes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use convnet_nn::train::{Callback, EpochLog, Planned};
use convnet_nn::{Error, Model};

use super::EventWriter;
use crate::Result;

/// A picture for TensorBoard: height, width and channels, and a PNG or JPEG file's bytes.
pub type Encoded = ([usize; 3], Vec<u8>);

/// Writes loss, metrics, step size and speed of each epoch, histograms of the weights that are trained, and at the beginning the model's graph and
/// pictures that were given.
///
/// As Keras's [TensorBoard](https://keras.io/api/callbacks/tensorboard/): into the folders `train` and `validation`, under Keras's tags.
///
/// ```
/// use convnet_interop::tensorboard::TensorBoard;
/// use convnet_nn::layers::Dense;
/// use convnet_nn::losses::MeanSquaredError;
/// use convnet_nn::optimizers::Sgd;
/// use convnet_nn::train::Arrays;
/// use convnet_nn::{Fit, Sequential};
/// use ndarray::Array2;
///
/// let (x, y) = (Array2::ones((8, 3)), Array2::ones((8, 1)));
/// let mut model = Sequential::new([3]).add(Dense::new(1)).build()?;
/// model.compile(Sgd::default(), MeanSquaredError, [])?;
/// let folder = std::env::temp_dir().join("convnet-tensorboard-callback");
/// let mut board = TensorBoard::new(&folder)?;
/// model.fit_with(&Arrays::new(x.view(), y.view())?, Fit::new().epochs(2), &mut [&mut board])?;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    train: EventWriter,
    validation: Option<EventWriter>,
    folder: PathBuf,
    pictures: Vec<Encoded>,
}

impl TensorBoard {
    /// Into `train` and, if there is something to validate on, `validation` below a folder, which are made.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn new(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let train = EventWriter::new(folder.join("train"))?;
        Ok(Self { train, validation: None, folder: folder.to_owned(), pictures: Vec::new() })
    }

    /// Shows pictures, such as some of those that are trained on.
    pub fn pictures(self, pictures: Vec<Encoded>) -> Self {
        Self { pictures, ..self }
    }

    fn begin(&mut self, model: &Model) -> Result<()> {
        self.train.graph(model)?;
        for (index, (size, encoded)) in std::mem::take(&mut self.pictures).into_iter().enumerate() {
            self.train.image(&format!("pictures/{index}"), 1, size, encoded)?;
        }
        Ok(())
    }

    fn epoch(&mut self, model: &Model, log: &EpochLog) -> Result<()> {
        let step = log.epoch as u64;
        self.train.scalar("epoch_loss", step, log.loss)?;
        for (name, value) in &log.metrics {
            self.train.scalar(&format!("epoch_{name}"), step, *value)?;
        }
        self.train.scalar("epoch_learning_rate", step, f64::from(log.learning_rate))?;
        self.train.scalar("images_per_second", step, log.images_per_second)?;
        if let Some(loss) = log.val_loss {
            if self.validation.is_none() {
                self.validation = Some(EventWriter::new(self.folder.join("validation"))?);
            }
            if let Some(writer) = &mut self.validation {
                writer.scalar("epoch_loss", step, loss)?;
                for (name, value) in &log.val_metrics {
                    writer.scalar(&format!("epoch_{name}"), step, *value)?;
                }
            }
        }
        for weight in model.trainable_weights() {
            let values: Vec<f32> = model.weight_values(weight).iter().copied().collect();
            self.train.histogram(&weight.path, step, &values)?;
        }
        Ok(())
    }
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::argument("TensorBoard", problem.to_string())
}

impl Callback for TensorBoard {
    fn train_begin(&mut self, model: &mut Model, planned: &Planned) -> convnet_nn::Result<()> {
        // A training that goes on has told it before.
        if planned.first_epoch > 1 {
            return Ok(());
        }
        self.begin(model).map_err(failed)
    }

    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> convnet_nn::Result<ControlFlow<()>> {
        self.epoch(model, log).map_err(failed)?;
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use convnet_nn::layers::Dense;
    use convnet_nn::losses::MeanSquaredError;
    use convnet_nn::optimizers::Sgd;
    use convnet_nn::train::Arrays;
    use convnet_nn::{Fit, Metric, Sequential};
    use ndarray::Array2;

    use super::*;

    #[test]
    fn both_folders_have_their_figures() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let folder = std::env::temp_dir().join(format!("convnet-board-{}", std::process::id()));
        let (x, y) = (Array2::ones((8, 3)), Array2::ones((8, 1)));
        let mut model = Sequential::new([3]).add(Dense::new(1)).build()?;
        model.compile(Sgd::default(), MeanSquaredError, ["mae".parse::<Metric>()?])?;
        let mut board = TensorBoard::new(&folder)?.pictures(vec![([1, 1, 1], b"picture".to_vec())]);
        let options = Fit::new().epochs(2).validation_split(0.25);
        model.fit_with(&Arrays::new(x.view(), y.view())?, options, &mut [&mut board])?;
        let read = |part: &str| -> std::io::Result<String> {
            let file = std::fs::read_dir(folder.join(part))?.next().expect("a file of events")?;
            Ok(String::from_utf8_lossy(&std::fs::read(file.path())?).into_owned())
        };
        let (train, validation) = (read("train")?, read("validation")?);
        std::fs::remove_dir_all(&folder)?;
        for tag in
            ["epoch_loss", "epoch_mean_absolute_error", "epoch_learning_rate", "dense/kernel", "pictures/0"]
        {
            assert!(train.contains(tag), "{tag}");
        }
        assert_eq!(train.matches("epoch_loss").count(), 2);
        assert!(validation.contains("epoch_mean_absolute_error") && !validation.contains("kernel"));
        Ok(())
    }
}
