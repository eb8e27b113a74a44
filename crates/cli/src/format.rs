//! Numbers for people.

/// `104202` → `104,202`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `10000, "image"` → `10,000 images`.
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", thousands(number as u64))
}

/// A duration: `0.31 s`, `7.2 s`, `42 s`, `3:05`, `1:02:03`.
pub fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{seconds:.2} s");
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A number of bytes: `512 B`, `371.2 MB` (1 MB is 1024² bytes).
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([7, 1_000, 104_202].map(thousands), ["7", "1,000", "104,202"]);
        assert_eq!(count(1, "image"), "1 image");
        assert_eq!(count(10_000, "image"), "10,000 images");
        assert_eq!(
            [0.314, 7.16, 9.96, 185.2, 3723.0].map(duration),
            ["0.31 s", "7.2 s", "10 s", "3:05", "1:02:03"]
        );
        assert_eq!([512, 389_283_840].map(bytes), ["512 B", "371.2 MB"]);
    }
}
