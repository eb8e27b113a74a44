//! Transfer learning: the features that a network has learnt from many pictures, and a classifier of one's own behind them.
//!
//! [`on_base`] makes such a model; [`freeze_base`] lets training change the classifier alone, [`unfreeze`] lets it change more later. Of a
//! frozen base [`split`] gives base and head as models of their own, so that each picture goes through the base once.

use convnet_nn::layers::Dropout;
use convnet_nn::model::{ModelLayer, Weight};
use convnet_nn::{Activation, Error, LayerRef, Model, Result, Symbol};

use crate::imagenet::Preprocessing;
use crate::zoo::{End, Family, Network, Pooling, Top};

/// Share of the features that training leaves out before the classifier.
const DROPOUT: f32 = 0.2;

/// A network of the zoo for classes of one's own: pixels of 0 … 255 are scaled as its weights want it, and behind the global average of its
/// feature maps stand a dropout and a dense layer with softmax. Weights are random.
///
/// ```
/// use convnet_vision::imagenet::Preprocessing;
/// use convnet_vision::{transfer, zoo};
///
/// let network = zoo::mobilenet_v2().input_shape([96, 96, 3]).classes(5).boxed();
/// let mut model = transfer::on_base(&network, Preprocessing::Tf)?;
/// transfer::freeze_base(&mut model)?;
/// assert_eq!(model.trainable_weights().count(), 2);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
///
/// # Errors
/// If the images are smaller than the family allows, there are no classes, or the network is not one that tells classes apart.
pub fn on_base(network: &Network<Box<dyn Family>>, preprocessing: Preprocessing) -> Result<Model> {
    crate::layers::register();
    check_size(network)?;
    let family = &network.family;
    let image = Symbol::input(network.input_shape);
    let features = family.features(&preprocessing.layers(&image)?)?;
    let pooled = family.pool(&features, Pooling::Avg)?;
    let kept = pooled.apply(LayerRef::new(Dropout::new(DROPOUT)).named("top_dropout"))?;
    let top = Top { classes: network.classes, activation: Activation::Softmax };
    let classes = kept.apply(top.classifier("predictions"))?;
    let mut model = Model::new(&[image], &[classes])?.named(family.model_name(network.input_shape));
    family.initialize(&mut model)?;
    preprocessing.initialize(&mut model)?;
    Ok(model)
}

/// A network of the zoo, whole, that takes pixels of 0 … 255 and scales them as is usual for it, by layers of its own. Weights are random.
///
/// # Errors
/// As [`on_base`].
pub fn with_preprocessing(network: &Network<Box<dyn Family>>, preprocessing: Preprocessing) -> Result<Model> {
    crate::layers::register();
    check_size(network)?;
    let image = Symbol::input(network.input_shape);
    let top = Top { classes: network.classes, activation: network.classifier_activation };
    let outputs = network.family.outputs(&preprocessing.layers(&image)?, End::Top(top))?;
    let mut model = Model::new(&[image], &outputs)?.named(network.family.model_name(network.input_shape));
    network.family.initialize(&mut model)?;
    preprocessing.initialize(&mut model)?;
    Ok(model)
}

fn check_size(network: &Network<Box<dyn Family>>) -> Result<()> {
    let ([height, width, _], least) = (network.input_shape, network.family.min_size());
    if height.min(width) >= least {
        return Ok(());
    }
    let name = network.family.model_name(network.input_shape);
    let problem = format!("images must be at least {least} × {least}, got {height} × {width}");
    Err(Error::argument(format!("input_shape of {name}"), problem))
}

/// Copies the weights that both models have, by path and sizes; tells the layers of `to` that got none.
///
/// # Errors
/// Never, as sizes are compared before.
pub fn copy_weights(from: &Model, to: &mut Model) -> Result<Vec<String>> {
    let wanted: Vec<Weight> = to.weights().cloned().collect();
    let mut missing: Vec<String> = Vec::new();
    for weight in wanted {
        match from.weight(&weight.path).ok().filter(|found| found.dims == weight.dims) {
            Some(found) => to.set_weight(&weight.path, from.weight_values(found))?,
            None if missing.last() != Some(&weight.layer) => missing.push(weight.layer),
            None => {}
        }
    }
    Ok(missing)
}

/// The same network with another number of classes: the last layer, which must be dense, is replaced by a new one.
///
/// # Errors
/// If the model has several outputs, or does not end in a dense layer.
pub fn replace_classifier(model: &Model, classes: usize) -> Result<Model> {
    let [last] = model.output_names()[..] else {
        return Err(Error::argument(format!("model `{}`", model.name()), "it has several outputs"));
    };
    let layers = model.layers();
    let at = layers.iter().position(|layer| layer.name() == last).unwrap_or(0);
    if layers[at].class_name() != "Dense" || at == 0 {
        let problem =
            format!("it ends in {}, and only a last Dense can be replaced", layers[at].class_name());
        return Err(Error::argument(format!("model `{}`", model.name()), problem));
    }
    let symbols = model.symbols();
    let activation = match layers[at].layer().map(|layer| layer.config()) {
        Some(config) if config.get("activation").is_some_and(|name| name == "linear") => Activation::Linear,
        _ => Activation::Softmax,
    };
    let top = Top { classes, activation };
    // The new layer has a name of its own, so that nobody takes the old weights for it.
    let name = if last == "predictions" { "classes" } else { "predictions" };
    let output = symbols.output_of(layers[at - 1].name())?.apply(top.classifier(name))?;
    Ok(Model::new(symbols.inputs(), &[output])?.named(model.name()))
}

/// Classes of layers that can stand behind the features.
const HEAD: [&str; 9] = [
    "Dense",
    "Dropout",
    "Activation",
    "Softmax",
    "ReLU",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "BatchNormalization",
];

/// Freezes all layers before the classifier, which are those before the dense layers at the end; tells how many layers with weights
/// these are.
///
/// # Errors
/// If there is nothing to freeze.
pub fn freeze_base(model: &mut Model) -> Result<usize> {
    let layers = model.layers();
    let first =
        layers.iter().rposition(|layer| !HEAD.contains(&layer.class_name())).map_or(0, |last| last + 1);
    // A normalisation right behind the last convolution belongs to it, not to the classifier.
    let inside = layers[first..].iter().take_while(|layer| layer.class_name() != "Dense").count();
    let base: Vec<String> = layers[..first + inside]
        .iter()
        .filter(|layer| !layer.weights().is_empty())
        .map(|layer| layer.name().to_owned())
        .collect();
    if base.is_empty() || base.len() == layers.iter().filter(|layer| !layer.weights().is_empty()).count() {
        let problem = "there is no base to freeze before dense layers at its end; name the layers instead";
        return Err(Error::argument(format!("model `{}`", model.name()), problem));
    }
    base.iter().try_for_each(|layer| model.set_trainable(layer, false))?;
    Ok(base.len())
}

/// Freezes all layers but these, such as those that [`replace_classifier`] made; tells how many layers with weights are frozen. A network such as
/// VGG has dense layers of its own before the new one, which [`freeze_base`] would leave to be trained.
///
/// # Errors
/// If there are no other layers to freeze, or none of these.
pub fn freeze_all_but(model: &mut Model, layers: &[String]) -> Result<usize> {
    layers.iter().try_for_each(|layer| model.get_layer(layer).map(drop))?;
    let others = model.layers().iter().filter(|layer| !layers.iter().any(|kept| kept == layer.name()));
    let base: Vec<String> =
        others.filter(|layer| !layer.weights().is_empty()).map(|layer| layer.name().to_owned()).collect();
    if base.is_empty() {
        return Err(Error::argument(format!("model `{}`", model.name()), "there is nothing else to freeze"));
    }
    base.iter().try_for_each(|layer| model.set_trainable(layer, false))?;
    Ok(base.len())
}

/// Which layers are trained from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfreeze {
    /// All.
    All,
    /// This one and all behind it.
    From(String),
    /// So many layers with weights, counted from the end.
    Last(usize),
}

impl std::str::FromStr for Unfreeze {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix("last:") {
            Some(count) => match count.parse() {
                Ok(count) if count > 0 => Ok(Self::Last(count)),
                _ => Err(Error::argument(
                    "last:N",
                    format!("N must be a whole number of at least 1, got `{count}`"),
                )),
            },
            None if text == "all" => Ok(Self::All),
            None => Ok(Self::From(text.to_owned())),
        }
    }
}

/// A layer with its path, `base/conv2d`, and whether it is trained.
struct Leaf {
    path: String,
    is_normalization: bool,
    weighted: bool,
    trained: bool,
}

/// All layers, those of nested models one by one.
fn leaves(layers: &[ModelLayer], before: &str, trained: bool, found: &mut Vec<Leaf>) {
    for layer in layers {
        let path = format!("{before}{}", layer.name());
        let trained = trained && layer.trainable();
        match layer.network() {
            Some(network) => leaves(network.layers(), &format!("{path}/"), trained, found),
            None => found.push(Leaf {
                path,
                is_normalization: layer.class_name() == "BatchNormalization",
                weighted: !layer.weights().is_empty(),
                trained,
            }),
        }
    }
}

/// Trains more layers from now on, and freezes those before them. A batch normalisation that is frozen stays so: its statistics are of many
/// pictures, and few new ones would spoil them, as [Keras's guide](https://keras.io/guides/transfer_learning/) explains. Tells how many
/// layers with weights are trained.
///
/// # Errors
/// If there is no layer of the name.
pub fn unfreeze(model: &mut Model, which: &Unfreeze) -> Result<usize> {
    let mut all = Vec::new();
    leaves(model.layers(), "", true, &mut all);
    let counted = |leaf: &Leaf| leaf.weighted && !leaf.is_normalization;
    let first = match which {
        Unfreeze::All => 0,
        Unfreeze::From(name) => {
            let inside = format!("{name}/");
            let found = all.iter().position(|leaf| leaf.path == *name || leaf.path.starts_with(&inside));
            found.ok_or_else(|| Error::unknown("layer", name, all.iter().map(|leaf| &*leaf.path)))?
        }
        Unfreeze::Last(count) => {
            let weighted: Vec<usize> = (0..all.len()).filter(|&at| counted(&all[at])).collect();
            weighted[weighted.len().saturating_sub(*count)..].first().copied().unwrap_or(0)
        }
    };
    model.set_all_trainable(true);
    let mut trained = 0;
    for (at, leaf) in all.iter().enumerate().filter(|(_, leaf)| leaf.weighted) {
        // The swap of colours before a network is arithmetic, not something to be learnt.
        let trains =
            at >= first && (leaf.trained || !leaf.is_normalization) && leaf.path != crate::imagenet::SWAP;
        model.set_trainable(&leaf.path, trains)?;
        trained += usize::from(trains);
    }
    Ok(trained)
}

/// A model whose first layers are frozen, in two: what they make of a picture is the same in every epoch.
#[derive(Debug)]
pub struct Halves {
    /// From the picture to the features.
    pub base: Model,
    /// From the features to the output.
    pub head: Model,
}

/// Cuts a model before the first layer that is trained, dropouts right before it going with it. `None` if the first layers are trained, or
/// the layers behind the cut need more than what one layer makes.
pub fn split(model: &Model) -> Option<Halves> {
    let trained: Vec<String> = model.trainable_weights().map(|weight| weight.layer.clone()).collect();
    let is_trained = |layer: &ModelLayer| {
        let inside = format!("{}/", layer.name());
        trained.iter().any(|path| *path == layer.name() || path.starts_with(&inside))
    };
    let layers = model.layers();
    let mut first = layers.iter().position(is_trained)?;
    while first > 0 && layers[first - 1].class_name().ends_with("Dropout") {
        first -= 1;
    }
    let last = first
        .checked_sub(1)
        .filter(|&last| layers[..=last].iter().any(|layer| !layer.weights().is_empty()))?;
    let cut = layers[last].name();
    let [output] = model.output_names()[..] else { return None };
    let base = model.up_to(&[cut]).ok()?;
    let head = model.between(&[cut], &[output]).ok()?.named(model.name());
    Some(Halves { base, head })
}

#[cfg(test)]
mod tests {
    use convnet_nn::layers::{BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D};
    use convnet_nn::{LayerRef, Sequential};
    use ndarray::{Array4, Axis};

    use super::*;

    fn named(name: &str, layer: impl convnet_nn::Layer) -> LayerRef {
        LayerRef::new(layer).named(name)
    }

    fn small() -> Model {
        Sequential::new([8, 8, 3])
            .add(named("first", Conv2D::new(4, 3)))
            .add(named("norm", BatchNormalization::new()))
            .add(named("second", Conv2D::new(6, 3)))
            .add(GlobalAveragePooling2D::new())
            .add(named("hidden", Dense::new(5).activation(Activation::Relu)))
            .add(Dropout::new(0.5))
            .add(named("last", Dense::new(3).activation(Activation::Softmax)))
            .build()
            .unwrap()
    }

    fn trained(model: &Model) -> Vec<String> {
        let mut layers: Vec<String> = model.trainable_weights().map(|weight| weight.layer.clone()).collect();
        layers.dedup();
        layers
    }

    #[test]
    fn the_base_is_what_stands_before_the_dense_layers() {
        let mut model = small();
        assert_eq!(freeze_base(&mut model).unwrap(), 3);
        assert_eq!(trained(&model), ["hidden", "last"]);
        assert!(freeze_base(&mut Sequential::new([4]).add(Dense::new(2)).build().unwrap()).is_err());
    }

    #[test]
    fn dense_layers_of_the_base_are_frozen_if_the_head_is_named() {
        let mut model = small();
        assert_eq!(freeze_all_but(&mut model, &["last".into()]).unwrap(), 4);
        assert_eq!(trained(&model), ["last"]);
        assert!(freeze_all_but(&mut model, &["lost".into()]).is_err());
    }

    #[test]
    fn layers_are_unfrozen_from_the_end_and_frozen_normalisations_stay() {
        let mut model = small();
        freeze_base(&mut model).unwrap();
        unfreeze(&mut model, &Unfreeze::Last(3)).unwrap();
        assert_eq!(trained(&model), ["second", "hidden", "last"]);
        unfreeze(&mut model, &"all".parse().unwrap()).unwrap();
        assert_eq!(trained(&model), ["first", "second", "hidden", "last"], "the normalisation stays frozen");
        unfreeze(&mut model, &"hidden".parse().unwrap()).unwrap();
        assert_eq!(trained(&model), ["hidden", "last"]);
        assert!(
            unfreeze(&mut model, &"hiden".parse().unwrap()).unwrap_err().to_string().contains("`hidden`")
        );
        assert!("last:0".parse::<Unfreeze>().is_err());
    }

    #[test]
    fn halves_do_what_the_whole_does() {
        let mut model = small();
        assert!(split(&model).is_none(), "nothing is frozen");
        freeze_base(&mut model).unwrap();
        let halves = split(&model).unwrap();
        let x = Array4::from_shape_fn((2, 8, 8, 3), |(n, y, x, c)| {
            (n * 7 + y * 3 + x * 5 + c) as f32 % 11.0 / 11.0
        });
        let features = halves.base.predict(x.view()).unwrap();
        assert_eq!(features.shape(), [2, 6]);
        let (whole, parts) =
            (model.predict(x.view()).unwrap(), halves.head.predict(features.view()).unwrap());
        assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(trained(&halves.head), ["hidden", "last"]);
    }

    #[test]
    fn another_number_of_classes_keeps_the_rest() {
        let model = small();
        let other = replace_classifier(&model, 7).unwrap();
        assert_eq!(other.output_shapes()[0].dims, [7]);
        let kernel = |model: &Model| model.weight_values(model.weight("hidden/kernel").unwrap()).to_owned();
        assert_eq!(kernel(&model), kernel(&other));
    }

    #[test]
    fn pixels_are_scaled_inside_the_model_as_outside() {
        for preprocessing in
            [Preprocessing::Unit, Preprocessing::Tf, Preprocessing::Torch, Preprocessing::Caffe]
        {
            let image = Symbol::input([2, 2, 3]);
            let scaled = preprocessing.layers(&image).unwrap();
            let mut model = Model::new(&[image], &[scaled]).unwrap();
            preprocessing.initialize(&mut model).unwrap();
            let x = Array4::from_shape_fn((1, 2, 2, 3), |(_, y, x, c)| (y * 100 + x * 50 + c * 30) as f32);
            let mut expected: Vec<f32> = x.iter().copied().collect();
            preprocessing.apply(&mut expected);
            let found = model.predict(x.view()).unwrap();
            let near = found.index_axis(Axis(0), 0).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-4);
            assert!(near, "{preprocessing:?}: {found:?} {expected:?}");
            assert_eq!(model.trainable_weights().count(), 0);
        }
    }
}
