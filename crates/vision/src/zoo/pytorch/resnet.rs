//! Residual networks.

use super::counted;

/// `conv3_block2_1_bn` is `layer2.1.bn1`; what leads the input past a block is `downsample`. Squeeze and excitation is timm's.
pub(super) fn v1(layer: &str) -> Option<Vec<String>> {
    match layer {
        "conv1_conv" => return Some(vec!["conv1".into()]),
        "conv1_bn" => return Some(vec!["bn1".into()]),
        "predictions" => return Some(vec!["fc".into()]),
        _ => {}
    }
    let (stage, block, place, kind) = parts(layer)?;
    let module = match (place, kind) {
        ("0", "conv") => "downsample.0".to_owned(),
        ("0", "bn") => "downsample.1".to_owned(),
        ("se", "reduce") => "se.fc1".to_owned(),
        ("se", "expand") => "se.fc2".to_owned(),
        (place, "conv" | "bn") => format!("{kind}{place}"),
        _ => return None,
    };
    Some(vec![format!("layer{}.{block}.{module}", stage + 1)])
}

/// `conv3_block2_1_bn`, which follows the first convolution, is `stages.1.blocks.1.norm2`.
pub(super) fn v2(layer: &str) -> Option<Vec<String>> {
    match layer {
        "conv1_conv" => return Some(vec!["stem.conv".into()]),
        "post_bn" => return Some(vec!["norm".into()]),
        "predictions" => return Some(vec!["head.fc".into()]),
        _ => {}
    }
    let (stage, block, place, kind) = parts(layer)?;
    let module = match (place, kind) {
        ("0", "conv") => "downsample.conv".to_owned(),
        ("preact", "bn") => "norm1".to_owned(),
        (place, "conv") => format!("conv{place}"),
        (place, "bn") => format!("norm{}", place.parse::<usize>().ok()? + 1),
        _ => return None,
    };
    Some(vec![format!("stages.{stage}.blocks.{block}.{module}")])
}

/// The stage and the block of a layer, counted from 0, its place in the block, and what it is.
fn parts(layer: &str) -> Option<(usize, usize, &str, &str)> {
    let parts: Vec<&str> = layer.split('_').collect();
    let [stage, block, place, kind] = parts[..] else { return None };
    Some((counted(stage, "conv")?.checked_sub(1)?, counted(block, "block")?, place, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_torchvision_and_timm() {
        assert_eq!(v1("conv5_block3_2_bn").unwrap(), ["layer4.2.bn2"]);
        assert_eq!(v1("conv2_block1_0_conv").unwrap(), ["layer1.0.downsample.0"]);
        assert_eq!(v1("conv3_block4_se_expand").unwrap(), ["layer2.3.se.fc2"]);
        assert_eq!(v2("conv2_block1_preact_bn").unwrap(), ["stages.0.blocks.0.norm1"]);
        assert_eq!(v2("conv5_block3_2_bn").unwrap(), ["stages.3.blocks.2.norm3"]);
        assert_eq!(v2("conv1_conv").unwrap(), ["stem.conv"]);
    }
}
