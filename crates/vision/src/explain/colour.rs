//! Colours of numbers from 0 to 1.

/// Matplotlib's `viridis`, dark blue to yellow, between nine of its colours.
pub fn viridis(value: f32) -> [u8; 3] {
    const COLOURS: [[u8; 3]; 9] = [
        [68, 1, 84],
        [72, 40, 120],
        [62, 74, 137],
        [49, 104, 142],
        [38, 130, 142],
        [31, 158, 137],
        [53, 183, 121],
        [110, 206, 88],
        [253, 231, 37],
    ];
    let place = value.clamp(0.0, 1.0) * 8.0;
    let below = (place as usize).min(7);
    let share = place - below as f32;
    std::array::from_fn(|channel| {
        let (low, high) = (f32::from(COLOURS[below][channel]), f32::from(COLOURS[below + 1][channel]));
        (low + share * (high - low)).round() as u8
    })
}

/// Matplotlib's `jet`: dark blue, cyan, yellow, dark red.
pub fn jet(value: f32) -> [u8; 3] {
    let value = value.clamp(0.0, 1.0);
    let slope = |from: f32| (1.5 - (4.0 * value - from).abs()).clamp(0.0, 1.0);
    [3.0, 2.0, 1.0].map(|centre| (255.0 * slope(centre)).round() as u8)
}
