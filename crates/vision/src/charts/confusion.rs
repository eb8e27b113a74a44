//! The confusion matrix.

use super::scene::{Anchor, Chart, Shape};
use super::{Colour, INK};

/// Letters of a class's name that are shown.
const LONGEST: usize = 20;

/// Points that a letter takes, about.
const LETTER: f64 = 7.2;

/// Cells smaller than this have no numbers.
const SMALLEST_WITH_NUMBER: f64 = 22.0;

/// How often pictures of a class (a row each) were taken for each class (a column each). The darker a cell, the larger its share of its
/// row: blue where the prediction is right, orange where it is wrong.
///
/// `counts` has a row for each of the `names`, each as long.
pub fn confusion(title: &str, names: &[String], counts: &[Vec<u64>]) -> Chart {
    let classes = names.len().max(1) as f64;
    let cell = (560.0 / classes).clamp(5.0, 48.0);
    let names: Vec<String> = names.iter().map(|name| shortened(name)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64 * LETTER;
    let (left, top) = (44.0 + longest, 66.0 + longest);
    let side = cell * classes;
    let width = (left + side + 30.0).max(title.chars().count() as f64 * 8.8 + 20.0);
    let mut chart = Chart::new(width, top + side + 20.0);
    chart.text((width / 2.0, 20.0), title, 15.0, Anchor::Middle);
    chart.text((left + side / 2.0, 46.0), "predicted", 12.0, Anchor::Middle);
    chart.upright_text((18.0, top + side / 2.0), "true", 12.0, Anchor::Middle);
    // Names of very many classes would lie on each other.
    let every = (13.0 / cell).ceil().max(1.0) as usize;
    for (at, name) in names.iter().enumerate().step_by(every) {
        let along = (at as f64 + 0.5) * cell;
        chart.text((left - 7.0, top + along), name.clone(), 12.0, Anchor::End);
        chart.upright_text((left + along, top - 7.0), name.clone(), 12.0, Anchor::Start);
    }
    let gap = if cell > 12.0 { 1.0 } else { 0.0 };
    for (row, counts) in counts.iter().enumerate() {
        let all = counts.iter().sum::<u64>().max(1) as f64;
        for (column, &count) in counts.iter().enumerate() {
            let place = (left + column as f64 * cell, top + row as f64 * cell);
            let share = count as f64 / all;
            chart.rectangle(place, (cell - gap, cell - gap), shade(share, row == column));
            if cell >= SMALLEST_WITH_NUMBER && count > 0 {
                let text = count.to_string();
                // As large as fits into the cell.
                let size =
                    (cell / (0.66 * text.len().max(2) as f64)).min(cell * 0.4).clamp(6.0, 14.0).round();
                let colour = if share > 0.5 { [255; 3] } else { INK };
                let place = (place.0 + cell / 2.0, place.1 + cell / 2.0);
                chart.shapes.push(Shape::Text {
                    place,
                    text,
                    size,
                    colour,
                    anchor: Anchor::Middle,
                    upright: false,
                });
            }
        }
    }
    chart
}

/// From nearly white to blue or orange.
fn shade(share: f64, right: bool) -> Colour {
    let full: [f64; 3] = if right { [16.0, 74.0, 140.0] } else { [196.0, 66.0, 8.0] };
    full.map(|full| (245.0 + (full - 245.0) * share.powf(0.7)) as u8)
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_stands_in_its_cell_and_zeros_are_left_out() {
        let names = ["cat".to_owned(), "a dog whose name is much too long".to_owned()];
        let svg = confusion("matrix", &names, &[vec![31, 7], vec![0, 95]]).to_svg();
        let has = |text: &str| svg.contains(&format!(">{text}<"));
        assert!(has("31") && has("7") && has("95") && !has("0"));
        assert!(has("cat") && has("a dog whose name is…"));
    }

    #[test]
    fn many_classes_are_a_sheet_of_bounded_size() {
        let names: Vec<String> = (0..200).map(|class| class.to_string()).collect();
        let chart = confusion("", &names, &vec![vec![1; 200]; 200]);
        assert!(chart.size().0 < 1500.0 && chart.size().1 < 1500.0, "{:?}", chart.size());
    }
}
