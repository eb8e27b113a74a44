//! How the work of a pass is cut: by shape and instruction set only, so that results do not depend on threads.

use crate::conv::work::power_of_two;
use std::ops::Range;

/// Channels that are taken at a time: some lines of a tile stay in the first-level cache.
const CHANNELS: usize = 128;

/// Lines of which a tile is computed before the next tile is taken: memory is read in long stretches, and each line of
/// the source comes from the first-level cache where the next line of the target needs it again.
pub(super) const BAND: usize = 8;

/// Multiply-adds of a piece that is worth its own start, and pieces that keep a good number of threads busy.
const PIECE: usize = 1 << 19;
const PIECES: usize = 32;

/// Multiply-adds of a piece that is worth a step of a loop whose threads are awake.
const FINE_PIECE: usize = 1 << 15;

/// Fewest lines of a piece, unless there is no other way to cut: neighbours read the same lines of the source.
const LINES: usize = 4;

/// Nanoseconds of so many multiply-adds on one thread, roughly.
pub(super) fn cost(multiply_adds: usize) -> u64 {
    multiply_adds as u64 / 16
}

/// Channels of a block, such that all blocks are about equal.
pub(super) fn block_of(width: usize, lanes: usize) -> usize {
    width.div_ceil(width.div_ceil(CHANNELS)).next_multiple_of(lanes).min(width)
}

/// A range in parts of `len`.
pub(super) fn blocks(range: &Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.clone().step_by(len).map(move |start| start..(start + len).min(end))
}

/// A part of the target: some lines, counted over all images, some columns and some channels.
pub(super) struct Piece {
    pub lines: Range<usize>,
    pub columns: Range<usize>,
    pub channels: Range<usize>,
}

/// Lines, columns and channels: how many there are, and how many a piece has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    all: [usize; 3],
    piece: [usize; 3],
}

impl Cut {
    /// Cuts lines first, then channels, then columns, until there are pieces enough.
    pub(super) fn new(
        lines: usize,
        columns: usize,
        channels: usize,
        lanes: usize,
        multiply_adds: usize,
    ) -> Self {
        Self::of(lines, columns, channels, lanes, (multiply_adds / PIECE).clamp(1, PIECES))
    }

    fn of(lines: usize, columns: usize, channels: usize, lanes: usize, wanted: usize) -> Self {
        let piece_lines = lines.div_ceil(power_of_two(wanted.min(lines / LINES)));
        let rest = wanted.div_ceil(lines.div_ceil(piece_lines));
        let block = block_of(channels, lanes);
        let blocks = channels.div_ceil(block);
        let piece_channels = block * blocks.div_ceil(rest.min(blocks));
        let rest = rest.div_ceil(channels.div_ceil(piece_channels));
        let piece_columns = columns.div_ceil(rest.min(columns));
        Self { all: [lines, columns, channels], piece: [piece_lines, piece_columns, piece_channels] }
    }

    /// The same, into pieces worth a step of a loop whose threads are awake.
    pub(super) fn fine(
        lines: usize,
        columns: usize,
        channels: usize,
        lanes: usize,
        multiply_adds: usize,
    ) -> Self {
        Self::of(lines, columns, channels, lanes, (multiply_adds / FINE_PIECE).clamp(1, PIECES))
    }

    /// The same, but with all columns in one piece.
    pub(super) fn whole_lines(self) -> Self {
        Self { piece: [self.piece[0], self.all[1], self.piece[2]], ..self }
    }

    fn counts(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.all[axis].div_ceil(self.piece[axis]))
    }

    /// Number of pieces.
    pub(super) fn pieces(&self) -> usize {
        self.counts().iter().product()
    }

    /// Number of pieces along the lines.
    pub(super) fn line_pieces(&self) -> usize {
        self.counts()[0]
    }

    /// Index of a piece along the lines.
    pub(super) fn line_piece(&self, index: usize) -> usize {
        index / (self.counts()[1] * self.counts()[2])
    }

    /// A piece, by lines first.
    pub(super) fn piece(&self, index: usize) -> Piece {
        let [_, columns, channels] = self.counts();
        let part = |axis: usize, index: usize| {
            let len = self.piece[axis];
            index * len..((index + 1) * len).min(self.all[axis])
        };
        Piece {
            lines: part(0, index / (columns * channels)),
            columns: part(1, index / channels % columns),
            channels: part(2, index % channels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_everything_once() {
        for (lines, columns, channels) in
            [(1, 16000, 32), (112, 112, 33), (7, 7, 960), (3, 2, 1), (1, 1, 5000)]
        {
            for multiply_adds in [1000, 3 << 19, 40 << 19] {
                for cut in [Cut::new, Cut::fine].map(|cut| cut(lines, columns, channels, 8, multiply_adds)) {
                    let mut covered = 0;
                    for index in 0..cut.pieces() {
                        let piece = cut.piece(index);
                        assert!(
                            !piece.lines.is_empty()
                                && !piece.columns.is_empty()
                                && !piece.channels.is_empty()
                        );
                        assert_eq!(piece.lines.start, cut.line_piece(index) * cut.piece[0]);
                        covered += piece.lines.len() * piece.columns.len() * piece.channels.len();
                    }
                    assert_eq!(covered, lines * columns * channels, "{cut:?}");
                }
            }
        }
    }
}
