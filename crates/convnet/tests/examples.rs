//! The examples build what they say.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

#[path = "../examples/resnet34.rs"]
mod resnet34;

#[test]
fn resnet34_of_residual_units_has_the_parameters_of_the_book() {
    let model = resnet34::resnet34().unwrap();
    let summary = model.summary(1).unwrap();
    assert_eq!((summary.total_parameters, summary.trainable_parameters), (21_306_826, 21_289_802));
    let source = include_str!("../examples/resnet34.rs");
    let start = source.find("pub fn resnet34").unwrap();
    let lines = source[start..].find("\n}").map(|end| source[start..start + end].lines().count() + 1);
    assert!(lines.unwrap() < 40, "{lines:?} lines");
}
