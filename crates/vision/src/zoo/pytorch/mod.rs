//! What modules are called where PyTorch users got their weights: torchvision, timm, and the `efficientnet_pytorch` family of packages.

mod convnext;
mod efficientnet;
mod inception;
mod mobilenet;
mod resnet;

use std::collections::HashMap;
use std::str::FromStr;

use convnet_nn::{Error, Model, Result};

/// Whose networks the weights in a state dict are for. Networks of one name differ there in more than names: in borders, in the epsilon of
/// normalisations, in where a block shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habits {
    /// Those of TensorFlow's networks, whose weights were brought over: `efficientnet_pytorch`, timm's `tf_…`.
    TensorFlow,
    /// [torchvision](https://docs.pytorch.org/vision/stable/models.html)'s.
    Torchvision,
    /// Those of [timm](https://huggingface.co/docs/timm/index)'s other networks.
    Timm,
}

impl Habits {
    /// Whose they are by the names of the tensors; `None` if timm's, which has networks of both habits with the same names.
    pub fn of_names<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<Self> {
        let told = names.find_map(|name| {
            let module = name.strip_prefix("module.").unwrap_or(name);
            let module = module.split('.').next().unwrap_or_default();
            match module {
                "_conv_stem" => Some(Some(Self::TensorFlow)),
                "conv_stem" => Some(None),
                _ => None,
            }
        });
        told.unwrap_or(Some(Self::Torchvision))
    }
}

impl FromStr for Habits {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "tensorflow" => Ok(Self::TensorFlow),
            "torchvision" => Ok(Self::Torchvision),
            "timm" => Ok(Self::Timm),
            _ => Err(Error::unknown("collection of networks", name, ["tensorflow", "torchvision", "timm"])),
        }
    }
}

/// For each layer of a network of the zoo the names that its module may have in a PyTorch state dict. Layers that are not in the
/// list have the same name there or none. A name may be that of a tensor, where a layer's only weight is not in a module.
///
/// Known are ResNet (also with squeeze and excitation, also V2), VGG, DenseNet, the MobileNets, EfficientNet and its lite form,
/// ConvNeXt, Inception-v3 and v4 and Inception-ResNet-v2, as far as torchvision and timm have them, and EfficientNet as in `efficientnet_pytorch` and
/// `efficientnet_lite_pytorch`. torchvision's AlexNet and GoogLeNet are other networks than those of the papers, which are here.
/// Networks that differ there in more than names, as torchvision's ResNet-50 does in its strides, have the names if they were built by
/// [`Network::as_in_pytorch`](super::Network::as_in_pytorch): the weights of one would give other results in the other.
pub fn pytorch_modules(model: &Model) -> HashMap<String, Vec<String>> {
    if is_as_in_keras(model) {
        return HashMap::new();
    }
    let layers: Vec<&str> = model.layers().iter().map(|layer| layer.name()).collect();
    let model_name = model.name();
    let rename: fn(&[&str], &str) -> Option<Vec<String>> = match () {
        () if model_name.starts_with("resnet") && model_name.ends_with("v2") => |_, layer| resnet::v2(layer),
        () if model_name.starts_with("resnet") || model_name.starts_with("se_resnet") => {
            |_, layer| resnet::v1(layer)
        }
        () if model_name.starts_with("vgg") => vgg,
        () if model_name.starts_with("densenet") => |_, layer| densenet(layer).map(|name| vec![name]),
        () if model_name.starts_with("mobilenetv2") => |_, layer| mobilenet::v2(layer),
        () if model_name.starts_with("mobilenet") => |_, layer| mobilenet::v1(layer),
        () if model_name == "MobileNetV3Large" => {
            |layers, layer| mobilenet::v3(layers, layer, &mobilenet::LARGE)
        }
        () if model_name == "MobileNetV3Small" => {
            |layers, layer| mobilenet::v3(layers, layer, &mobilenet::SMALL)
        }
        () if model_name.starts_with("efficientnet") => efficientnet::names,
        () if model_name.starts_with("convnext") => |_, layer| convnext::names(layer),
        () if model_name == "inception_v3" => |_, layer| inception::v3(layer),
        () if model_name == "inception_v4" => |_, layer| inception::v4(layer),
        () if model_name == "inception_resnet_v2" => |_, layer| inception::resnet_v2(layer),
        () => |_, _| None,
    };
    let with_weights = model.weights().map(|weight| weight.layer.as_str());
    with_weights.filter_map(|layer| Some((layer.to_owned(), rename(&layers, layer)?))).collect()
}

/// Whether a model is Keras's network of its name, not PyTorch's, from which it differs in more than names of layers.
fn is_as_in_keras(model: &Model) -> bool {
    let has = |layer: &str| model.get_layer(layer).is_ok();
    let name = model.name();
    match () {
        () if name.starts_with("resnet") && name.ends_with("v2") => has("pool1_pad"),
        () if name.starts_with("resnet") || name.starts_with("se_resnet") => {
            let first = model.get_layer("conv3_block1_1_conv").ok().and_then(|layer| layer.layer());
            has("conv3_block1_3_conv") && first.is_some_and(|layer| layer.config()["strides"][0] != 1)
        }
        () if name.starts_with("mobilenetv2") => !has("Conv1_pad"),
        () if name.starts_with("mobilenet") => !has("conv1_pad"),
        () if name.starts_with("MobileNetV3") => has("rescaling"),
        () if name.starts_with("efficientnet") => has("normalization"),
        () if name.starts_with("convnext") => has(&format!("{name}_prestem_normalization")),
        () if name == "inception_v3" || name == "inception_resnet_v2" => {
            model.weights().all(|weight| weight.name != "gamma")
        }
        () => false,
    }
}

/// A number that stands behind a word, less one: names here count from 1, modules from 0.
fn counted(text: &str, word: &str) -> Option<usize> {
    text.strip_prefix(word)?.parse::<usize>().ok()?.checked_sub(1)
}

/// Convolutions are numbered among all modules: each has a rectifier behind it, each block a pool. timm has the dense layers elsewhere.
fn vgg(layers: &[&str], layer: &str) -> Option<Vec<String>> {
    let both = |first: &str, timm: &str| Some(vec![first.to_owned(), timm.to_owned()]);
    match layer {
        "fc1" => return both("classifier.0", "pre_logits.fc1"),
        "fc2" => return both("classifier.3", "pre_logits.fc2"),
        "predictions" => return both("classifier.6", "head.fc"),
        _ => {}
    }
    let before = layers.iter().take_while(|name| **name != layer);
    let place: usize = before
        .map(|name| match () {
            () if name.contains("_conv") => 2,
            () if name.contains("_pool") => 1,
            () => 0,
        })
        .sum();
    layer.contains("_conv").then(|| vec![format!("features.{place}")])
}

/// `conv3_block2_1_bn` is `features.denseblock2.denselayer2.norm2`.
fn densenet(layer: &str) -> Option<String> {
    match layer {
        "conv1_conv" => return Some("features.conv0".into()),
        "conv1_bn" => return Some("features.norm0".into()),
        "bn" => return Some("features.norm5".into()),
        "predictions" => return Some("classifier".into()),
        _ => {}
    }
    let parts: Vec<&str> = layer.split('_').collect();
    match parts[..] {
        [pool, kind @ ("bn" | "conv")] => {
            let kind = if kind == "bn" { "norm" } else { kind };
            Some(format!("features.transition{}.{kind}", counted(pool, "pool")?))
        }
        [stage, block, place, kind] => {
            let module = match (place, kind) {
                ("0", "bn") => "norm1",
                ("1", "conv") => "conv1",
                ("1", "bn") => "norm2",
                ("2", "conv") => "conv2",
                _ => return None,
            };
            Some(format!(
                "features.denseblock{}.denselayer{}.{module}",
                counted(stage, "conv")?,
                counted(block, "block")? + 1
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_torchvision() {
        let layers = ["input", "block1_conv1", "block1_conv2", "block1_pool", "block2_conv1"];
        assert_eq!(
            layers.map(|layer| vgg(&layers, layer)).map(Option::unwrap_or_default)[1..3],
            [["features.0"], ["features.2"]]
        );
        assert_eq!(vgg(&layers, "block2_conv1").unwrap(), ["features.5"]);
        assert_eq!(densenet("conv2_block6_2_conv").unwrap(), "features.denseblock1.denselayer6.conv2");
        assert_eq!(densenet("pool4_conv").unwrap(), "features.transition3.conv");
    }

    #[test]
    fn habits_are_known_by_names_unless_timm_has_both() {
        let of = |names: &[&str]| Habits::of_names(names.iter().copied());
        assert_eq!(of(&["_conv_stem.weight", "_bn0.weight"]), Some(Habits::TensorFlow));
        assert_eq!(of(&["module.conv_stem.weight"]), None);
        assert_eq!(of(&["features.0.0.weight"]), Some(Habits::Torchvision));
    }
}
