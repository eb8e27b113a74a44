//! Draws the charts of an invented training, to look at.
//!
//! `cargo run -p convnet-vision --example charts -- FOLDER`

use convnet_vision::charts::{self, Chart, Line, Panel, Roc};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("the folder to write to is missing")?;
    std::fs::create_dir_all(&folder)?;
    let save = |name: &str, chart: &Chart| -> Result<(), Box<dyn std::error::Error>> {
        std::fs::write(format!("{folder}/{name}.svg"), chart.to_svg())?;
        let picture = chart.to_picture();
        let (height, width, channels) = picture.dim();
        let bytes: Vec<u8> = picture.into_iter().collect();
        let mut encoder = png::Encoder::new(
            std::fs::File::create(format!("{folder}/{name}.png"))?,
            width as u32,
            height as u32,
        );
        encoder.set_color(if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
        encoder.write_header()?.write_image_data(&bytes)?;
        Ok(())
    };
    let column = |name: &str, count: i32, value: &dyn Fn(f64) -> f64| {
        (
            name.to_owned(),
            (1..=count).map(|epoch| (f64::from(epoch), value(f64::from(epoch)))).collect::<Vec<_>>(),
        )
    };
    let wave = |epoch: f64| 0.03 * (epoch * 2.7).sin();
    let long = [
        column("loss", 40, &|epoch| 2.0 / (epoch + 1.0) + 0.05),
        column("val_loss", 40, &|epoch| 2.0 / (epoch + 1.0) + 0.2 + 0.004 * epoch + wave(epoch)),
        column("accuracy", 40, &|epoch| 1.0 - 0.6 / (epoch + 1.0)),
        column("val_accuracy", 40, &|epoch| 0.93 - 0.6 / (epoch + 1.0) + wave(epoch) / 3.0),
        column("learning_rate", 40, &|epoch| {
            0.1 * 0.5 * (1.0 + (std::f64::consts::PI * epoch / 40.0).cos()) + 1e-5
        }),
    ];
    save("curves", &charts::curves("photos, mobilenet-v2", &long))?;
    let short: Vec<_> = long[..4].iter().map(|(name, points)| (name.clone(), points[..3].to_vec())).collect();
    save("short", &charts::curves("three epochs", &short))?;
    let names: Vec<String> = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]
    .map(str::to_owned)
    .to_vec();
    let count =
        |row: u64, column: u64| if row == column { 900 + row * 7 } else { (row * 13 + column * 29) % 17 * 7 };
    let counts: Vec<Vec<u64>> =
        (0..10).map(|row| (0..10).map(|column| count(row, column)).collect()).collect();
    save("confusion", &charts::confusion("Fashion-MNIST, 10,000 test images", &names, &counts))?;
    let two = ["not smiling".to_owned(), "smiling".to_owned()];
    save("confusion-2", &charts::confusion("smiles", &two, &[vec![66, 9], vec![4, 71]]))?;
    let scored = |sharpness: f32| {
        let score =
            |i: u32| (i.wrapping_mul(2_654_435_761) >> 16) as f32 / 65536.0 + sharpness * (i % 2) as f32;
        (0..500).map(|i| (score(i), i % 2 == 1)).collect::<Vec<_>>()
    };
    let curves: Vec<(String, Roc)> = [("cat", 0.3), ("dog", 0.8), ("teapot", 0.05)]
        .into_iter()
        .filter_map(|(name, sharpness)| Some((name.to_owned(), Roc::new(&scored(sharpness))?)))
        .collect();
    save("roc", &charts::roc("one class against all others", &curves))?;
    let rates: Vec<(f64, f64)> = (0..60)
        .map(|i| 10_f64.powf(-6.0 + f64::from(i) / 10.0))
        .map(|rate| {
            (rate, if rate < 0.02 { 2.3 - 0.4 * (rate * 5e3).ln().max(0.0) / 4.6 } else { 1.9 + rate * 8.0 })
        })
        .collect();
    let line = Line { name: "loss".into(), points: rates };
    let panel = Panel {
        title: "learning rate finder".into(),
        x: "learning rate".into(),
        y: "loss".into(),
        lines: vec![line],
        log_x: true,
        marks: vec![(6.3e-3, "steepest".into())],
        ..Panel::default()
    };
    save("rates", &charts::panels("", &[panel]))
}
