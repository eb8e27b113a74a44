//! Seeded damage to files. Shared with `fuzz/`.

/// Xorshift: the same damage in every run.
pub struct Random(u64);

impl Random {
    /// Of a seed; close seeds give unlike numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 up to below `bound`, which is taken as 1 at least.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    /// One to eight wounds: flipped bits, extreme bytes and lengths, numbers in text made large, copied, cut out and cut off parts.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(8) {
            let place = self.below(bytes.len());
            let end = (place + 1 + self.below(8)).min(bytes.len());
            if place >= end {
                return;
            }
            match self.below(10) {
                0..3 => bytes[place] ^= 1 << self.below(8),
                3 => bytes[place..end].fill([0, 0xff, 0x7f, 0x80][self.below(4)]),
                4 => {
                    let source = self.below(bytes.len() - (end - place) + 1);
                    bytes.copy_within(source..source + (end - place), place);
                }
                5 => bytes[place] = self.below(256) as u8,
                6 if self.below(10) == 0 => bytes.truncate(place),
                7 if self.below(10) == 0 => drop(bytes.drain(place..end)),
                8 => self.grow_number(bytes, place),
                9 if self.below(10) == 0 => {
                    let part: Vec<u8> = bytes[place..end].to_vec();
                    let at = self.below(bytes.len());
                    drop(bytes.splice(at..at, part));
                }
                _ => {}
            }
        }
    }

    /// Makes the next number that is written in digits another: zero, negative, or of many digits.
    fn grow_number(&mut self, bytes: &mut Vec<u8>, from: usize) {
        let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else {
            return;
        };
        let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let numbers: [&[u8]; 6] = [b"0", b"-1", b"99999", b"4294967297", b"18446744073709551615", b"1e308"];
        drop(bytes.splice(start..start + length, numbers[self.below(6)].iter().copied()));
    }
}
