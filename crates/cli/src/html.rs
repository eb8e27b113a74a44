//! Self-contained HTML pages: no script, no file beside them.

use std::fmt::{self, Write};

/// Text with the letters that mean something in HTML written as entities.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

/// Bytes as a `data:` address, for pictures inside a page.
pub fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("data:{media_type};base64,");
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, &byte| number << 8 | u32::from(byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            match place <= three.len() {
                true => text.push(char::from(DIGITS[(number >> (18 - 6 * place)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

/// A page in the making.
#[derive(Debug)]
pub struct Page(String);

const STYLE: &str = "\
body{font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:#1d1d1f;background:#f6f6f4;margin:0}
main{max-width:1000px;margin:0 auto;padding:2rem 1.5rem 4rem}
h1{font-size:1.7rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.2rem 0 .7rem}
.lead{color:#555;margin:0 0 1.5rem}
section,.figures{background:#fff;border:1px solid #e2e2de;border-radius:8px;padding:1rem 1.2rem}
.figures{display:flex;flex-wrap:wrap;gap:.6rem 2.4rem}
.figures div b{display:block;font-size:1.45rem;font-weight:600;font-variant-numeric:tabular-nums}
.figures div span{color:#666;font-size:.85rem}
svg{max-width:100%;height:auto;display:block;margin:0 auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right}tr+tr td{border-top:1px solid #eee}th{color:#666;font-weight:500;border-bottom:1px solid #ccc}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:1rem}
figure{margin:0}figure img{width:100%;aspect-ratio:1;object-fit:contain;background:#eee;border-radius:4px;image-rendering:auto}
figure img.small{image-rendering:pixelated}
figcaption{font-size:.82rem;line-height:1.35;margin-top:.3rem;overflow-wrap:anywhere}
.wrong{color:#b3410a;font-weight:600}.right{color:#1b5fa0}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.86rem}
pre{margin:0;overflow-x:auto}
footer{color:#777;font-size:.85rem;margin-top:2rem}";

impl Page {
    /// A page of this title, with a line below it.
    pub fn new(title: &str, lead: &str) -> Self {
        let (title, lead) = (escaped(title), escaped(lead));
        Self(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n"
        ))
    }

    /// Figures that stand out, each with what it is.
    pub fn figures(&mut self, figures: &[(String, &str)]) {
        self.raw("<div class=\"figures\">\n");
        for (figure, name) in figures {
            self.put(format_args!("<div><b>{}</b><span>{}</span></div>\n", escaped(figure), escaped(name)));
        }
        self.raw("</div>\n");
    }

    /// A headline and what stands below it, which is HTML already.
    pub fn section(&mut self, title: &str, html: &str) {
        self.put(format_args!("<h2>{}</h2>\n<section>\n{html}\n</section>\n", escaped(title)));
    }

    /// The page, whole.
    pub fn finish(mut self, footer: &str) -> String {
        self.put(format_args!("<footer>{}</footer>\n</main>\n</body>\n</html>\n", escaped(footer)));
        self.0
    }

    fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn put(&mut self, html: fmt::Arguments<'_>) {
        let _infallible = self.0.write_fmt(html);
    }
}

/// A table; columns whose head begins with `#` are of numbers.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let is_number = |column: usize| heads.get(column).is_some_and(|head| head.starts_with('#'));
    let class = |column: usize| if is_number(column) { " class=\"n\"" } else { "" };
    let mut html = String::from("<div class=\"scroll\"><table>\n");
    if heads.iter().any(|head| !head.is_empty()) {
        let cells = heads.iter().enumerate();
        let cells: String = cells
            .map(|(at, head)| format!("<th{}>{}</th>", class(at), escaped(head.trim_start_matches('#'))))
            .collect();
        html += &format!("<tr>{cells}</tr>\n");
    }
    for row in rows {
        let cells: String =
            row.iter().enumerate().map(|(at, cell)| format!("<td{}>{cell}</td>", class(at))).collect();
        html += &format!("<tr>{cells}</tr>\n");
    }
    html + "</table></div>"
}

/// An SVG document as a part of a page.
pub fn svg(document: &str) -> String {
    // What stands before the element belongs to files of their own.
    let start = document.find("<svg").unwrap_or(0);
    format!("<div class=\"scroll\">{}</div>", &document[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_base64() {
        let base64 = |bytes: &[u8]| data_uri("x/y", bytes).split_once("base64,").unwrap().1.to_owned();
        assert_eq!([base64(b""), base64(b"M"), base64(b"Ma"), base64(b"Man")], ["", "TQ==", "TWE=", "TWFu"]);
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn nothing_of_a_name_becomes_markup() {
        let page = Page::new("<script>alert('x')</script>", "a & \"b\"").finish("");
        assert!(
            !page.contains("<script")
                && page.contains("&lt;script&gt;")
                && page.contains("a &amp; &quot;b&quot;")
        );
    }
}
