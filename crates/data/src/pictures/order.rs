//! NumPy's shuffle, so that a seed keeps back the same files for validation as it does in Keras.

const WORDS: usize = 624;

/// The Mersenne Twister (Matsumoto and Nishimura, 1998) as `numpy.random.RandomState(seed)` starts it.
struct Twister {
    state: [u32; WORDS],
    next: usize,
}

impl Twister {
    fn new(seed: u32) -> Self {
        let mut state = [seed; WORDS];
        for at in 1..WORDS {
            let before = state[at - 1];
            state[at] = (before ^ before >> 30).wrapping_mul(1_812_433_253).wrapping_add(at as u32);
        }
        Self { state, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            for at in 0..WORDS {
                let mixed = self.state[at] & 0x8000_0000 | self.state[(at + 1) % WORDS] & 0x7fff_ffff;
                let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[at] = self.state[(at + 397) % WORDS] ^ mixed >> 1 ^ odd;
            }
            self.next = 0;
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    /// A number up to `most`, by throwing away words that are too large.
    fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        loop {
            let word = self.word() & mask;
            if word <= most {
                return word;
            }
        }
    }
}

/// The order in which `numpy.random.RandomState(seed).shuffle` puts a list of `count`.
pub(crate) fn numpy_shuffle(count: usize, seed: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    let mut random = Twister::new(seed);
    for last in (1..count).rev() {
        order.swap(last, random.up_to(last as u32) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numpy_gives_the_same() {
        // NumPy 2: r = numpy.random.RandomState(seed); x = list(range(count)); r.shuffle(x)
        assert_eq!(numpy_shuffle(10, 0), [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
        assert_eq!(numpy_shuffle(10, 123), [4, 0, 7, 5, 8, 3, 1, 6, 9, 2]);
        assert_eq!(numpy_shuffle(1000, 7)[..8], [778, 334, 271, 802, 216, 408, 812, 94]);
        assert_eq!((numpy_shuffle(0, 1), numpy_shuffle(1, 1)), (vec![], vec![0]));
    }
}
