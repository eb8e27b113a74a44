//! How the work of a pass is cut: by shape and tile only, so that results do not depend on threads.

/// Multiply-adds of a piece that is worth its own start: some 20 µs.
pub(crate) const PIECE: u64 = 1 << 20;

/// The same where pieces share nothing: some 5 µs, so that threads have about the same number of them in small layers too.
pub(crate) const CUT_PIECE: u64 = 1 << 18;

/// Pieces that keep a good number of threads busy.
pub(crate) const PIECES: usize = 32;

/// The power of two at or below a number of pieces, at least one. Threads are mostly a power of two: each then has the same part of
/// every map of an image, however many pieces a layer has, and seldom waits for what lies in the cache of another core.
pub(crate) fn power_of_two(pieces: usize) -> usize {
    1 << pieces.max(1).ilog2()
}

/// Nanoseconds of so many multiply-adds on one thread, roughly.
pub(crate) fn cost(multiply_adds: u64) -> u64 {
    multiply_adds / 30
}

/// Pieces of a product of `rows × panels` tiles of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Rows of a piece; the last one may have fewer.
    pub rows: usize,
    /// Number of pieces along the rows.
    pub row_pieces: usize,
    /// Panels of a piece; the last one may have fewer.
    pub panels: usize,
    /// Number of pieces along the panels.
    pub panel_pieces: usize,
}

impl Cut {
    /// Cuts `rows` in equal pieces, and the panels too where that does not make pieces enough.
    pub(crate) fn new(rows: usize, tile_rows: usize, panels: usize, multiply_adds: u64) -> Self {
        let wanted = (multiply_adds / CUT_PIECE).clamp(1, PIECES as u64) as usize;
        // Each piece streams the whole of its panels, so it should have many tiles of rows.
        let fewest = 12 * tile_rows;
        let row_pieces = power_of_two(wanted.min(rows / fewest));
        let piece_rows = rows.div_ceil(row_pieces);
        let row_pieces = rows.div_ceil(piece_rows);
        let piece_panels = panels.div_ceil(wanted.div_ceil(row_pieces).min(panels));
        Self {
            rows: piece_rows,
            row_pieces,
            panels: piece_panels,
            panel_pieces: panels.div_ceil(piece_panels),
        }
    }

    /// Number of pieces.
    pub(crate) fn pieces(&self) -> usize {
        self.row_pieces * self.panel_pieces
    }
}

/// Splits `rows` evenly in as few tiles as hold them: `f(start, rows of the tile)`.
#[inline(always)]
pub(crate) fn for_each_tile(rows: usize, tile_rows: usize, mut f: impl FnMut(usize, usize)) {
    let mut tiles = rows.div_ceil(tile_rows);
    let mut start = 0;
    while tiles > 0 {
        let height = (rows - start).div_ceil(tiles);
        f(start, height);
        start += height;
        tiles -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_rows_evenly() {
        for rows in 0..40 {
            let mut next = 0;
            let mut heights = Vec::new();
            for_each_tile(rows, 6, |start, height| {
                assert_eq!(start, next);
                assert!((1..=6).contains(&height));
                next += height;
                heights.push(height);
            });
            assert_eq!(next, rows);
            let spread = heights.iter().max().unwrap_or(&0) - heights.iter().min().unwrap_or(&0);
            assert!(spread <= 1, "{heights:?}");
        }
    }

    #[test]
    fn pieces_cover_all_rows_and_panels() {
        for rows in [1, 5, 64, 577, 43264] {
            for panels in [1, 2, 7, 32] {
                let cut = Cut::new(rows, 6, panels, (rows * panels * 5000) as u64);
                assert!(
                    (cut.row_pieces - 1) * cut.rows < rows && cut.row_pieces * cut.rows >= rows,
                    "{cut:?}"
                );
                assert!(
                    (cut.panel_pieces - 1) * cut.panels < panels && cut.panel_pieces * cut.panels >= panels
                );
            }
        }
    }
}
