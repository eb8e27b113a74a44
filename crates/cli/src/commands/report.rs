//! `convnet report`: a run as one page.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use convnet::data::{Collection, Labelled, SampleSet, images};
use convnet::interop::atomic;
use convnet::nn::train::{Batch, Visit};
use convnet::prelude::*;
use convnet::vision::charts;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::arguments::Running;
use crate::format::{count, duration, thousands};
use crate::html::{self, Page, escaped};
use crate::judge::{Judgement, Verdict};
use crate::models;
use crate::samples;
use crate::training::folder::{Outcome, RunFolder, columns};
use crate::training::session::name;
use crate::training::settings::Settings;

/// Make one page of a run: curves, confusion matrix, worst mistakes, configuration
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The page is a single file without scripts: pictures and curves are inside. It judges the model on the images for tests, or where there are none
on those that were kept back for validation, and shows the mistakes of which the model was surest. The data must still be where it was.

Example:
  convnet train photos/ --model mobilenet-v2 --weights mobilenet_v2.h5 --freeze base --run run1
  convnet report run1")]
pub struct Args {
    /// Folder that `convnet train --run` made
    #[arg(value_name = "RUN")]
    folder: PathBuf,
    /// Where to write the page [default: report.html in the folder]
    #[arg(long, value_name = "FILE.html")]
    output: Option<PathBuf>,
    /// So many of the worst mistakes
    #[arg(long, value_name = "N", default_value_t = 24)]
    mistakes: usize,
    #[command(flatten)]
    running: Running,
}

#[derive(Serialize)]
struct Report {
    run: String,
    output: String,
    part: &'static str,
    images: usize,
    accuracy: f64,
    mistakes: usize,
    #[serde(skip)]
    noun: &'static str,
}

/// Classes whose curves are still told apart.
const MAX_CURVES: usize = 12;

/// Classes whose confusion matrix is still seen.
const MAX_MATRIX: usize = 120;

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = self.running.start()?;
        let (folder, settings) = RunFolder::open(&self.folder)?;
        let history = folder.read_history()?;
        let (mut model, state) = kept_model(&folder)?;
        let mut outcome = folder.outcome_or(&settings)?;
        if model.compiled().is_none() {
            models::compile_default(&mut model)?;
        }
        let mut how = samples::opening_for(&model, settings.seed)?;
        if settings.skip_broken {
            samples::skip_broken(&mut how);
        }
        let mut collection = samples::open(&settings.dataset, &how)?;
        if outcome.data.is_empty() {
            outcome.data.clone_from(&collection.name);
        }
        if outcome.parameters == 0 {
            outcome.parameters = model.count_params();
        }
        samples::keep_back(&mut collection, settings.validation_split, settings.seed)?;
        let (set, part) = samples::judged(&collection);
        let fitted = samples::fit(set, &model, &collection)?;
        let judgement = Judgement::of(&model, &fitted, &collection.class_names)?;
        let worst = judgement.mistakes();
        let page = Contents {
            settings: &settings,
            outcome: &outcome,
            history: &history,
            judgement: &judgement,
            part,
            noun: samples::noun(&collection),
            state,
        };
        let pictures = pictures(&collection, set, &worst[..worst.len().min(self.mistakes)], &judgement.classes)?;
        let file = self.output.clone().unwrap_or_else(|| folder.file("report.html"));
        atomic::write(&file, page.html(&model, pictures.as_deref()).as_bytes())?;
        output.result(&Report {
            run: self.folder.display().to_string(),
            output: file.display().to_string(),
            part,
            images: fitted.len(),
            accuracy: judgement.accuracy(),
            mistakes: worst.len(),
            noun: samples::noun(&collection),
        });
        output.finish()
    }
}

/// The model of a run as far as it has come, and what is to be said of it.
///
/// # Errors
/// If there is none, or it cannot be read.
fn kept_model(folder: &RunFolder) -> Result<(Model, &'static str)> {
    convnet::vision::layers::register();
    let open = |name: &str| load_model(folder.file(name)).context("cannot open the model");
    if folder.outcome().is_ok_and(|outcome| outcome.finished) {
        return Ok((open("model.keras")?, ""));
    }
    // Of a run that was ended before its time, model.keras is as it was at the beginning.
    if folder.file("best.keras").exists() {
        return Ok((open("best.keras")?, " The run has not been trained to its end; this is its best epoch so far."));
    }
    let mut model = open("model.keras")?;
    let Some(checkpoint) = folder.checkpoint(None)? else {
        return Ok((model, " The run ended before anything was kept of it; this is the model as it was at the beginning."));
    };
    // Of a frozen base only the head is in the checkpoint.
    convnet::vision::transfer::copy_weights(&checkpoint.to_model()?, &mut model)?;
    Ok((model, " The run has not been trained to its end; this is its last checkpoint."))
}

/// What stands on the page.
struct Contents<'r> {
    settings: &'r Settings,
    outcome: &'r Outcome,
    history: &'r [Map<String, Json>],
    judgement: &'r Judgement,
    part: &'static str,
    noun: &'static str,
    /// What the model is, if not that of a training that has ended.
    state: &'static str,
}

impl Contents<'_> {
    fn html(&self, model: &Model, mistakes: Option<&str>) -> String {
        let (outcome, judgement) = (self.outcome, self.judgement);
        let title = format!("{} on {}", name(&self.settings.model), outcome.data);
        let part = match self.part {
            "test" => "for tests",
            "validation" => "kept back for validation",
            _ => "that were trained on",
        };
        let lead = format!("Judged on {} {part}.{}", count(judgement.verdicts.len(), self.noun), self.state);
        let mut page = Page::new(&title, &lead);
        let figures = vec![
            (format!("{:.2} %", 100.0 * judgement.accuracy()), "accuracy"),
            (count(judgement.mistakes().len(), "mistake"), "of the model"),
            (count(outcome.images, self.noun), "trained on"),
            (self.history.len().to_string(), "epochs"),
            (duration(outcome.seconds), "of training"),
            (thousands(outcome.parameters as u64), "parameters"),
        ];
        page.figures(&figures);
        if !self.history.is_empty() {
            page.section("Curves", &html::svg(&charts::curves("", &columns(self.history)).to_svg()));
        }
        if judgement.classes.len() <= MAX_MATRIX {
            let matrix = charts::confusion("", &judgement.classes, &judgement.counts);
            page.section("Confusion matrix", &html::svg(&matrix.to_svg()));
        }
        page.section("Classes", &self.classes());
        let curves = judgement.curves();
        if !curves.is_empty() && curves.len() <= MAX_CURVES {
            let chart = charts::roc("each class against all others", &curves);
            page.section("Receiver operating characteristic", &html::svg(&chart.to_svg()));
        }
        if let Some(mistakes) = mistakes {
            page.section("Worst mistakes", mistakes);
        }
        page.section("Epochs", &self.epochs());
        page.section("Configuration", &self.configuration(model));
        page.finish(&format!("Made by convnet {} from the run's folder.", env!("CARGO_PKG_VERSION")))
    }

    fn classes(&self) -> String {
        let rows: Vec<Vec<String>> = (self.judgement.rows().into_iter())
            .map(|row| {
                let share = |share: f64| format!("{share:.4}");
                vec![escaped(&row.class), share(row.precision), share(row.recall), share(row.f1), thousands(row.samples)]
            })
            .collect();
        html::table(&["class", "#precision", "#recall", "#F1", &format!("#{}s", self.noun)], &rows)
    }

    fn epochs(&self) -> String {
        let mut heads: Vec<String> = Vec::new();
        for name in self.history.iter().flat_map(Map::keys) {
            if !heads.iter().any(|known| known[1..] == **name) {
                heads.push(format!("#{name}"));
            }
        }
        let cell = |value: Option<&Json>| match value {
            Some(Json::Number(number)) if number.is_u64() => number.to_string(),
            Some(value) => value.as_f64().map_or_else(String::new, |number| format!("{:.4}", Shown(number))),
            None => String::new(),
        };
        let row = |row: &Map<String, Json>| heads.iter().map(|head| cell(row.get(&head[1..]))).collect();
        let rows: Vec<Vec<String>> = self.history.iter().map(row).collect();
        html::table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
    }

    fn configuration(&self, model: &Model) -> String {
        let outcome = self.outcome;
        let mut rows: Vec<[String; 2]> = vec![
            ["seed".into(), outcome.seed.to_string()],
            ["machine".into(), format!("{}, {}, {}", outcome.machine, outcome.isa, count(outcome.threads, "thread"))],
            ["program".into(), format!("convnet {}", outcome.version)],
            ["layers".into(), model.layers().len().to_string()],
            ["trained parameters".into(), thousands(model.trainable_weights().map(convnet::nn::Weight::len).sum::<usize>() as u64)],
        ];
        if let Some(compiled) = model.compiled() {
            rows.push(["optimizer".into(), compiled.optimizer.class_name().into()]);
            rows.push(["loss".into(), compiled.loss().map_or("none", |loss| loss.class_name()).into()]);
        }
        let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
        let settings = self.settings.to_toml().unwrap_or_default();
        format!("{}\n<h3>settings.toml</h3>\n<pre>{}</pre>", html::table(&["", ""], &rows), escaped(&settings))
    }
}

/// A number with as many digits as say something: small ones as powers of ten.
struct Shown(f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        let decimals = f.precision().unwrap_or(4);
        match size != 0.0 && !(1e-3..1e6).contains(&size) {
            true => write!(f, "{:.2e}", self.0),
            false => write!(f, "{:.decimals$}", self.0),
        }
    }
}

/// The pictures of mistakes, as the model sees them, with what it took them for. `None` if samples are no pictures.
fn pictures(collection: &Collection, set: &SampleSet, worst: &[Verdict], classes: &[String]) -> Result<Option<String>> {
    let Some(shape) = collection.image_shape().filter(|shape| matches!(shape.channels, 1 | 3)) else { return Ok(None) };
    if worst.is_empty() {
        return Ok(Some("<p>There are none.</p>".into()));
    }
    let white = set.white().unwrap_or(1.0);
    let mut grid = String::from("<div class=\"grid\">\n");
    for verdict in worst {
        let mut batch = Batch::new(set, 1);
        set.fill(Visit::default(), &[verdict.sample], &mut batch)?;
        let byte = |value: &f32| (value / white * 255.0).round().clamp(0.0, 255.0) as u8;
        let bytes: Vec<u8> = batch.inputs[0].iter().map(byte).collect();
        let png = images::encode_png(&bytes, shape.width, shape.height, shape.channels)?;
        let origin = set.origin(verdict.sample).unwrap_or_else(|| format!("number {}", verdict.sample));
        let small = if shape.width < 100 { " class=\"small\"" } else { "" };
        grid += &format!(
            "<figure><img{small} alt=\"{alt}\" src=\"{uri}\"><figcaption><span class=\"wrong\">{taken}</span> {sure:.1} %<br>\
             <span class=\"right\">{truth}</span> {of_truth:.1} %<br>{file}</figcaption></figure>\n",
            alt = escaped(&origin),
            uri = html::data_uri("image/png", &png),
            taken = escaped(&classes[verdict.taken]),
            sure = 100.0 * verdict.probability,
            truth = escaped(&classes[verdict.truth]),
            of_truth = 100.0 * verdict.of_truth,
            file = escaped(name(&origin)),
        );
    }
    grid += "</div>\n<p>Above what the model took it for, below what it is, each with the probability that the model gave.</p>";
    Ok(Some(grid))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Accuracy {:.4} on {} ({}), {}. Written to {}.",
            self.accuracy,
            count(self.images, self.noun),
            self.part,
            count(self.mistakes, "mistake"),
            self.output
        )
    }
}
