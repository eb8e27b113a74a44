//! ConvNeXt.

/// `convnext_tiny_stage_1_block_0_layernorm` is timm's `stages.1.blocks.0.norm` and torchvision's `features.3.0.block.2`.
pub(super) fn names(layer: &str) -> Option<Vec<String>> {
    let both = |timm: String, torchvision: String| Some(vec![timm, torchvision]);
    // What stands before a stage is a model in the model.
    let layer = layer.rsplit('/').next()?;
    let mut parts = layer.splitn(3, '_');
    let ("convnext", _variant, layer) = (parts.next()?, parts.next()?, parts.next()?) else { return None };
    match layer {
        "stem_conv" => return both("stem.0".into(), "features.0.0".into()),
        "stem_layernorm" => return both("stem.1".into(), "features.0.1".into()),
        "head_layernorm" => return both("head.norm".into(), "classifier.0".into()),
        "head_dense" => return both("head.fc".into(), "classifier.2".into()),
        _ => {}
    }
    if let Some((part, step)) = layer.strip_prefix("downsampling_").and_then(|rest| rest.split_once('_')) {
        let (step, part) = (step.parse::<usize>().ok()? + 1, if part == "conv" { 1 } else { 0 });
        return both(format!("stages.{step}.downsample.{part}"), format!("features.{}.{part}", 2 * step));
    }
    let mut parts = layer.strip_prefix("stage_")?.splitn(4, '_');
    let (stage, "block", block, part) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?) else {
        return None;
    };
    let (timm, torchvision) = match part {
        "depthwise_conv" => ("conv_dw", "block.0"),
        "layernorm" => ("norm", "block.2"),
        "pointwise_conv_1" => ("mlp.fc1", "block.3"),
        "pointwise_conv_2" => ("mlp.fc2", "block.5"),
        "layer_scale" => ("gamma", "layer_scale"),
        _ => return None,
    };
    let place = 2 * stage.parse::<usize>().ok()? + 1;
    both(format!("stages.{stage}.blocks.{block}.{timm}"), format!("features.{place}.{block}.{torchvision}"))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_those_of_timm_and_torchvision() {
        let of = |layer: &str| names(layer).unwrap();
        assert_eq!(of("convnext_tiny_stem/convnext_tiny_stem_conv"), ["stem.0", "features.0.0"]);
        let layer = "convnext_base_downsampling_block_0/convnext_base_downsampling_layernorm_0";
        assert_eq!(of(layer), ["stages.1.downsample.0", "features.2.0"]);
        assert_eq!(
            of("convnext_small_stage_2_block_26_pointwise_conv_2"),
            ["stages.2.blocks.26.mlp.fc2", "features.5.26.block.5"]
        );
        assert_eq!(
            of("convnext_tiny_stage_0_block_1_layer_scale"),
            ["stages.0.blocks.1.gamma", "features.1.1.layer_scale"]
        );
    }
}
