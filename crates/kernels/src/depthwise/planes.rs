//! Groups of a few channels as depthwise convolutions: the source is spread so that each channel of the target finds the
//! channels of its group at its own place, in as many planes as the group has.

use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};

/// Elements of a piece.
const PIECE: usize = 1 << 14;

/// How source channels are spread: plane p of target channel c is source channel `c / target_group · source_group + p`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    /// Channels of a group of the target.
    pub target_group: usize,
    /// Channels of a group of the source, which is the number of planes.
    pub source_group: usize,
    /// Channels of the target.
    pub width: usize,
}

impl Spread {
    /// Of the input, for the output's channels.
    pub(super) fn of_input(g: &ConvGeometry) -> Self {
        let (target_group, source_group) = (g.group_out_channels(), g.group_in_channels());
        Self { target_group, source_group, width: g.out_channels }
    }

    /// Of the output's gradient, for the input's channels.
    pub(super) fn of_gradient(g: &ConvGeometry) -> Self {
        let (target_group, source_group) = (g.group_in_channels(), g.group_out_channels());
        Self { target_group, source_group, width: g.in_channels }
    }

    /// Whether source and target have the same channels.
    pub(super) fn is_identity(self) -> bool {
        self.target_group == 1 && self.source_group == 1
    }

    /// Elements of a position.
    pub(super) fn pixel(self) -> usize {
        self.source_group * self.width
    }

    /// Spreads all positions of `source`.
    pub(super) fn run(self, source: &[f32], target: &mut [f32]) {
        let channels = self.width / self.target_group * self.source_group;
        let pixels = (PIECE / self.pixel()).max(1);
        let cost = target.len() as u64 / 2;
        par::for_each_chunk(target, pixels * self.pixel(), cost, |start, target| {
            let source = &source[start / self.pixel() * channels..];
            let pairs = source.chunks_exact(channels).zip(target.chunks_exact_mut(self.pixel()));
            pairs.for_each(|(source, target)| self.spread_pixel(source, target));
        });
    }

    fn spread_pixel(self, source: &[f32], target: &mut [f32]) {
        for (plane, target) in target.chunks_exact_mut(self.width).enumerate() {
            let source = source[plane..].iter().step_by(self.source_group);
            for (target, &value) in target.chunks_exact_mut(self.target_group).zip(source) {
                target.fill(value);
            }
        }
    }
}

/// Weights of the data gradient: `(tap, output channel of the group, input channel)` of `(tap, input channel of the
/// group, output channel)`.
pub(super) fn turn_weights(g: &ConvGeometry, weights: &[f32], turned: &mut [f32]) {
    let (group_in, group_out) = (g.group_in_channels(), g.group_out_channels());
    let turned_len = turned.len();
    let turned = Shared::new(turned);
    let tap_len = g.out_channels * group_in;
    par::for_each(g.window.taps(), turned_len as u64, |tap| {
        let weights = &weights[tap * tap_len..][..tap_len];
        // SAFETY: each tap has its own part.
        let turned = unsafe { turned.part(tap * tap_len, tap_len) };
        for (plane, turned) in turned.chunks_exact_mut(g.in_channels).enumerate() {
            for (channel, turned) in turned.iter_mut().enumerate() {
                let output = channel / group_in * group_out + plane;
                *turned = weights[channel % group_in * g.out_channels + output];
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_finds_its_group() {
        let spread = Spread { target_group: 3, source_group: 2, width: 6 };
        let mut target = vec![0.0; 24];
        spread.run(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &mut target);
        assert_eq!(target[..6], [1.0, 1.0, 1.0, 3.0, 3.0, 3.0]);
        assert_eq!(target[6..12], [2.0, 2.0, 2.0, 4.0, 4.0, 4.0]);
        assert_eq!(target[12..18], [5.0, 5.0, 5.0, 7.0, 7.0, 7.0]);
    }
}
