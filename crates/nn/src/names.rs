//! Names: Keras's snake case, counters, and the known name that a misspelt one is most like.

use std::collections::HashMap;

/// Keras's name for a class: `Conv2D` → `conv2d`, `MaxPooling2D` → `max_pooling2d`, `RMSprop` → `rm_sprop`.
pub fn snake_case(class: &str) -> String {
    let letters: Vec<char> = class.chars().collect();
    let mut name = String::new();
    for (i, &letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| letters[i]);
        let starts_word = letter.is_uppercase() && letters.get(i + 1).is_some_and(|next| next.is_lowercase());
        let after_lower = letter.is_uppercase() && before.is_some_and(char::is_lowercase);
        if i > 0 && (starts_word || after_lower) {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// Gives each name a number from the second time on: `conv2d`, `conv2d_1`, `conv2d_2`.
#[derive(Debug, Default)]
pub struct Counters(HashMap<String, usize>);

impl Counters {
    /// The next name for this base.
    pub fn next(&mut self, base: &str) -> String {
        let count = self.0.entry(base.to_owned()).or_default();
        *count += 1;
        if *count == 1 { base.to_owned() } else { format!("{base}_{}", *count - 1) }
    }
}

/// Names of more bytes are not compared, and not shown whole: what is longer, a damaged file has made up.
const LONGEST: usize = 200;

/// A name as messages show it: the beginning of one that is too long.
pub fn cut(name: &str) -> String {
    if name.len() <= LONGEST {
        name.to_owned()
    } else {
        name[..name.floor_char_boundary(LONGEST)].to_owned() + "…"
    }
}

/// The known name that is most like `name`, if any is like it at all.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let name = plain(name);
    // Per cent of the longer name that would have to change.
    let difference = |other: &str| {
        let other = plain(other);
        100 * edit_distance(&name, &other) / name.len().max(other.len()).max(1)
    };
    let known = known.into_iter().filter(|known| known.len() <= LONGEST);
    let best = known.min_by_key(|known| difference(known))?;
    (difference(best) <= 60).then_some(best)
}

/// Insertions, deletions and replacements between two words (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_names_become_keras_layer_names() {
        for (class, name) in [
            ("Conv2D", "conv2d"),
            ("MaxPooling2D", "max_pooling2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("BatchNormalization", "batch_normalization"),
            ("InputLayer", "input_layer"),
            ("ReLU", "re_lu"),
            ("RMSprop", "rm_sprop"),
            ("Conv2DTranspose", "conv2d_transpose"),
            ("SGD", "sgd"),
        ] {
            assert_eq!(snake_case(class), name);
        }
    }

    #[test]
    fn misspelt_names_find_their_neighbour() {
        let known = ["Conv2D", "Dense", "MaxPooling2D"];
        assert_eq!(nearest("conv_2d", known), Some("Conv2D"));
        assert_eq!(nearest("MaxPool2D", known), Some("MaxPooling2D"));
        assert_eq!(nearest("Denes", known), Some("Dense"));
        assert_eq!(nearest("Convolution2D", known), Some("Conv2D"));
        assert_eq!(nearest("Transformer", known), None);
    }
}
