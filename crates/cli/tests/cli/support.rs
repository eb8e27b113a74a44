//! A folder, a small data set, pictures, and the program run on them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

/// Sides of the small data set's images.
pub const SIDE: usize = 8;

/// A network for the small data set's three classes.
pub const NET: &str = r#"
name = "small"
input_shape = [8, 8, 1]

[[layers]]
type = "Conv2D"
filters = 8
kernel_size = 3
activation = "relu"

[[layers]]
type = "Flatten"

[[layers]]
type = "Dropout"
rate = 0.1

[[layers]]
type = "Dense"
units = 3
activation = "softmax"

[compile]
optimizer = { name = "adam", learning_rate = 0.01 }
loss = "sparse_categorical_crossentropy"
"#;

/// What the program did.
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The objects of standard output, which must have nothing else.
    #[track_caller]
    pub fn objects(&self) -> Vec<Json> {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""), "{}", self.stdout);
        let object =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|problem| panic!("{problem}: {line}"));
        self.stdout.lines().map(object).collect()
    }

    /// The last object.
    #[track_caller]
    pub fn last(&self) -> Json {
        self.objects().pop().expect("at least one object")
    }

    /// Asserts a failure that says all of this on standard error.
    #[track_caller]
    pub fn fails(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        for text in says {
            assert!(self.stderr.contains(text), "no {text:?} in: {}", self.stderr);
        }
        assert!(self.stderr.starts_with("error: ") && !self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// A folder of a test's own.
pub struct Folder(pub PathBuf);

impl Folder {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// With the small data set in `data` and its network in `net.toml`.
    pub fn with_data(name: &str) -> Self {
        let folder = Self::new(name);
        folder.write("net.toml", NET);
        write_dataset(&folder.0.join("data"), 3);
        folder
    }

    /// And with a trained `data.keras`.
    pub fn with_model(name: &str) -> Self {
        let folder = Self::with_data(name);
        folder.run(&["train", "data/", "--model", "net.toml", "--json"]).last();
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Names of what is in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the program in this folder.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, &[])
    }

    /// With environment variables.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convnet"));
        command.current_dir(&self.0).args(arguments).envs(variables.iter().copied());
        Outcome::of(command.output().unwrap())
    }

    /// Runs a line of bash in which `convnet` is the program.
    #[cfg(unix)]
    pub fn bash(&self, line: &str) -> Outcome {
        let line = line.replace("convnet", concat!("'", env!("CARGO_BIN_EXE_convnet"), "'"));
        Outcome::of(Command::new("bash").current_dir(&self.0).args(["-c", &line]).output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// An image of a class: a bright bar at a place of its own, over noise.
pub fn image(class: usize, number: usize) -> Vec<u8> {
    let mut state = (class * 1_000 + number) as u64 + 1;
    let pixel = |at: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 58) as u8;
        if at % SIDE == 1 + 2 * class { 200 + noise.min(55) } else { noise }
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

/// IDX bytes of dimensions and values.
pub fn idx(dims: &[usize], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|&dim| bytes.extend((dim as u32).to_be_bytes()));
    bytes.extend(values);
    bytes
}

/// A folder of IDX files: 300 images to train on, 60 to test with.
pub fn write_dataset(folder: &Path, classes: usize) {
    fs::create_dir_all(folder).unwrap();
    for (part, start, count) in [("train", 0, 300), ("t10k", 300, 60)] {
        let labels: Vec<u8> = (0..count).map(|i| (i % classes) as u8).collect();
        let images: Vec<u8> = (0..count).flat_map(|i| image(i % classes, start + i)).collect();
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), idx(&[count], &labels)).unwrap();
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), idx(&[count, SIDE, SIDE], &images))
            .unwrap();
    }
}

/// A PNG of a class, each pixel shown as a square of `zoom` pixels; dark on bright if `inverted`.
pub fn write_png(path: &Path, class: usize, zoom: usize, inverted: bool) {
    let small = image(class, 999);
    let side = SIDE * zoom;
    let pixel = |at: usize| {
        let value = small[at / side / zoom * SIDE + at % side / zoom];
        if inverted { 255 - value } else { value }
    };
    let pixels: Vec<u8> = (0..side * side).map(pixel).collect();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), side as u32, side as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

/// An `.npy` file of f32.
pub fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let shape: String = shape.iter().map(|length| format!("{length},")).collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}
