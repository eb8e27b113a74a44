//! A picture of a model: its layers from top to bottom, as SVG.

use std::fmt::Write;

use super::{Model, Network};

/// Heights, gaps and letter widths, in pixels.
const BOX_HEIGHT: f64 = 44.0;
const ROW_GAP: f64 = 30.0;
const COLUMN_GAP: f64 = 24.0;
const LETTER: f64 = 7.3;
const MARGIN: f64 = 16.0;

/// A layer of the picture, or a place where a line passes a row.
struct Item {
    /// The layer; `None` for a line.
    layer: Option<usize>,
    /// Items of the rows above that lead here.
    from: Vec<usize>,
    width: f64,
    x: f64,
    row: usize,
}

impl Model {
    /// A picture of the model as SVG: a box for each layer with its name, class and output shape, inputs on top. Frozen layers are grey, models in a
    /// layer's place have a double border. Keras's `plot_model`.
    ///
    /// ```
    /// use convnet_nn::Sequential;
    /// use convnet_nn::layers::{Conv2D, Flatten};
    ///
    /// let model = Sequential::new([8, 8, 1]).add(Conv2D::new(4, 3)).add(Flatten::new()).build()?;
    /// let picture = model.plot();
    /// assert!(picture.starts_with("<svg") && picture.contains("(None, 6, 6, 4)"));
    /// # Ok::<(), convnet_nn::Error>(())
    /// ```
    pub fn plot(&self) -> String {
        let network = &self.network;
        let (mut items, mut rows) = arrange(network);
        place(&mut items, &mut rows);
        let width = items.iter().map(|item| item.x + item.width / 2.0).fold(0.0, f64::max) + MARGIN;
        let height = rows.len() as f64 * (BOX_HEIGHT + ROW_GAP) - ROW_GAP + 2.0 * MARGIN;
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"12\">\n<title>{}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            escape(self.name())
        );
        for item in &items {
            for &from in &item.from {
                line(&mut svg, &items[from], item);
            }
        }
        for item in &items {
            if let Some(layer) = item.layer {
                draw(&mut svg, network, layer, item);
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The two lines of a layer's box.
fn texts(network: &Network, layer: usize) -> [String; 2] {
    let known = &network.layers[layer];
    let call = network.calls.iter().rev().find(|call| call.layer == layer).expect("every layer is called");
    let shapes: Vec<String> = network.tensors[call.outputs.clone()].iter().map(ToString::to_string).collect();
    [format!("{} ({})", known.name, known.class_name()), shapes.join(" ")]
}

/// Layers in rows, each below all that feed it, with items for lines that pass rows.
fn arrange(network: &Network) -> (Vec<Item>, Vec<Vec<usize>>) {
    let mut feeds: Vec<Vec<usize>> = vec![Vec::new(); network.layers.len()];
    for call in &network.calls {
        for &input in &call.inputs {
            let from = network.maker_of(input).layer;
            // A layer that is called on what it made itself, or on what came of that, has no line upwards.
            if from != call.layer && !feeds[call.layer].contains(&from) {
                feeds[call.layer].push(from);
            }
        }
    }
    let mut row_of: Vec<Option<usize>> = vec![None; network.layers.len()];
    for call in &network.calls {
        let above = feeds[call.layer].iter().filter_map(|&from| row_of[from]).max();
        row_of[call.layer].get_or_insert(above.map_or(0, |row| row + 1));
    }
    let row_of: Vec<usize> = row_of.into_iter().map(Option::unwrap_or_default).collect();
    let count = row_of.iter().max().map_or(0, |&last| last + 1);
    let mut rows = vec![Vec::new(); count];
    let mut items: Vec<Item> = Vec::new();
    for layer in 0..network.layers.len() {
        let letters = texts(network, layer).iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let width = letters as f64 * LETTER + 20.0;
        items.push(Item { layer: Some(layer), from: Vec::new(), width, x: 0.0, row: row_of[layer] });
        rows[row_of[layer]].push(layer);
    }
    for (layer, feeds) in feeds.iter().enumerate() {
        for &from in feeds.iter().filter(|&&from| row_of[from] < row_of[layer]) {
            let mut last = from;
            for row in row_of[from] + 1..row_of[layer] {
                items.push(Item { layer: None, from: vec![last], width: 4.0, x: 0.0, row });
                last = items.len() - 1;
                rows[row].push(last);
            }
            items[layer].from.push(last);
        }
    }
    (items, rows)
}

/// Gives each item its middle: rows are sorted by where their items' lines come from, and centred.
fn place(items: &mut [Item], rows: &mut [Vec<usize>]) {
    let total = |items: &[Item], row: &[usize]| {
        row.iter().map(|&item| items[item].width).sum::<f64>() + COLUMN_GAP * (row.len().max(1) - 1) as f64
    };
    let widest = rows.iter().map(|row| total(items, row)).fold(0.0, f64::max);
    for row in rows {
        let wish = |item: usize| {
            let from = &items[item].from;
            from.iter().map(|&from| items[from].x).sum::<f64>() / from.len().max(1) as f64
        };
        let mut wishes: Vec<(f64, usize)> = row.iter().map(|&item| (wish(item), item)).collect();
        wishes.sort_by(|a, b| a.0.total_cmp(&b.0));
        *row = wishes.into_iter().map(|(_, item)| item).collect();
        let mut x = MARGIN + (widest - total(items, row)) / 2.0;
        for &item in row.iter() {
            items[item].x = x + items[item].width / 2.0;
            x += items[item].width + COLUMN_GAP;
        }
    }
}

fn top(item: &Item) -> f64 {
    MARGIN + item.row as f64 * (BOX_HEIGHT + ROW_GAP)
}

/// A line from the foot of one item to the head of another. Lines run straight through items of their own.
fn line(svg: &mut String, from: &Item, to: &Item) {
    let (start, end) = (top(from) + BOX_HEIGHT, top(to));
    let through = if to.layer.is_none() { format!(" V {:.1}", end + BOX_HEIGHT) } else { String::new() };
    let middle = (start + end) / 2.0;
    let _ = writeln!(
        svg,
        "<path d=\"M {:.1} {start:.1} C {:.1} {middle:.1} {:.1} {middle:.1} {:.1} {end:.1}{through}\" fill=\"none\" stroke=\"#888\"/>",
        from.x, from.x, to.x, to.x
    );
}

fn draw(svg: &mut String, network: &Network, layer: usize, item: &Item) {
    let known = &network.layers[layer];
    let fill = match (known.layer(), known.trainable()) {
        (None, _) => "#e3f2e1",
        (_, false) => "#e0e0e0",
        _ => "#e6eefb",
    };
    let (left, top) = (item.x - item.width / 2.0, top(item));
    let mut border = |inset: f64| {
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\" fill=\"{fill}\" stroke=\"#446\"/>",
            left + inset,
            top + inset,
            item.width - 2.0 * inset,
            BOX_HEIGHT - 2.0 * inset
        );
    };
    border(0.0);
    if known.network().is_some() {
        border(3.0);
    }
    for (text, y) in texts(network, layer).iter().zip([18.0, 35.0]) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            item.x,
            top + y,
            escape(text)
        );
    }
}

/// Text as XML has it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
