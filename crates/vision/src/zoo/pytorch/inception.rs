//! The inception networks. Their convolutions have numbers here, in the order in which figures show them, and names there.

use std::sync::LazyLock;

/// The modules of torchvision's and timm's Inception-v3, in the order of the convolutions here.
static V3: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut modules = Modules::default();
    modules.add("", &["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]);
    let double = ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"];
    for mixed in ["Mixed_5b.", "Mixed_5c.", "Mixed_5d."] {
        modules.add(mixed, &["branch1x1", "branch5x5_1", "branch5x5_2"]);
        modules.add(mixed, &double);
        modules.add(mixed, &["branch_pool"]);
    }
    modules.add("Mixed_6a.", &["branch3x3"]);
    modules.add("Mixed_6a.", &double);
    for mixed in ["Mixed_6b.", "Mixed_6c.", "Mixed_6d.", "Mixed_6e."] {
        modules.add(mixed, &["branch1x1"]);
        modules.count(mixed, "branch7x7_", 1..=3);
        modules.count(mixed, "branch7x7dbl_", 1..=5);
        modules.add(mixed, &["branch_pool"]);
    }
    modules.count("Mixed_7a.", "branch3x3_", 1..=2);
    modules.count("Mixed_7a.", "branch7x7x3_", 1..=4);
    for mixed in ["Mixed_7b.", "Mixed_7c."] {
        modules.add(mixed, &["branch1x1", "branch3x3_1", "branch3x3_2a", "branch3x3_2b", "branch3x3dbl_1"]);
        modules.add(mixed, &["branch3x3dbl_2", "branch3x3dbl_3a", "branch3x3dbl_3b", "branch_pool"]);
    }
    modules.0
});

/// The modules of timm's Inception-v4.
static V4: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut modules = Modules::default();
    modules.add("features.", &["0", "1", "2", "3.conv", "4.branch0.0", "4.branch0.1"]);
    modules.count("features.", "4.branch1.", 0..=3);
    modules.add("features.", &["5.conv"]);
    let at = |module: usize| format!("features.{module}.");
    for module in 6..=9 {
        modules.add(&at(module), &["branch0"]);
        modules.count(&at(module), "branch1.", 0..=1);
        modules.count(&at(module), "branch2.", 0..=2);
        modules.add(&at(module), &["branch3.1"]);
    }
    modules.add(&at(10), &["branch0"]);
    modules.count(&at(10), "branch1.", 0..=2);
    for module in 11..=17 {
        modules.add(&at(module), &["branch0"]);
        modules.count(&at(module), "branch1.", 0..=2);
        modules.count(&at(module), "branch2.", 0..=4);
        modules.add(&at(module), &["branch3.1"]);
    }
    modules.count(&at(18), "branch0.", 0..=1);
    modules.count(&at(18), "branch1.", 0..=3);
    for module in 19..=21 {
        modules.add(
            &at(module),
            &["branch0", "branch1_0", "branch1_1a", "branch1_1b", "branch2_0", "branch2_1"],
        );
        modules.add(&at(module), &["branch2_2", "branch2_3a", "branch2_3b", "branch3.1"]);
    }
    modules.0
});

/// The modules of timm's Inception-ResNet-v2, but for the convolutions that have names here.
static RESNET_V2: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut modules = Modules::default();
    modules.add("conv2d_", &["1a", "2a", "2b", "3b", "4a"]);
    modules.add("mixed_5b.", &["branch0"]);
    modules.count("mixed_5b.", "branch1.", 0..=1);
    modules.count("mixed_5b.", "branch2.", 0..=2);
    modules.add("mixed_5b.", &["branch3.1"]);
    for module in 0..10 {
        let at = format!("repeat.{module}.");
        modules.add(&at, &["branch0", "branch1.0", "branch1.1", "branch2.0", "branch2.1", "branch2.2"]);
    }
    modules.add("mixed_6a.", &["branch0", "branch1.0", "branch1.1", "branch1.2"]);
    let narrow = ["branch0", "branch1.0", "branch1.1", "branch1.2"];
    (0..20).for_each(|module| modules.add(&format!("repeat_1.{module}."), &narrow));
    modules.add(
        "mixed_7a.",
        &["branch0.0", "branch0.1", "branch1.0", "branch1.1", "branch2.0", "branch2.1", "branch2.2"],
    );
    (0..9).for_each(|module| modules.add(&format!("repeat_2.{module}."), &narrow));
    modules.add("block8.", &narrow);
    modules.0
});

/// A list that grows.
#[derive(Default)]
struct Modules(Vec<String>);

impl Modules {
    fn add(&mut self, prefix: &str, names: &[&str]) {
        self.0.extend(names.iter().map(|name| format!("{prefix}{name}")));
    }

    fn count(&mut self, prefix: &str, name: &str, numbers: std::ops::RangeInclusive<usize>) {
        self.0.extend(numbers.map(|number| format!("{prefix}{name}{number}")));
    }
}

pub(super) fn v3(layer: &str) -> Option<Vec<String>> {
    if layer == "predictions" { Some(vec!["fc".into()]) } else { numbered(layer, &V3) }
}

pub(super) fn v4(layer: &str) -> Option<Vec<String>> {
    if layer == "predictions" { Some(vec!["last_linear".into()]) } else { numbered(layer, &V4) }
}

pub(super) fn resnet_v2(layer: &str) -> Option<Vec<String>> {
    let name = match layer {
        "predictions" => "classif".into(),
        "conv_7b" => "conv2d_7b.conv".into(),
        "conv_7b_bn" => "conv2d_7b.bn".into(),
        "block8_10_conv" => "block8.conv2d".into(),
        _ => match layer.strip_suffix("_conv").and_then(|block| block.split_once('_')) {
            Some((kind, number)) => {
                let kind = match kind {
                    "block35" => "repeat",
                    "block17" => "repeat_1",
                    "block8" => "repeat_2",
                    _ => return None,
                };
                format!("{kind}.{}.conv2d", number.parse::<usize>().ok()?.checked_sub(1)?)
            }
            None => return numbered(layer, &RESNET_V2),
        },
    };
    Some(vec![name])
}

/// The convolution or normalisation of a number, the first of which is not written.
fn numbered(layer: &str, modules: &[String]) -> Option<Vec<String>> {
    let part = |class: &str| {
        let rest = layer.strip_prefix(class)?;
        if rest.is_empty() { Some(0) } else { rest.strip_prefix('_')?.parse::<usize>().ok() }
    };
    let (number, kind) = match (part("conv2d"), part("batch_normalization")) {
        (Some(number), _) => (number, "conv"),
        (None, Some(number)) => (number, "bn"),
        (None, None) => return None,
    };
    Some(vec![format!("{}.{kind}", modules.get(number)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_convolution_has_a_module() {
        assert_eq!([V3.len(), V4.len(), RESNET_V2.len()], [94, 149, 203]);
        assert_eq!(v3("conv2d").unwrap(), ["Conv2d_1a_3x3.conv"]);
        assert_eq!(v3("batch_normalization_93").unwrap(), ["Mixed_7c.branch_pool.bn"]);
        assert_eq!(v4("conv2d_148").unwrap(), ["features.21.branch3.1.conv"]);
        assert_eq!(resnet_v2("conv2d_202").unwrap(), ["block8.branch1.2.conv"]);
        assert_eq!(resnet_v2("block17_20_conv").unwrap(), ["repeat_1.19.conv2d"]);
        assert_eq!(v3("conv2d_94"), None);
    }
}
