//! The forward pass: output pixels as rows of a batch-reduce matrix product over the taps.

use super::layout::Layout;
use super::vector;
use super::work::{self, Cut, for_each_tile};
use super::{Epilogue, Residual};
use crate::elementwise::{Bounds, activate_piece_in_place};
use crate::gemm::brgemm::{Ahead, Tile};
use crate::gemm::{Kernels, MAX_ROWS, pack};
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use std::ops::Range;

/// Runs shorter than this go through the kernels of short runs.
const SHORT_RUN: usize = 12;
/// Weights of at most so many elements stay in the second-level cache beside input and output; for larger ones as many
/// rows as possible should pass each time they are read.
const SMALL_WEIGHTS: usize = 1 << 15;
/// Elements of input and output that then stay in that cache too.
const SMALL_BLOCK: usize = 1 << 15;

/// Weights of at most so many elements are read whole for each tile of rows: they stay in the second-level cache.
pub(super) const WHOLE_WEIGHTS: usize = 70_000;

/// Tables and pieces of the forward pass.
#[derive(Clone, Debug)]
pub(super) struct ForwardPlan {
    cut: Cut,
    /// Rows of a full tile.
    tile_rows: usize,
    /// Rows that pass through one panel before the next panel is taken.
    block: usize,
    /// Whether packing the weights would take longer than the product.
    is_vector: bool,
    packed_len: usize,
    copy_len: usize,
}

impl ForwardPlan {
    pub(super) fn new(g: &ConvGeometry, layout: &Layout, kernels: &Kernels) -> Self {
        let rows = g.batch * layout.windows.len();
        let inner = layout.rows.len();
        let width = kernels.columns();
        let panels = g.out_channels.div_ceil(width);
        let tile_rows = if layout.run_len < SHORT_RUN { kernels.scattered_rows } else { kernels.rows };
        let cut = Cut::new(rows, tile_rows, panels, g.multiply_adds());
        let is_vector = rows <= vector::MAX_ROWS;
        let packed_len = if is_vector { 0 } else { pack::packed_len(inner, g.out_channels, width) };
        let block = if packed_len > SMALL_WEIGHTS {
            cut.rows
        } else {
            (SMALL_BLOCK / (g.out_channels + g.in_channels)).next_multiple_of(tile_rows)
        };
        Self { cut, tile_rows, block, is_vector, packed_len, copy_len: layout.copy_len(g) }
    }

    pub(super) fn scratch(&self) -> usize {
        self.packed_len + self.copy_len
    }

    /// Elements of scratch of a call whose weights are packed already.
    pub(super) fn packed_scratch(&self) -> usize {
        self.copy_len
    }

    /// Elements of packed weights; `None` where weights are read as they are.
    pub(super) fn packed_len(&self) -> Option<usize> {
        (!self.is_vector).then_some(self.packed_len)
    }

    /// Whether a call reads each weight once.
    pub(super) fn is_vector(&self) -> bool {
        self.is_vector
    }

    pub(super) fn pack(&self, g: &ConvGeometry, kernels: &Kernels, weights: &[f32], packed: &mut [f32]) {
        pack::pack(weights, g.out_channels, kernels.columns(), packed);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the convolution and the slices of its call")]
    pub(super) fn run(
        &self,
        g: &ConvGeometry,
        layout: &Layout,
        kernels: &Kernels,
        input: &[f32],
        weights: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (packed, copy) = scratch.split_at_mut(self.packed_len);
        if self.is_vector {
            let input = layout.prepare(g, input, copy);
            vector::forward(g, layout, input, weights, epilogue, output);
        } else {
            self.pack(g, kernels, weights, packed);
            self.run_packed(g, layout, kernels, input, packed, epilogue, output, copy);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the convolution and the slices of its call")]
    pub(super) fn run_packed(
        &self,
        g: &ConvGeometry,
        layout: &Layout,
        kernels: &Kernels,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        copy: &mut [f32],
    ) {
        let input = layout.prepare(g, input, &mut copy[..self.copy_len]);
        let call = Call {
            plan: self,
            g,
            layout,
            kernels,
            input,
            packed,
            epilogue,
            output: Shared::new(output),
            origin: 0,
        };
        par::for_each(self.cut.pieces(), work::cost(g.multiply_adds()), |index| call.piece(index));
    }
}

/// One call of the forward pass, shared by its pieces.
pub(super) struct Call<'a> {
    pub plan: &'a ForwardPlan,
    pub g: &'a ConvGeometry,
    pub layout: &'a Layout,
    pub kernels: &'a Kernels,
    pub input: &'a [f32],
    pub packed: &'a [f32],
    pub epilogue: Epilogue<'a>,
    /// The output, or a part of it that starts at pixel `origin`.
    pub output: Shared<'a>,
    pub origin: usize,
}

impl Call<'_> {
    fn piece(&self, index: usize) {
        let (g, cut) = (self.g, &self.plan.cut);
        let panels = g.out_channels.div_ceil(self.kernels.columns());
        let (row_piece, panel_piece) = (index / cut.panel_pieces, index % cut.panel_pieces);
        let first = row_piece * cut.rows;
        let rows = cut.rows.min(g.batch * self.layout.windows.len() - first);
        let panel_start = panel_piece * cut.panels;
        self.rows(first, rows, panel_start..(panel_start + cut.panels).min(panels));
    }

    /// Computes some panels of the output pixels `first..first + rows`.
    pub(super) fn rows(&self, first: usize, rows: usize, panels: Range<usize>) {
        let g = self.g;
        let width = self.kernels.columns();
        let mut tile = Tile {
            a: [std::ptr::null(); MAX_ROWS],
            c: [std::ptr::null_mut(); MAX_ROWS],
            c_offset: 0,
            runs: &self.layout.runs,
            length: self.layout.run_len,
            offsets: &self.layout.rows,
            b: self.packed.as_ptr(),
            ahead: Ahead::none(self.packed.as_ptr()),
            columns: 0,
            bias: std::ptr::null(),
            residual: [std::ptr::null(); MAX_ROWS],
            bounds: self.epilogue.activation.bounds().unwrap_or(Bounds::NONE),
        };
        if panels.len() * width * self.layout.rows.len() <= WHOLE_WEIGHTS {
            // Each tile's rows are looked up once for all panels, and whole pixels of the output are written at a time.
            for_each_tile(rows, self.plan.tile_rows, |start, height| {
                self.set_rows(&mut tile, first + start, height);
                panels.clone().for_each(|panel| self.run(&mut tile, height, panel));
            });
        } else {
            for block in (0..rows).step_by(self.plan.block) {
                for panel in panels.clone() {
                    let (rows, mut index) = (self.plan.block.min(rows - block), 0);
                    let tiles = rows.div_ceil(self.plan.tile_rows);
                    for_each_tile(rows, self.plan.tile_rows, |start, height| {
                        self.set_rows(&mut tile, first + block + start, height);
                        tile.ahead = self.ahead(panel, index, tiles);
                        self.run(&mut tile, height, panel);
                        index += 1;
                    });
                }
            }
        }
        let columns = panels.start * width..(panels.end * width).min(g.out_channels);
        self.activate(first - self.origin, rows, columns.start, columns.end);
    }

    /// While a panel's tiles are computed the next panel is fetched, of which memory would otherwise keep the first tile waiting:
    /// where few rows pass, for a good part of the panel's time.
    #[inline]
    fn ahead(&self, panel: usize, index: usize, tiles: usize) -> Ahead {
        let (width, products) = (self.kernels.columns(), self.layout.rows.len());
        let next = (panel + 1) * width * products;
        if next >= self.packed.len() {
            return Ahead::none(self.packed.as_ptr());
        }
        Ahead::share(self.packed[next..].as_ptr(), width, products, index, tiles)
    }

    /// Points the tile's rows at `height` output pixels and their windows.
    #[inline]
    fn set_rows(&self, tile: &mut Tile<'_>, first: usize, height: usize) {
        let positions = self.layout.windows.len();
        let (mut image, mut position) = (first / positions, first % positions);
        for row in 0..height {
            let start = image * self.layout.image_len + self.layout.windows[position];
            tile.a[row] = self.input[start..].as_ptr();
            let at = (first + row) * self.g.out_channels;
            tile.c[row] = self.output.pointer_at(at - self.origin * self.g.out_channels);
            tile.residual[row] = match self.epilogue.residual {
                Residual::None => std::ptr::null(),
                Residual::Slice(values) => values[at..].as_ptr(),
                Residual::Output => tile.c[row],
            };
            position += 1;
            if position == positions {
                (image, position) = (image + 1, 0);
            }
        }
    }

    /// Computes one panel of the tile's rows.
    #[inline]
    fn run(&self, tile: &mut Tile<'_>, height: usize, panel: usize) {
        let kernels = self.kernels;
        let width = kernels.columns();
        let start = panel * width;
        tile.columns = width.min(self.g.out_channels - start);
        tile.c_offset = start;
        tile.b = self.packed[start * self.layout.rows.len()..].as_ptr();
        tile.bias = self.epilogue.bias.map_or(std::ptr::null(), |bias| bias[start..].as_ptr());
        let table = if self.layout.run_len < SHORT_RUN { &kernels.brgemm_short } else { &kernels.brgemm };
        // SAFETY: the kernels are of a supported instruction set; windows lie inside the (padded) input by the layout's
        // arithmetic, whose length `prepare` and the entry checks fix; each row of C has `columns` elements from
        // `start` on, and no other piece has these rows and panels; packed panels are full rows.
        unsafe { table[kernels.width_index(tile.columns)][height - 1](tile) };
    }

    /// Activations that the micro-kernel does not have, on rows of the output that are still in the cache.
    fn activate(&self, first: usize, rows: usize, start: usize, end: usize) {
        let activation = self.epilogue.activation;
        if activation.bounds().is_some() {
            return;
        }
        let columns = self.g.out_channels;
        if end - start == columns {
            // SAFETY: these rows are this piece's own.
            activate_piece_in_place(activation, unsafe { self.output.part(first * columns, rows * columns) });
        } else {
            for row in first..first + rows {
                // SAFETY: these rows and columns are this piece's own.
                activate_piece_in_place(activation, unsafe {
                    self.output.part(row * columns + start, end - start)
                });
            }
        }
    }
}
