//! Offsets for buffers that live for a part of the run.

use super::Buffer;

/// Gives every buffer of one kind (constant or not) a start such that no two that live at the same time overlap; returns
/// the length that is needed.
///
/// Larger buffers choose first, each the lowest gap that is free throughout its life. (Pisarchyk, Lee: "Efficient
/// memory management for deep neural net inference", 2020, greedy by size.)
pub(super) fn assign(buffers: &mut [Buffer], constant: bool) -> usize {
    let is_wanted = |i: &usize| buffers[*i].len > 0 && buffers[*i].constant == constant;
    let mut by_size: Vec<usize> = (0..buffers.len()).filter(is_wanted).collect();
    by_size.sort_by_key(|&i| (std::cmp::Reverse(buffers[i].len), i));
    // Buffers that have a place, by rising start.
    let mut placed: Vec<usize> = Vec::with_capacity(by_size.len());
    let mut total = 0;
    for i in by_size {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(len: usize, first: usize, last: usize) -> Buffer {
        Buffer { len, first, last, values: Vec::new(), start: 0, constant: false }
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
            let total = assign(&mut buffers, false);
            for (i, a) in buffers.iter().enumerate() {
                assert!(a.start + a.len <= total);
                for b in &buffers[i + 1..] {
                    let together = a.first <= b.last && b.first <= a.last && a.len > 0 && b.len > 0;
                    assert!(!together || a.start + a.len <= b.start || b.start + b.len <= a.start);
                }
            }
        }
    }

    #[test]
    fn a_chain_needs_only_two_neighbours() {
        let mut buffers: Vec<Buffer> = (0..10).map(|i| buffer(64, i, i + 1)).collect();
        assert_eq!(assign(&mut buffers, false), 128);
    }
}
