//! Flat memory whose first element lies on a cache line.

use convnet_kernels::pages;
use std::ops::{Deref, DerefMut};

/// Floats of one cache line.
const LINE: usize = 16;

/// Floats in one piece, zero at first, the first of them on a 64-byte border so that vector loads from
/// offsets that are multiples of 16 never straddle cache lines.
#[derive(Debug, Default)]
pub struct Slab {
    data: Vec<f32>,
    start: usize,
    len: usize,
}

impl Slab {
    /// `len` zeros.
    pub fn new(len: usize) -> Self {
        // The system hands out zeroed pages lazily, so a large slab costs nothing until it is touched.
        let mut data = vec![0.0; len + LINE - 1];
        pages::prefer_large(&mut data);
        let start = data.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE - 1);
        Self { data, start, len }
    }

    /// Makes room for at least `len` floats; what was in it is lost if it has to move.
    pub fn reserve(&mut self, len: usize) {
        if len > self.len {
            *self = Self::default();
            *self = Self::new(len);
        }
    }

    /// `len` rounded up to whole cache lines.
    pub const fn round_up(len: usize) -> usize {
        len.div_ceil(LINE) * LINE
    }
}

impl Clone for Slab {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Deref for Slab {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.start..self.start + self.len]
    }
}

impl DerefMut for Slab {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_start_on_a_cache_line_and_keep_their_contents_when_cloned() {
        for len in [0, 1, 15, 16, 1000] {
            let mut slab = Slab::new(len);
            assert_eq!(slab.len(), len);
            assert_eq!(slab.as_ptr() as usize % 64, 0);
            slab.fill(2.0);
            let copy = slab.clone();
            assert_eq!(copy.as_ptr() as usize % 64, 0);
            assert!(copy.iter().all(|&x| x == 2.0));
        }
    }
}
