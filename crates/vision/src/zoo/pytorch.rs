//! What modules are called where PyTorch users got their weights: torchvision, timm, and the `efficientnet_pytorch` family of packages.

use std::collections::HashMap;

use convnet_nn::Model;

/// For each layer of a network of the zoo the names that its module may have in a PyTorch state dict. Layers that are not in the
/// list have the same name there or none.
///
/// Known are ResNet, VGG, DenseNet and MobileNetV2 as torchvision has them (timm mostly agrees), and EfficientNet and its lite form as
/// `efficientnet_pytorch`, `efficientnet_lite_pytorch` and timm's `tf_efficientnet…` have them. Weights whose network differs in more
/// than names, as torchvision's ResNet-50 does in its strides, need the network to be built by
/// [`Network::as_in_pytorch`](super::Network::as_in_pytorch).
pub fn pytorch_modules(model: &Model) -> HashMap<String, Vec<String>> {
    let names: Vec<&str> = model.layers().iter().map(|layer| layer.name()).collect();
    let model = model.name();
    let rename: fn(&[&str], &str) -> Option<Vec<String>> = match () {
        () if model.starts_with("resnet") => |_, layer| resnet(layer).map(|name| vec![name]),
        () if model.starts_with("vgg") => |names, layer| vgg(names, layer).map(|name| vec![name]),
        () if model.starts_with("densenet") => |_, layer| densenet(layer).map(|name| vec![name]),
        () if model.starts_with("mobilenetv2") => |_, layer| mobilenet_v2(layer).map(|name| vec![name]),
        () if model.starts_with("efficientnet") => efficientnet,
        () => |_, _| None,
    };
    names.iter().filter_map(|layer| Some(((*layer).to_owned(), rename(&names, layer)?))).collect()
}

/// `conv3_block2_1_bn` is `layer2.1.bn1`; what leads the input past a block is `downsample`.
fn resnet(layer: &str) -> Option<String> {
    match layer {
        "conv1_conv" => return Some("conv1".into()),
        "conv1_bn" => return Some("bn1".into()),
        "predictions" => return Some("fc".into()),
        _ => {}
    }
    let parts: Vec<&str> = layer.split('_').collect();
    let [stage, block, place, kind] = parts[..] else { return None };
    let stage = stage.strip_prefix("conv")?.parse::<usize>().ok()?.checked_sub(1)?;
    let block = block.strip_prefix("block")?.parse::<usize>().ok()?.checked_sub(1)?;
    let module = match (place, kind) {
        ("0", "conv") => "downsample.0".to_owned(),
        ("0", "bn") => "downsample.1".to_owned(),
        (place, "conv" | "bn") => format!("{kind}{place}"),
        _ => return None,
    };
    Some(format!("layer{stage}.{block}.{module}"))
}

/// Convolutions are numbered among all modules: each has a rectifier behind it, each block a pool.
fn vgg(names: &[&str], layer: &str) -> Option<String> {
    match layer {
        "fc1" => return Some("classifier.0".into()),
        "fc2" => return Some("classifier.3".into()),
        "predictions" => return Some("classifier.6".into()),
        _ => {}
    }
    let before = names.iter().take_while(|name| **name != layer);
    let place: usize = before
        .map(|name| match () {
            () if name.contains("_conv") => 2,
            () if name.contains("_pool") => 1,
            () => 0,
        })
        .sum();
    layer.contains("_conv").then(|| format!("features.{place}"))
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
    let number = |text: &str, prefix: &str| text.strip_prefix(prefix)?.parse::<usize>().ok()?.checked_sub(1);
    match parts[..] {
        [pool, kind @ ("bn" | "conv")] => {
            let kind = if kind == "bn" { "norm" } else { kind };
            Some(format!("features.transition{}.{kind}", number(pool, "pool")?))
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
                number(stage, "conv")?,
                number(block, "block")? + 1
            ))
        }
        _ => None,
    }
}

/// Block `i` is `features.i+1`, in which convolutions with an activation are a row of their own.
fn mobilenet_v2(layer: &str) -> Option<String> {
    let (block, part) = match layer {
        "Conv1" => return Some("features.0.0".into()),
        "bn_Conv1" => return Some("features.0.1".into()),
        "Conv_1" => return Some("features.18.0".into()),
        "Conv_1_bn" => return Some("features.18.1".into()),
        "predictions" => return Some("classifier.1".into()),
        _ => match layer.strip_prefix("expanded_conv_") {
            Some(part) => (0, part),
            None => {
                let (block, part) = layer.strip_prefix("block_")?.split_once('_')?;
                (block.parse::<usize>().ok()?, part)
            }
        },
    };
    let module = match (block, part) {
        (0, "depthwise") | (_, "expand") => "0.0",
        (0, "depthwise_BN") | (_, "expand_BN") => "0.1",
        (0, "project") => "1",
        (0, "project_BN") | (_, "project") => "2",
        (_, "depthwise") => "1.0",
        (_, "depthwise_BN") => "1.1",
        (_, "project_BN") => "3",
        _ => return None,
    };
    Some(format!("features.{}.conv.{module}", block + 1))
}

/// `block3b_dwconv` is `_blocks.4._depthwise_conv`, counted through, or timm's `blocks.2.1.conv_dw`.
fn efficientnet(names: &[&str], layer: &str) -> Option<Vec<String>> {
    let both = |first: &str, timm: &str| Some(vec![first.to_owned(), timm.to_owned()]);
    match layer {
        "stem_conv" => return both("_conv_stem", "conv_stem"),
        "stem_bn" => return both("_bn0", "bn1"),
        "top_conv" => return both("_conv_head", "conv_head"),
        "top_bn" => return both("_bn1", "bn2"),
        "predictions" => return both("_fc", "classifier"),
        _ => {}
    }
    let (block, part) = layer.strip_prefix("block")?.split_once('_')?;
    let stage = block.chars().next()?.to_digit(10)?.checked_sub(1)?;
    let within = u32::from(block.chars().nth(1)?).checked_sub(u32::from('a'))?;
    // Each block has one convolution that narrows.
    let here = format!("block{block}_project_conv");
    let index =
        names.iter().filter(|name| name.ends_with("_project_conv")).position(|name| **name == here)?;
    // The first stage does not widen, and what follows is numbered one less in timm.
    let widens = stage > 0;
    let (first, timm) = match (part, widens) {
        ("expand_conv", _) => ("_expand_conv", "conv_pw"),
        ("expand_bn", _) => ("_bn0", "bn1"),
        ("dwconv", _) => ("_depthwise_conv", "conv_dw"),
        ("bn", true) => ("_bn1", "bn2"),
        ("bn", false) => ("_bn1", "bn1"),
        ("se_reduce", _) => ("_se_reduce", "se.conv_reduce"),
        ("se_expand", _) => ("_se_expand", "se.conv_expand"),
        ("project_conv", true) => ("_project_conv", "conv_pwl"),
        ("project_conv", false) => ("_project_conv", "conv_pw"),
        ("project_bn", true) => ("_bn2", "bn3"),
        ("project_bn", false) => ("_bn2", "bn2"),
        _ => return None,
    };
    Some(vec![format!("_blocks.{index}.{first}"), format!("blocks.{stage}.{within}.{timm}")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_torchvision_and_others() {
        assert_eq!(resnet("conv5_block3_2_bn").unwrap(), "layer4.2.bn2");
        assert_eq!(resnet("conv2_block1_0_conv").unwrap(), "layer1.0.downsample.0");
        let layers = ["input", "block1_conv1", "block1_conv2", "block1_pool", "block2_conv1"];
        assert_eq!(
            layers.map(|layer| vgg(&layers, layer)).map(Option::unwrap_or_default)[1..3],
            ["features.0", "features.2"]
        );
        assert_eq!(vgg(&layers, "block2_conv1").unwrap(), "features.5");
        assert_eq!(densenet("conv2_block6_2_conv").unwrap(), "features.denseblock1.denselayer6.conv2");
        assert_eq!(densenet("pool4_conv").unwrap(), "features.transition3.conv");
        assert_eq!(mobilenet_v2("expanded_conv_project_BN").unwrap(), "features.1.conv.2");
        assert_eq!(mobilenet_v2("block_16_depthwise").unwrap(), "features.17.conv.1.0");
        let layers = ["block1a_project_conv", "block2a_project_conv", "block2b_project_conv", "block2b_bn"];
        assert_eq!(efficientnet(&layers, "block2b_bn").unwrap(), ["_blocks.2._bn1", "blocks.1.1.bn2"]);
        assert_eq!(
            efficientnet(&layers, "block1a_project_conv").unwrap(),
            ["_blocks.0._project_conv", "blocks.0.0.conv_pw"]
        );
    }
}
