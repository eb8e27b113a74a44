//! One training, from settings to a trained model.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use convnet::data::augment::{Augmented, Mixed};
use convnet::data::{Collection, Labelled, SampleSet, balanced_class_weights};
use convnet::interop::tensorboard::TensorBoard;
use convnet::nn::model::Compiled;
use convnet::nn::train::{Callback, Checkpoint, EarlyStopping, History, Scores};
use convnet::prelude::*;
use convnet::vision::transfer::{self, Halves};

use super::folder::RunFolder;
use super::network::Beginning;
use super::record::{self, Recorder};
use super::settings::Settings;
use crate::format::count;
use crate::models;
use crate::output::Output;
use crate::progress;
use crate::remembered;
use crate::samples;

/// A model with the data that it is to be trained on.
pub struct Session {
    /// What was asked for.
    pub settings: Settings,
    /// The data as it was opened.
    pub collection: Collection,
    /// The model.
    pub model: Model,
    train: SampleSet,
    validation: Option<SampleSet>,
    test: Option<SampleSet>,
    class_weights: Vec<f32>,
}

/// What is trained on and validated on, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Samples to train on.
    pub train: usize,
    /// Samples to validate on.
    pub validation: usize,
}

/// How a training ended.
pub struct Ended {
    /// Its epochs, those before an interruption included.
    pub history: History,
    /// Seconds that it took this time, validation included.
    pub seconds: f64,
}

impl Session {
    /// Opens model and data; the model is that of `folder`, if a training goes on.
    ///
    /// # Errors
    /// If one of them is not there, or they do not fit each other.
    pub fn open(settings: Settings, folder: Option<&RunFolder>) -> Result<Self> {
        let begun = folder.map(|folder| folder.file("model.keras")).filter(|file| file.exists());
        let mut beginning = match &begun {
            Some(file) => Beginning::Model(Box::new(models::open(&file.display().to_string())?)),
            None => Beginning::open(&settings)?,
        };
        let how = beginning.opening(&settings)?;
        let mut collection = samples::open(&settings.dataset, &how)?;
        samples::keep_back(&mut collection, settings.validation_split, settings.seed)?;
        let counts = counts(&settings, &collection);
        let steps = counts.train.div_ceil(settings.batch_size);
        let mut model = match (&begun, &mut beginning) {
            // It was prepared when the run began.
            (Some(_), Beginning::Model(opened)) => {
                let mut model =
                    std::mem::replace(&mut opened.model, Sequential::new([1]).add(Dense::new(1)).build()?);
                model.set_max_memory(settings.max_memory);
                if let Some(precision) = &settings.precision {
                    model.set_precision(precision.parse()?);
                }
                model
            }
            _ => beginning.prepare(&settings, &collection, steps)?,
        };
        remembered::keep(&mut model, &collection);
        let fit = |set: &SampleSet| samples::fit(set, &model, &collection);
        let train = fit(&collection.train)?;
        let validation = collection.validation.as_ref().map(fit).transpose()?;
        let test = collection.test.as_ref().map(fit).transpose()?;
        let class_weights = match (&settings.class_weight, collection.train.labels()) {
            (None, _) => Vec::new(),
            (Some(_), Some(labels)) => balanced_class_weights(&labels, collection.class_names.len()),
            (Some(_), None) => bail!("--class-weight: the data has no classes"),
        };
        Ok(Self { settings, collection, model, train, validation, test, class_weights })
    }

    /// How many samples there are.
    pub fn counts(&self) -> Counts {
        counts(&self.settings, &self.collection)
    }

    /// The share that `fit` cuts off the end.
    fn cut(&self) -> f64 {
        if samples::is_plain(&self.collection) { self.settings.validation_split.unwrap_or(0.0) } else { 0.0 }
    }

    /// Whether the images for tests are validated on as well.
    fn validates_on_test(&self) -> bool {
        self.cut() == 0.0 && self.validation.is_none()
    }

    /// Trains, and tells of it. What is needed to go on is kept in the folder; it goes on from there, or from the moment in the file `from`.
    ///
    /// # Errors
    /// If a sample cannot be read, a file cannot be written, or the loss is not finite any more.
    pub fn train(
        &mut self,
        folder: Option<&RunFolder>,
        from: Option<&Path>,
        output: &mut Output,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let kept = match folder {
            Some(folder) => folder.checkpoint(from)?,
            None => None,
        };
        let pipeline = self.settings.pipeline()?;
        let halves = transfer::split(&self.model).filter(|halves| {
            pipeline.is_none() && are_kept(&halves.base, self.train.len(), folder.is_some())
        });
        let validation =
            self.validation.clone().or_else(|| self.test.clone().filter(|_| self.validates_on_test()));
        if let Some(halves) = halves {
            return self.train_head(halves, validation.as_ref(), kept.as_ref(), folder, output, stop);
        }
        let classes = self.collection.class_names.len().max(1);
        let augmented = match &pipeline {
            Some(pipeline) => {
                let white = self.train.white().context("--augment: the samples are no pictures")?;
                Some(Augmented::new(&self.train, pipeline.clone())?.white(white))
            }
            None => None,
        };
        let plain: &dyn Samples =
            augmented.as_ref().map_or(&self.train as &dyn Samples, |set| set as &dyn Samples);
        let mixes = pipeline.as_ref().map_or(&[][..], |pipeline| pipeline.mixes());
        let mixed = if mixes.is_empty() { None } else { Some(Mixed::new(plain, mixes.to_vec(), classes)?) };
        let train = mixed.as_ref().map_or(plain, |set| set as &dyn Samples);
        let validation = validation.as_ref().map(|set| set as &dyn Samples);
        let course = Course {
            settings: &self.settings,
            class_weights: &self.class_weights,
            cut: self.cut(),
            noun: samples::noun(&self.collection),
            folder,
            whole: None,
        };
        course.run(&mut self.model, train, validation, kept.as_ref(), output, stop)
    }

    /// Trains what stands behind a frozen base on the features that this makes of each picture once.
    fn train_head(
        &mut self,
        halves: Halves,
        validation: Option<&SampleSet>,
        kept: Option<&Checkpoint>,
        folder: Option<&RunFolder>,
        output: &mut Output,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let Halves { base, mut head } = halves;
        let compiled = self.model.compiled().context("the model has no loss")?;
        let config = compiled.config();
        head.compile_with(Compiled::from_config(&config, &head.output_names())?)?;
        let total = self.train.len() + validation.map_or(0, SampleSet::len);
        output.line(format!(
            "The base is frozen and nothing is augmented: features of {} are computed once.",
            count(total, samples::noun(&self.collection))
        ));
        let mut bar = progress::counting(output, total);
        let base = Arc::new(base);
        let before = self.train.len();
        let train = features(&base, &self.train, "train", folder, &mut |done| bar(done))?;
        let validation = validation
            .map(|set| features(&base, set, "validation", folder, &mut |done| bar(before + done)))
            .transpose()?;
        drop(bar);
        let model = &self.model;
        let whole = |head: &Model| -> convnet::nn::Result<Model> {
            let symbols = model.symbols();
            let mut copy = Model::new(symbols.inputs(), symbols.outputs())?.named(model.name());
            copy.remember_all_of(model);
            transfer::copy_weights(head, &mut copy)?;
            copy.compile_with(Compiled::from_config(&config, &copy.output_names())?)?;
            Ok(copy)
        };
        let course = Course {
            settings: &self.settings,
            class_weights: &self.class_weights,
            cut: self.cut(),
            noun: samples::noun(&self.collection),
            folder,
            whole: Some(&whole),
        };
        let validation = validation.as_ref().map(|set| set as &dyn Samples);
        let ended = course.run(&mut head, &train, validation, kept, output, stop)?;
        transfer::copy_weights(&head, &mut self.model)?;
        Ok(ended)
    }

    /// Loss and metrics on the images for tests, if there are any, else on those kept back; their number, and what they are called.
    ///
    /// # Errors
    /// If the loss on them is not finite.
    pub fn score(&self, history: &History) -> Result<Option<(Scores, usize, &'static str)>> {
        let last = history.epochs.last();
        // Early stopping may have taken other weights than those of the last epoch.
        let is_last = self.settings.early_stopping.is_none();
        let of_last =
            || last.and_then(|log| Some(Scores { loss: log.val_loss?, metrics: log.val_metrics.clone() }));
        let scores = match (&self.test, &self.validation) {
            (Some(test), _) if self.validates_on_test() && is_last => {
                of_last().map(|scores| (scores, test.len(), "test"))
            }
            (Some(test), _) => Some((self.model.evaluate(test)?, test.len(), "test")),
            (None, Some(kept)) if is_last => of_last().map(|scores| (scores, kept.len(), "validation")),
            (None, Some(kept)) => Some((self.model.evaluate(kept)?, kept.len(), "validation")),
            (None, None) => None,
        };
        // The last step may spoil weights without a later step to notice.
        let losses = last
            .and_then(|log| log.val_loss)
            .into_iter()
            .chain(scores.iter().map(|(scores, ..)| scores.loss));
        if let Some(loss) = losses.into_iter().find(|loss| !loss.is_finite()) {
            bail!(
                "after training the loss on images that were not trained on is {loss}, nothing was saved. A lower learning rate often helps"
            );
        }
        Ok(scores)
    }

    /// What is trained on, in the form that the model takes.
    pub fn samples(&self) -> &SampleSet {
        &self.train
    }
}

/// Features that are kept at most in memory, and in a file, in numbers; with more the base is run again in each epoch.
const MAX_FEATURES: [u64; 2] = [1 << 28, 1 << 32];

/// Whether the features of so many samples are computed once.
fn are_kept(base: &Model, samples: usize, in_file: bool) -> bool {
    let each: usize = base.output_shapes()[0].dims.iter().product();
    each.checked_mul(samples).is_some_and(|numbers| numbers as u64 <= MAX_FEATURES[usize::from(in_file)])
}

/// What a base makes of samples, all of it computed now, and kept in the folder of a run or else in memory.
fn features(
    base: &Arc<Model>,
    set: &SampleSet,
    part: &str,
    folder: Option<&RunFolder>,
    told: &mut dyn FnMut(usize),
) -> Result<SampleSet> {
    let features = set.through(Arc::clone(base))?;
    let features = match folder {
        Some(folder) => features.cache_file(folder.file(&format!("features-{part}.cache")))?,
        None => features.cache(),
    };
    features.visit_all(told).context("cannot compute the features")?;
    Ok(features)
}

/// How many samples are trained on and validated on.
fn counts(settings: &Settings, collection: &Collection) -> Counts {
    let cut = if samples::is_plain(collection) { settings.validation_split.unwrap_or(0.0) } else { 0.0 };
    let all = collection.train.len();
    // As the library cuts it, so that what is announced is what happens.
    let train = (all as f64 * (1.0 - cut)) as usize;
    let validation = match (&collection.validation, &collection.test) {
        (Some(validation), _) => validation.len(),
        (None, Some(test)) if cut == 0.0 => test.len(),
        _ => all - train,
    };
    Counts { train, validation }
}

/// The training itself, of a whole model or of what stands behind a frozen base.
struct Course<'c> {
    settings: &'c Settings,
    class_weights: &'c [f32],
    cut: f64,
    /// What a sample is called.
    noun: &'static str,
    folder: Option<&'c RunFolder>,
    whole: Option<&'c dyn Fn(&Model) -> convnet::nn::Result<Model>>,
}

impl Course<'_> {
    fn run(
        &self,
        model: &mut Model,
        train: &dyn Samples,
        validation: Option<&dyn Samples>,
        kept: Option<&Checkpoint>,
        output: &mut Output,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let settings = self.settings;
        let epochs = settings.epochs();
        let keep = |checkpoint: &Checkpoint| match self.folder {
            Some(folder) => folder.keep(checkpoint, settings.keep_checkpoints),
            None => Ok(()),
        };
        let mut options = Fit::new()
            .epochs(epochs)
            .batch_size(settings.batch_size)
            .seed(settings.seed)
            .class_weight(self.class_weights)
            .stop(stop);
        options = match validation {
            Some(validation) => options.validation_data(validation),
            None => options.validation_split(self.cut),
        };
        if self.folder.is_some() {
            options = options.checkpoints(settings.often()?, &keep);
        }
        if let Some(kept) = kept {
            options = options.resume(kept);
        }
        let validated = validation.is_some() || self.cut > 0.0;
        let before = kept.map(|kept| kept.history.clone()).unwrap_or_default();
        let title = settings.title();
        let mut recorder =
            self.folder.map(|folder| Recorder::new(folder, title, self.noun, epochs, before, self.whole));
        let board = |folder| -> Result<TensorBoard> {
            Ok(TensorBoard::new(folder)?.pictures(record::pictures(train, settings.seed)?))
        };
        let mut board = settings.tensorboard.as_ref().map(board).transpose()?;
        let mut stopping = settings.early_stopping.map(|patience| {
            let watched = if validated { "val_loss" } else { "loss" };
            EarlyStopping::new(watched).patience(patience).restore_best_weights(true)
        });
        let mut told = progress::callback(output, epochs, validated, self.noun);
        let mut callbacks: Vec<&mut dyn Callback> = vec![&mut *told];
        callbacks.extend(recorder.as_mut().map(|callback| callback as &mut dyn Callback));
        callbacks.extend(board.as_mut().map(|callback| callback as &mut dyn Callback));
        callbacks.extend(stopping.as_mut().map(|callback| callback as &mut dyn Callback));
        let start = Instant::now();
        let history = model.fit_with(train, options, &mut callbacks);
        let seconds = start.elapsed().as_secs_f64();
        drop(callbacks);
        drop(told);
        let history = history.context("training stopped, nothing was saved")?;
        if let Some(stopping) = stopping.filter(|stopping| stopping.best_epoch() > 0) {
            output.line(format!("The weights are those of epoch {}, the best.", stopping.best_epoch()));
        }
        Ok(Ended { history, seconds })
    }
}

/// The last part of a path.
pub fn name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}
