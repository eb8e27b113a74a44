//! The MobileNets.

/// Blocks in each of timm's stages of MobileNetV3.
pub(super) const LARGE: [usize; 6] = [1, 2, 3, 4, 2, 3];
pub(super) const SMALL: [usize; 5] = [1, 2, 3, 2, 3];

/// Blocks in each of timm's stages of MobileNet.
const FIRST: [usize; 5] = [1, 2, 2, 6, 2];

/// The stage, and the block in it, of a block that is counted through.
fn place(mut block: usize, stages: &[usize]) -> Option<(usize, usize)> {
    for (stage, &blocks) in stages.iter().enumerate() {
        if block < blocks {
            return Some((stage, block));
        }
        block -= blocks;
    }
    None
}

/// `conv_dw_3_bn` is `blocks.1.1.bn1`.
pub(super) fn v1(layer: &str) -> Option<Vec<String>> {
    let name = match layer {
        "conv1" => "conv_stem".to_owned(),
        "conv1_bn" => "bn1".to_owned(),
        "conv_preds" => "classifier".to_owned(),
        _ => {
            let (kind, rest) = layer.strip_prefix("conv_")?.split_once('_')?;
            let (number, normalises) =
                rest.strip_suffix("_bn").map_or((rest, false), |number| (number, true));
            let (stage, block) = place(number.parse::<usize>().ok()?.checked_sub(1)?, &FIRST)?;
            let module = match (kind, normalises) {
                ("dw", false) => "conv_dw",
                ("dw", true) => "bn1",
                ("pw", false) => "conv_pw",
                ("pw", true) => "bn2",
                _ => return None,
            };
            format!("blocks.{stage}.{block}.{module}")
        }
    };
    Some(vec![name])
}

/// Blocks in each of timm's stages of MobileNetV2.
const SECOND: [usize; 7] = [1, 2, 3, 4, 3, 3, 1];

/// Block `i` is `features.i+1`, in which convolutions with an activation are a row of their own.
pub(super) fn v2(layer: &str) -> Option<Vec<String>> {
    let both = |first: &str, timm: &str| Some(vec![first.to_owned(), timm.to_owned()]);
    let (block, part) = match layer {
        "Conv1" => return both("features.0.0", "conv_stem"),
        "bn_Conv1" => return both("features.0.1", "bn1"),
        "Conv_1" => return both("features.18.0", "conv_head"),
        "Conv_1_bn" => return both("features.18.1", "bn2"),
        "predictions" => return both("classifier.1", "classifier"),
        _ => match layer.strip_prefix("expanded_conv_") {
            Some(part) => (0, part),
            None => {
                let (block, part) = layer.strip_prefix("block_")?.split_once('_')?;
                (block.parse::<usize>().ok()?, part)
            }
        },
    };
    let (module, timm) = match (block, part) {
        (0, "depthwise") => ("0.0", "conv_dw"),
        (0, "depthwise_BN") => ("0.1", "bn1"),
        (0, "project") => ("1", "conv_pw"),
        (0, "project_BN") => ("2", "bn2"),
        (_, "expand") => ("0.0", "conv_pw"),
        (_, "expand_BN") => ("0.1", "bn1"),
        (_, "depthwise") => ("1.0", "conv_dw"),
        (_, "depthwise_BN") => ("1.1", "bn2"),
        (_, "project") => ("2", "conv_pwl"),
        (_, "project_BN") => ("3", "bn3"),
        _ => return None,
    };
    let (stage, within) = place(block, &SECOND)?;
    Some(vec![format!("features.{}.conv.{module}", block + 1), format!("blocks.{stage}.{within}.{timm}")])
}

/// `expanded_conv_4_depthwise` is timm's `blocks.2.1.conv_dw` and torchvision's `features.5.block.1.0`. In the first block nothing widens, and
/// what follows is numbered one less.
pub(super) fn v3(layers: &[&str], layer: &str, stages: &[usize]) -> Option<Vec<String>> {
    let both = |timm: String, torchvision: String| Some(vec![timm, torchvision]);
    let blocks: usize = stages.iter().sum();
    match layer {
        "conv" => return both("conv_stem".into(), "features.0.0".into()),
        "conv_bn" => return both("bn1".into(), "features.0.1".into()),
        "conv_1" => {
            return both(format!("blocks.{}.0.conv", stages.len()), format!("features.{}.0", blocks + 1));
        }
        "conv_1_bn" => {
            return both(format!("blocks.{}.0.bn1", stages.len()), format!("features.{}.1", blocks + 1));
        }
        "conv_2" => return both("conv_head".into(), "classifier.0".into()),
        "logits" => return both("classifier".into(), "classifier.3".into()),
        _ => {}
    }
    let rest = layer.strip_prefix("expanded_conv_")?;
    let numbered =
        rest.split_once('_').and_then(|(number, part)| Some((number.parse::<usize>().ok()?, part)));
    let (block, part) = numbered.unwrap_or((0, rest));
    let widens = block > 0;
    let prefix = layer.strip_suffix(part)?;
    let excited = layers.contains(&format!("{prefix}squeeze_excite_conv").as_str());
    let last = if excited { 3 } else { 2 };
    let (timm, (place_there, torchvision)) = match part {
        "expand" => ("conv_pw", (0, "0")),
        "expand_bn" => ("bn1", (0, "1")),
        "depthwise" => ("conv_dw", (1, "0")),
        "depthwise_bn" if widens => ("bn2", (1, "1")),
        "depthwise_bn" => ("bn1", (1, "1")),
        "squeeze_excite_conv" => ("se.conv_reduce", (2, "fc1")),
        "squeeze_excite_conv_1" => ("se.conv_expand", (2, "fc2")),
        "project" if widens => ("conv_pwl", (last, "0")),
        "project" => ("conv_pw", (last, "0")),
        "project_bn" if widens => ("bn3", (last, "1")),
        "project_bn" => ("bn2", (last, "1")),
        _ => return None,
    };
    let (stage, within) = place(block, stages)?;
    let place_there = if widens { place_there } else { place_there - 1 };
    both(
        format!("blocks.{stage}.{within}.{timm}"),
        format!("features.{}.block.{place_there}.{torchvision}", block + 1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_timm_and_torchvision() {
        assert_eq!(v1("conv_dw_3_bn").unwrap(), ["blocks.1.1.bn1"]);
        assert_eq!(v1("conv_pw_13").unwrap(), ["blocks.4.1.conv_pw"]);
        assert_eq!(v2("expanded_conv_project_BN").unwrap(), ["features.1.conv.2", "blocks.0.0.bn2"]);
        assert_eq!(v2("block_16_depthwise").unwrap(), ["features.17.conv.1.0", "blocks.6.0.conv_dw"]);
        let layers = ["expanded_conv_squeeze_excite_conv", "expanded_conv_4_squeeze_excite_conv"];
        let small = |layer: &str| v3(&layers, layer, &SMALL).unwrap();
        assert_eq!(small("expanded_conv_project"), ["blocks.0.0.conv_pw", "features.1.block.2.0"]);
        assert_eq!(small("expanded_conv_1_project_bn"), ["blocks.1.0.bn3", "features.2.block.2.1"]);
        assert_eq!(
            small("expanded_conv_4_squeeze_excite_conv_1"),
            ["blocks.2.1.se.conv_expand", "features.5.block.2.fc2"]
        );
        assert_eq!(small("conv_1_bn"), ["blocks.5.0.bn1", "features.12.1"]);
    }
}
