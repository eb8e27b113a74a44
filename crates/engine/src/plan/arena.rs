//! Offsets for buffers that live for a part of the run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::Buffer;

/// To hold so many buffers against each other takes a second, which grows with their square. Networks have some hundreds, sequences of a
/// thousand steps some ten thousand.
const MAX_COMPARED: usize = 1 << 15;

/// Gives every buffer of one kind (constant or not) a start such that no two that live at the same time overlap; returns
/// the length that is needed.
pub(super) fn assign(buffers: &mut [Buffer], constant: bool) -> usize {
    let is_wanted = |i: &usize| buffers[*i].len > 0 && buffers[*i].constant == constant;
    let wanted: Vec<usize> = (0..buffers.len()).filter(is_wanted).collect();
    if wanted.len() > MAX_COMPARED { in_order_of_time(buffers, wanted) } else { by_size(buffers, wanted) }
}

/// Larger buffers choose first, each the lowest gap that is free throughout its life. (Pisarchyk, Lee: "Efficient
/// memory management for deep neural net inference", 2020, greedy by size.)
fn by_size(buffers: &mut [Buffer], mut wanted: Vec<usize>) -> usize {
    wanted.sort_by_key(|&i| (Reverse(buffers[i].len), i));
    // Buffers that have a place, by rising start.
    let mut placed: Vec<usize> = Vec::with_capacity(wanted.len());
    let mut total = 0;
    for i in wanted {
        let mut start = 0;
        for &other in &placed {
            let other = &buffers[other];
            let together = other.first <= buffers[i].last && buffers[i].first <= other.last;
            if together {
                if start + buffers[i].len <= other.start {
                    break;
                }
                start = start.max(other.start + other.len);
            }
        }
        buffers[i].start = start;
        total = total.max(start + buffers[i].len);
        let at = placed.partition_point(|&other| buffers[other].start <= start);
        placed.insert(at, i);
    }
    total
}

/// Each buffer takes the smallest gap that is free when its life begins. It takes little more than [`by_size`], and hardly longer for very many.
fn in_order_of_time(buffers: &mut [Buffer], mut wanted: Vec<usize>) -> usize {
    wanted.sort_by_key(|&i| (buffers[i].first, Reverse(buffers[i].len), i));
    let mut gaps = Gaps::default();
    let mut living: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    for i in wanted {
        while let Some(&Reverse((last, ended))) = living.peek()
            && last < buffers[i].first
        {
            living.pop();
            gaps.free(buffers[ended].start, buffers[ended].len);
        }
        buffers[i].start = gaps.take(buffers[i].len);
        living.push(Reverse((buffers[i].last, i)));
    }
    gaps.total
}

/// What is free of a stretch of memory that grows as needed.
#[derive(Default)]
struct Gaps {
    /// Lengths by start.
    by_start: BTreeMap<usize, usize>,
    /// Lengths and starts.
    by_len: BTreeSet<(usize, usize)>,
    total: usize,
}

impl Gaps {
    fn take(&mut self, len: usize) -> usize {
        if let Some(&(gap, start)) = self.by_len.range((len, 0)..).next() {
            self.remove(start, gap);
            if gap > len {
                self.insert(start + len, gap - len);
            }
            return start;
        }
        let start = match self.by_start.last_key_value() {
            Some((&start, &gap)) if start + gap == self.total => {
                self.remove(start, gap);
                start
            }
            _ => self.total,
        };
        self.total = start + len;
        start
    }

    fn free(&mut self, mut start: usize, mut len: usize) {
        if let Some((&before, &gap)) = self.by_start.range(..start).next_back()
            && before + gap == start
        {
            self.remove(before, gap);
            (start, len) = (before, gap + len);
        }
        if let Some(&gap) = self.by_start.get(&(start + len)) {
            self.remove(start + len, gap);
            len += gap;
        }
        self.insert(start, len);
    }

    fn insert(&mut self, start: usize, len: usize) {
        self.by_start.insert(start, len);
        self.by_len.insert((len, start));
    }

    fn remove(&mut self, start: usize, len: usize) {
        self.by_start.remove(&start);
        self.by_len.remove(&(len, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(len: usize, first: usize, last: usize) -> Buffer {
        Buffer { len, first, last, start: 0, constant: false }
    }

    #[test]
    fn buffers_that_live_together_never_overlap() {
        let mut state = 12345_u64;
        let mut random = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % bound
        };
        for _ in 0..50 {
            let mut buffers: Vec<Buffer> = (0..40)
                .map(|_| {
                    let first = random(30) as usize;
                    buffer(random(100) as usize, first, first + random(10) as usize)
                })
                .collect();
            let wanted: Vec<usize> = (0..buffers.len()).filter(|&i| buffers[i].len > 0).collect();
            for place in [by_size, in_order_of_time] {
                let total = place(&mut buffers, wanted.clone());
                for (i, a) in buffers.iter().enumerate().filter(|(_, a)| a.len > 0) {
                    assert!(a.start + a.len <= total);
                    for b in &buffers[i + 1..] {
                        let together = a.first <= b.last && b.first <= a.last && b.len > 0;
                        assert!(!together || a.start + a.len <= b.start || b.start + b.len <= a.start);
                    }
                }
            }
        }
    }

    #[test]
    fn very_many_buffers_need_little_more_than_what_lives_together() {
        let mut buffers: Vec<Buffer> = (0..200_000)
            .map(|i| buffer(64 * (1 + i % 3), i, if i % 2 == 0 { i + 1 } else { i + 3 }))
            .collect();
        assert!(assign(&mut buffers, false) <= 64 * 16);
        let mut all: Vec<Buffer> = (0..100_000).map(|i| buffer(16, 0, i)).collect();
        assert_eq!(assign(&mut all, false), 1_600_000);
    }

    #[test]
    fn a_chain_needs_only_two_neighbours() {
        let mut buffers: Vec<Buffer> = (0..10).map(|i| buffer(64, i, i + 1)).collect();
        assert_eq!(assign(&mut buffers, false), 128);
    }
}
