//! The workspace's own rules: arrows point down, `unsafe` stays in its crate, documents name what is there.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::path::{Path, PathBuf};

/// The rooms from the bottom up. A crate may use only those before it.
const ORDER: &[&str] = &[
    "convnet-kernels",
    "convnet-engine",
    "convnet-nn",
    "convnet-interop",
    "convnet-data",
    "convnet-vision",
    "convnet",
    "convnet-cli",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates of the workspace: name, folder, names of the crates that it uses.
fn crates() -> Vec<(String, PathBuf, Vec<String>)> {
    let folders = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    folders
        .map(|folder| {
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            let name =
                manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"');
            let sections = manifest.split("\n[").skip(1);
            let dependencies = sections.filter(|section| section.starts_with("dependencies]"));
            let used = (dependencies.flat_map(str::lines))
                .filter_map(|line| line.split(['.', ' ', '=']).next())
                .filter(|word| word.starts_with("convnet"))
                .map(str::to_owned)
                .collect();
            (name.to_owned(), folder, used)
        })
        .collect()
}

#[test]
fn crates_use_only_those_below_them() {
    let place = |name: &str| {
        ORDER.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name} has no place"))
    };
    let crates = crates();
    assert_eq!(crates.len(), ORDER.len());
    for (name, _, used) in crates {
        for other in used {
            assert!(place(&other) < place(&name), "{name} must not use {other}");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_stays_in_the_kernels_and_files_stay_small() {
    for (name, folder, _) in crates() {
        let mut files = Vec::new();
        sources(&folder.join("src"), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("\n#[cfg(test)]").next().unwrap();
            assert!(code.lines().count() <= 800, "{} has more than 800 lines", file.display());
            let uses =
                code.lines().any(|line| line.contains("unsafe ") && !line.trim_start().starts_with("//"));
            assert!(!uses || name == "convnet-kernels", "{} is unsafe", file.display());
        }
    }
}

#[test]
fn documents_name_files_that_exist() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let is_path = ["crates/", "conformance/", "golden/", "bench/", "examples/", ".ci/"]
                .iter()
                .any(|top| name.starts_with(top));
            if is_path && !name.contains(['*', ' ', '<']) {
                assert!(root().join(name).exists(), "{document} names {name}, which is not there");
            }
        }
    }
}
