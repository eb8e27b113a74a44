//! File names with an epoch's figures in them, in Python's words: `{epoch:02d}-{val_loss:.2f}.keras`.

use crate::error::{Error, Result};

/// How a figure is written.
#[derive(Clone, Debug, PartialEq)]
struct Form {
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

/// The name with the figures filled in. `{{` and `}}` are braces.
pub(super) fn fill(pattern: &str, figures: &[(String, f64)]) -> Result<String> {
    let problem = |text: String| Error::argument(format!("file name `{pattern}`"), text);
    let mut filled = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        filled += before;
        if from.starts_with("{{") || from.starts_with("}}") {
            filled += &from[..1];
            rest = &from[2..];
            continue;
        }
        let Some(end) = from.find('}').filter(|_| from.starts_with('{')) else {
            return Err(problem("a brace has no partner; write {{ or }} for a brace".into()));
        };
        let (name, form) = from[1..end].split_once(':').unwrap_or((&from[1..end], ""));
        let Some((_, value)) = figures.iter().find(|(known, _)| known == name) else {
            return Err(Error::unknown(
                "figure in a file name",
                name,
                figures.iter().map(|(known, _)| &**known),
            ));
        };
        let form = Form::parse(form).ok_or_else(|| {
            problem(format!(
                "`{form}` is no form of a number known here; known are such as 02d, .2f, 8.3f and .2e"
            ))
        })?;
        filled += &form.write(*value);
        rest = &from[end + 1..];
    }
    Ok(filled + rest)
}

impl Form {
    fn parse(text: &str) -> Option<Self> {
        let (text, kind) = match text.strip_suffix(['d', 'f', 'e']) {
            Some(before) => (before, text.chars().last()),
            None => (text, None),
        };
        let (width, precision) = match text.split_once('.') {
            Some((width, precision)) => (width, Some(precision.parse().ok()?)),
            None => (text, None),
        };
        let zeros = width.starts_with('0');
        let width = if width.is_empty() { 0 } else { width.parse().ok()? };
        // Longer is no file name.
        (width <= 200 && precision.is_none_or(|digits: usize| digits <= 60)).then_some(Self {
            zeros,
            width,
            precision,
            kind,
        })
    }

    fn write(&self, value: f64) -> String {
        let digits = match (self.kind, self.precision) {
            (Some('d'), _) => format!("{value:.0}"),
            (Some('e'), precision) => exponential(value, precision.unwrap_or(6)),
            (Some(_), precision) => format!("{value:.*}", precision.unwrap_or(6)),
            (None, Some(precision)) => format!("{value:.precision$}"),
            (None, None) => value.to_string(),
        };
        let missing = self.width.saturating_sub(digits.chars().count());
        match (self.zeros, digits.strip_prefix('-')) {
            (true, Some(digits)) => format!("-{}{digits}", "0".repeat(missing)),
            (true, None) => "0".repeat(missing) + &digits,
            (false, _) => " ".repeat(missing) + &digits,
        }
    }
}

/// As C writes it: at least two digits in the exponent, and its sign.
fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_python_writes_them() {
        let figures =
            [("epoch".to_owned(), 7.0), ("val_loss".to_owned(), 0.041_672), ("low".to_owned(), -2.5)];
        let fill = |pattern| fill(pattern, &figures);
        for (pattern, expected) in [
            ("{epoch:02d}-{val_loss:.2f}.keras", "07-0.04.keras"),
            ("a/{epoch}.h5", "a/7.h5"),
            ("{val_loss:8.3f}|{val_loss:08.3f}|{low:06.1f}", "   0.042|0000.042|-002.5"),
            ("{val_loss:.2e}|{val_loss:f}|{{{epoch:d}}}", "4.17e-02|0.041672|{7}"),
        ] {
            assert_eq!(fill(pattern).unwrap(), expected, "{pattern}");
        }
        assert!(fill("{val_los:.2f}").unwrap_err().to_string().contains("did you mean `val_loss`"));
        for wrong in ["{epoch", "epoch}", "{epoch:x}", "{epoch:999999999d}"] {
            assert!(fill(wrong).is_err(), "{wrong}");
        }
    }
}
