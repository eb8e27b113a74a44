//! A hundred thousand files take a few megabytes.

mod common;

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_thousand_files_take_little_memory() {
    use convnet_data::ImageFolder;
    use convnet_nn::train::Visit;

    /// Bytes of memory that this process holds.
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    let folder = common::Folder::new("many");
    for class in 0..100 {
        // Links, because files of their own would take a block of the disk each.
        let first = folder.write(&format!("class-{class}/picture-000000.png"), common::even(8, 77));
        for number in 1..1000 {
            std::fs::hard_link(&first, first.with_file_name(format!("picture-{number:06}.png"))).unwrap();
        }
    }
    let before = resident();
    let found = ImageFolder::new(folder.path()).image_size(8, 8).validation_split(0.1).open().unwrap();
    let listed = resident().saturating_sub(before);
    assert_eq!(
        (found.train.labels().len(), found.validation.as_ref().unwrap().labels().len()),
        (90_000, 10_000)
    );
    assert!(listed < 24 << 20, "listing took {listed} bytes");
    for step in 0..40 {
        let indices: Vec<usize> = (0..32).map(|at| (step * 2_003 + at * 97) % 90_000).collect();
        let batch = common::filled(&found.train, Visit::default(), &indices);
        assert!(batch.inputs[0].iter().all(|&pixel| pixel == 77.0 / 255.0));
    }
    let after = resident().saturating_sub(before);
    assert!(after < 40 << 20, "reading batches took {after} bytes");
}
