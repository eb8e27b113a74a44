//! Tables of text: CSV and its kin. [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180): fields may be quoted, and then hold separators, line breaks, and
//! quotes written twice. In tables with tabs a quote that does not enclose a whole field is a mark like any other, as many such files have it.

use std::path::Path;

use crate::{DataError, Result};

/// Bytes of a table: the text of some millions of reviews.
const MAX_FILE: u64 = 1 << 30;
/// Fields of a line.
const MAX_FIELDS: usize = 4096;

/// A table's lines, cut into fields, and what its columns are called.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) header: Option<Vec<String>>,
    pub(super) rows: Vec<Row>,
}

/// A line: its fields, and where it begins in the file, from 1.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) fields: Vec<String>,
    pub(super) line: usize,
}

impl Table {
    /// Reads a table. Without a `separator` it is what the first line has most of: tabs, semicolons or commas. The first line is the header if
    /// `is_header` says so.
    pub(super) fn read(
        path: &Path,
        separator: Option<char>,
        is_header: impl Fn(&[String]) -> bool,
    ) -> Result<Self> {
        let text = super::read_text(path, MAX_FILE, "expected a table of text such as CSV")?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let separator = separator.unwrap_or_else(|| usual_separator(text));
        let mut rows = rows(text, separator).map_err(|problem| DataError::malformed(path, problem))?;
        if rows.is_empty() {
            return Err(DataError::malformed(path, "an empty table"));
        }
        let header = is_header(&rows[0].fields).then(|| rows.remove(0).fields);
        Ok(Self { header, rows })
    }

    /// The place of a column that is given by its name or, from 0, its number.
    pub(super) fn column(&self, path: &Path, wanted: &str) -> Result<usize> {
        let named = self.header.iter().flatten().position(|name| same(name, wanted));
        named.or_else(|| wanted.parse().ok()).ok_or_else(|| {
            let known = self
                .header
                .as_ref()
                .map_or_else(|| "no names, so give its number from 0".into(), |names| names.join(", "));
            DataError::malformed(path, format!("no column is called `{wanted}`; the table has {known}"))
        })
    }

    /// The first column that has one of these names.
    pub(super) fn named(&self, names: &[&str]) -> Option<usize> {
        let header = self.header.as_ref()?;
        names.iter().find_map(|wanted| header.iter().position(|name| same(name, wanted)))
    }
}

impl Row {
    pub(super) fn field(&self, path: &Path, column: usize) -> Result<&str> {
        self.fields.get(column).map(String::as_str).ok_or_else(|| {
            let problem = format!(
                "line {} has {} fields, field {} is needed",
                self.line,
                self.fields.len(),
                column + 1
            );
            DataError::malformed(path, problem)
        })
    }
}

/// Whether a column's name is this one, letters of either case.
pub(super) fn same(name: &str, wanted: &str) -> bool {
    name.trim().eq_ignore_ascii_case(wanted)
}

fn usual_separator(text: &str) -> char {
    let line = text.lines().next().unwrap_or_default();
    let count = |separator: &char| line.matches(*separator).count();
    // Of equals the last wins.
    [',', ';', '\t'].into_iter().filter(|separator| count(separator) > 0).max_by_key(count).unwrap_or(',')
}

/// The lines of a table that are not empty.
fn rows(text: &str, separator: char) -> std::result::Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let begins = line;
        let mut fields = Vec::new();
        let ended = loop {
            if fields.len() == MAX_FIELDS {
                return Err(format!("line {begins} has more than {MAX_FIELDS} fields"));
            }
            let (field, breaks, after) = field(rest, separator)
                .ok_or_else(|| format!("the quote in line {begins} is never closed"))?;
            fields.push(field);
            line += breaks;
            match after.strip_prefix(separator) {
                Some(after) => rest = after,
                None => break after,
            }
        };
        let ended = ended.strip_prefix('\r').unwrap_or(ended);
        rest = ended.strip_prefix('\n').unwrap_or(ended);
        line += 1;
        if fields.len() > 1 || !fields[0].is_empty() {
            rows.push(Row { fields, line: begins });
        }
    }
    Ok(rows)
}

/// The field at the start of `text`, line breaks in it, and what follows; `None` for a quote that is not closed.
fn field(text: &str, separator: char) -> Option<(String, usize, &str)> {
    let until_end = |text: &str| text.find([separator, '\n', '\r']).unwrap_or(text.len());
    let plain = || {
        let end = until_end(text);
        Some((text[..end].to_owned(), 0, &text[end..]))
    };
    let Some(mut rest) = text.strip_prefix('"') else { return plain() };
    if separator == '\t' {
        let inside = rest[..until_end(rest)].strip_suffix('"');
        return match inside {
            Some(inside) if !inside.replace("\"\"", "").contains('"') => {
                Some((inside.replace("\"\"", "\""), 0, &rest[inside.len() + 1..]))
            }
            _ => plain(),
        };
    }
    let mut value = String::new();
    loop {
        let quote = rest.find('"')?;
        value.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None => break,
        }
    }
    // What some programs write behind a closing quote belongs to the field.
    let end = until_end(rest);
    value.push_str(&rest[..end]);
    let breaks = value.matches('\n').count();
    Some((value, breaks, &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str, separator: char) -> Vec<Vec<String>> {
        rows(text, separator).unwrap().into_iter().map(|row| row.fields).collect()
    }

    #[test]
    fn quotes_hold_separators_breaks_and_quotes() {
        assert_eq!(
            fields("a,\"b,\"\"c\"\"\nd\"\r\n\r\n,e\nf", ','),
            [vec!["a", "b,\"c\"\nd"], vec!["", "e"], vec!["f"]]
        );
        let rows = rows("\"a\nb\"\nc", ',').unwrap();
        assert_eq!((rows[0].line, rows[1].line), (1, 3));
        assert!(super::rows("x\n\"open,y", ',').unwrap_err().contains("line 2"));
        assert!(super::rows(&",".repeat(5000), ',').is_err());
        assert_eq!(fields("it \"is\"\t\"so\"\"\"\t\"open", '\t'), [["it \"is\"", "so\"", "\"open"]]);
        assert_eq!(
            ["a,b", "a;b,c;d", "a\tb", "a", "a,b\tc,d"].map(usual_separator),
            [',', ';', '\t', ',', ',']
        );
    }

    #[test]
    fn random_text_never_panics() {
        let mut state = 1_u32;
        for _ in 0..20_000 {
            let text: String = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    [',', '"', '\n', '\r', 'ä', 'b'][(state >> 24) as usize % 6]
                })
                .collect();
            let _ = rows(&text, ',');
        }
    }
}
