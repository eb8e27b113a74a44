//! EfficientNet.

/// `block3b_dwconv` is `_blocks.4._depthwise_conv`, counted through, timm's `blocks.2.1.conv_dw`, and torchvision's `features.3.1.block.1.0`.
pub(super) fn names(layers: &[&str], layer: &str) -> Option<Vec<String>> {
    let all = |first: &str, timm: &str, torchvision: &str| {
        Some([first, timm, torchvision].map(str::to_owned).to_vec())
    };
    match layer {
        "stem_conv" => return all("_conv_stem", "conv_stem", "features.0.0"),
        "stem_bn" => return all("_bn0", "bn1", "features.0.1"),
        "top_conv" => return all("_conv_head", "conv_head", "features.8.0"),
        "top_bn" => return all("_bn1", "bn2", "features.8.1"),
        "predictions" => return all("_fc", "classifier", "classifier.1"),
        _ => {}
    }
    let (block, part) = layer.strip_prefix("block")?.split_once('_')?;
    let stage = block.chars().next()?.to_digit(10)?.checked_sub(1)?;
    let within = u32::from(block.chars().nth(1)?).checked_sub(u32::from('a'))?;
    // Each block has one convolution that narrows.
    let here = format!("block{block}_project_conv");
    let index =
        layers.iter().filter(|name| name.ends_with("_project_conv")).position(|name| **name == here)?;
    // The first stage does not widen, and what follows is numbered one less elsewhere.
    let widens = stage > 0;
    let (first, timm, (place, torchvision)) = match (part, widens) {
        ("expand_conv", _) => ("_expand_conv", "conv_pw", (0, "0")),
        ("expand_bn", _) => ("_bn0", "bn1", (0, "1")),
        ("dwconv", _) => ("_depthwise_conv", "conv_dw", (1, "0")),
        ("bn", true) => ("_bn1", "bn2", (1, "1")),
        ("bn", false) => ("_bn1", "bn1", (1, "1")),
        ("se_reduce", _) => ("_se_reduce", "se.conv_reduce", (2, "fc1")),
        ("se_expand", _) => ("_se_expand", "se.conv_expand", (2, "fc2")),
        ("project_conv", true) => ("_project_conv", "conv_pwl", (3, "0")),
        ("project_conv", false) => ("_project_conv", "conv_pw", (3, "0")),
        ("project_bn", true) => ("_bn2", "bn3", (3, "1")),
        ("project_bn", false) => ("_bn2", "bn2", (3, "1")),
        _ => return None,
    };
    let place = if widens { place } else { place - 1 };
    Some(vec![
        format!("_blocks.{index}.{first}"),
        format!("blocks.{stage}.{within}.{timm}"),
        format!("features.{}.{within}.block.{place}.{torchvision}", stage + 1),
    ])
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_those_of_three_collections() {
        let layers = ["block1a_project_conv", "block2a_project_conv", "block2b_project_conv", "block2b_bn"];
        assert_eq!(
            names(&layers, "block2b_bn").unwrap(),
            ["_blocks.2._bn1", "blocks.1.1.bn2", "features.2.1.block.1.1"]
        );
        assert_eq!(
            names(&layers, "block1a_project_conv").unwrap(),
            ["_blocks.0._project_conv", "blocks.0.0.conv_pw", "features.1.0.block.2.0"]
        );
    }
}
