//! Models described in TOML, for people who write no Rust: layers in a row with Keras's names and arguments.
//!
//! ```toml
//! name = "my-net"                 # optional
//! input_shape = [28, 28, 1]       # height, width, channels
//! precision = "f32"               # optional; or bf16, which halves the memory for activations in training
//!
//! [[layers]]
//! type = "Conv2D"                 # Keras's class name; then its arguments
//! filters = 32
//! kernel_size = 3
//! activation = "relu"
//!
//! [compile]                       # optional
//! optimizer = { name = "adam", learning_rate = 0.001 }    # or just a name
//! loss = "sparse_categorical_crossentropy"                # likewise
//! metrics = ["accuracy", { name = "auc", curve = "PR" }]
//! ```

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use convnet::nn::model::{self, Compiled};
use convnet::nn::{layers, losses, metrics, optimizers};
use convnet::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use toml::Spanned;

/// Descriptions are small; more than this is some other file.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: Option<String>,
    input_shape: Vec<usize>,
    precision: Option<String>,
    layers: Vec<Spanned<toml::Table>>,
    compile: Option<Compile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compile {
    optimizer: Option<toml::Value>,
    loss: toml::Value,
    metrics: Option<Vec<toml::Value>>,
}

/// A class and its arguments.
type Layer = (String, Map<String, Json>);

/// The model that a file describes, with fresh weights; compiled if the file says how.
///
/// # Errors
/// With the file's name, and the line where a layer is to blame: no such file, not TOML, unknown keys, layers or arguments,
/// layers that do not fit each other.
pub fn read(path: &Path) -> Result<Model> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size > MAX_BYTES {
        bail!("{}: too large for a model description ({size} bytes)", path.display());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text, &path.display().to_string())
}

/// Elements of weights that a description may ask for: 4 GiB. The largest network of the zoo has a third.
const MAX_NUMBERS: usize = 1 << 30;

/// The model that a text describes; `file` is what its errors call it.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, file: &str) -> Result<Model> {
    let described: Description =
        toml::from_str(text).map_err(|problem| anyhow!("{file}: {}", problem.to_string().trim_end()))?;
    let place = |index: usize| {
        let entry = &described.layers[index];
        let line = text[..entry.span().start].matches('\n').count() + 1;
        let class = entry.get_ref().get("type").and_then(toml::Value::as_str).unwrap_or("no type");
        format!("{file}, line {line}: layers[{index}] ({class})")
    };
    let mut made: Vec<Layer> = Vec::new();
    for (index, entry) in described.layers.iter().enumerate() {
        made.push(layer(entry.get_ref()).with_context(|| place(index))?);
    }
    let build = |count: usize| {
        model::from_layers_within(&described.input_shape, made[..count].iter().cloned(), MAX_NUMBERS)
    };
    let mut model = build(made.len()).map_err(|problem| {
        // The library's error has the layer's name, which in a long file does not tell which of many is meant.
        match (1..=made.len()).find(|&count| build(count).is_err()) {
            Some(count) => anyhow!(problem).context(place(count - 1)),
            None => anyhow!(problem).context(file.to_owned()),
        }
    })?;
    if let Some(name) = described.name {
        model = model.named(name);
    }
    if let Some(precision) = described.precision {
        model.set_precision(precision.parse().with_context(|| format!("{file}: precision"))?);
    }
    if let Some(compile) = described.compile {
        let compiled = compiled(compile).with_context(|| format!("{file}: [compile]"))?;
        model.compile_with(compiled).with_context(|| format!("{file}: [compile]"))?;
    }
    Ok(model)
}

fn layer(entry: &toml::Table) -> Result<Layer> {
    let mut arguments = to_json(entry)?;
    let class = match arguments.shift_remove("type") {
        Some(Json::String(class)) => class,
        Some(other) => bail!("type must be the name of a layer, got {other}"),
        None => bail!("a layer needs a type, such as type = \"Conv2D\""),
    };
    // Made here once to find what is wrong with it alone.
    layers::from_config(&class, arguments.clone())?;
    Ok((class, arguments))
}

fn compiled(compile: Compile) -> Result<Compiled> {
    let (optimizer, arguments) = match &compile.optimizer {
        Some(given) => named(given, "optimizer")?,
        None => ("rmsprop".into(), Map::new()),
    };
    let optimizer = optimizers::from_config(&optimizer, &arguments)?;
    let (loss, arguments) = named(&compile.loss, "loss")?;
    let loss = losses::from_config(&loss, &arguments)?;
    let metrics = compile.metrics.unwrap_or_else(|| vec!["accuracy".into()]);
    let metric = |given: &toml::Value| {
        let (metric, arguments) = named(given, "metrics")?;
        Ok(metrics::from_config(&metric, &arguments)?)
    };
    let metrics = metrics.iter().map(metric).collect::<Result<Vec<Metric>>>()?;
    Ok(Compiled::new(optimizer, loss, metrics))
}

/// A thing given by its name, or by a table of its `name` and arguments.
fn named(value: &toml::Value, what: &str) -> Result<Layer> {
    match value {
        toml::Value::String(name) => Ok((name.clone(), Map::new())),
        toml::Value::Table(table) => {
            let mut arguments = to_json(table)?;
            match arguments.shift_remove("name") {
                Some(Json::String(name)) => Ok((name, arguments)),
                _ => bail!("{what} = {{ … }} needs a name"),
            }
        }
        other => bail!("{what} must be a name or a table with a name, got {other}"),
    }
}

fn to_json(table: &toml::Table) -> Result<Map<String, Json>> {
    match serde_json::to_value(table)? {
        Json::Object(map) => Ok(map),
        other => bail!("expected a table, got {other}"),
    }
}

#[cfg(test)]
#[path = "../../convnet/tests/hostile/damage.rs"]
mod damage;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use convnet::prelude::{Metric, Precision};

    use super::damage::Random;
    use super::parse;
    use crate::failure::describe;

    const NET: &str = r#"
name = "small"
input_shape = [8, 8, 1]

[[layers]]
type = "Conv2D"
filters = 4
kernel_size = [3, 3]
padding = "same"

[[layers]]
type = "Flatten"

[[layers]]
type = "Dense"
units = 3
activation = "softmax"

[compile]
optimizer = { name = "adam", learning_rate = 0.5 }
loss = "sparse_categorical_crossentropy"
"#;

    fn problem(text: &str) -> String {
        describe(&parse(text, "net.toml").unwrap_err())
    }

    #[test]
    fn a_description_becomes_a_compiled_model() {
        let model = parse(NET, "net.toml").unwrap();
        assert_eq!((model.name(), model.count_params()), ("small", 40 + 256 * 3 + 3));
        let compiled = model.compiled().unwrap();
        assert_eq!((compiled.optimizer.class_name(), compiled.optimizer.learning_rate()), ("Adam", 0.5));
        assert_eq!(compiled.metrics().count(), 1);
        let metrics = "metrics = [\"mse\", { name = \"auc\", curve = \"PR\" }]";
        let model =
            parse(&format!("{NET}{metrics}\n").replace("sparse_categorical", "categorical"), "net.toml");
        let model = model.unwrap();
        let names: Vec<&str> = model.compiled().unwrap().metrics().map(Metric::name).collect();
        assert_eq!(names, ["mean_squared_error", "auc"]);
    }

    #[test]
    fn a_precision_is_set_and_an_unknown_one_told_with_those_there_are() {
        assert_eq!(parse(NET, "net.toml").unwrap().precision(), Precision::F32);
        let with = |name: &str| format!("precision = \"{name}\"\n{NET}");
        assert_eq!(parse(&with("bf16"), "net.toml").unwrap().precision(), Precision::Bf16);
        let text = problem(&with("f16"));
        assert!(text.contains("net.toml: precision") && text.contains("`bf16`"), "{text}");
    }

    #[test]
    fn an_unknown_layer_is_told_with_its_place_and_the_nearest_name() {
        let text = problem(&NET.replace("\"Flatten\"", "\"Flaten\""));
        assert!(text.contains("net.toml, line 11: layers[1] (Flaten)"), "{text}");
        assert!(text.contains("did you mean `Flatten`?"), "{text}");
    }

    #[test]
    fn a_layer_that_does_not_fit_is_told_with_its_place() {
        let text = problem(&NET.replace("[3, 3]", "[9, 9]").replace("same", "valid"));
        assert!(text.contains("line 5: layers[0] (Conv2D)"), "{text}");
        let text = problem(&NET.replace("units = 3", "units = 0"));
        assert!(text.contains("layers[2] (Dense)"), "{text}");
    }

    #[test]
    fn unknown_keys_and_arguments_are_refused() {
        let text = problem(&format!("colour = 1\n{NET}"));
        assert!(
            text.contains("net.toml") && text.contains("colour") && text.contains("input_shape"),
            "{text}"
        );
        let text = problem(&NET.replace("units = 3", "units = 3\nunit = 4"));
        assert!(text.contains("layers[2]") && text.contains("unit"), "{text}");
        let text = problem(&NET.replace("name = \"adam\", ", ""));
        assert!(text.contains("[compile]") && text.contains("name"), "{text}");
        let text =
            problem(&NET.replace("sparse_categorical_crossentropy", "sparse_categorical_crossentropi"));
        assert!(text.contains("[compile]") && text.contains("did you mean"), "{text}");
        assert!(problem("input_shape = [").contains("net.toml"));
        let text = problem(&NET.replace("units = 3", "units = 4000000000"));
        assert!(text.contains("elements") && text.contains("layers["), "{text}");
    }

    /// `CONVNET_MUTATIONS` says how many.
    #[test]
    fn damaged_descriptions_are_read_or_refused() {
        let count =
            std::env::var("CONVNET_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(500);
        let (mut read, mut longest) = (0, Duration::ZERO);
        for case in 0..count {
            let mut bytes = NET.as_bytes().to_vec();
            Random::new(1 << 32 | case).damage(&mut bytes);
            let start = Instant::now();
            read += usize::from(parse(&String::from_utf8_lossy(&bytes), "net.toml").is_ok());
            longest = longest.max(start.elapsed());
            assert!(start.elapsed() < Duration::from_secs(10), "case {case} took {:?}", start.elapsed());
        }
        println!("{count} descriptions, {read} accepted, the longest {longest:.1?}");
        assert!(0 < read && (read as u64) < count);
    }
}
