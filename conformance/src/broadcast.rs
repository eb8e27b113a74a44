//! Functions of two arrays whose axes are repeated, and reductions along axes.

/// `f(a, b)` of arrays given with their sizes, by NumPy's rules.
pub fn binary(f: impl Fn(f64, f64) -> f64, a: (&[usize], &[f64]), b: (&[usize], &[f64])) -> Vec<f64> {
    let rank = a.0.len().max(b.0.len());
    let size =
        |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |axis| dims[axis]);
    let output: Vec<usize> = (0..rank).map(|axis| size(a.0, axis).max(size(b.0, axis))).collect();
    let element = |(dims, values): (&[usize], &[f64]), mut place: usize| {
        let (mut index, mut stride) = (0, 1);
        for axis in (0..rank).rev() {
            let size = size(dims, axis);
            index += (place % output[axis]) % size * stride;
            stride *= size;
            place /= output[axis];
        }
        values[index]
    };
    (0..output.iter().product()).map(|place| f(element(a, place), element(b, place))).collect()
}

/// The fold of all elements that differ in the reduced axes only.
pub fn reduce(fold: fn(&[f64]) -> f64, x: &[f64], dims: [usize; 4], reduced: [bool; 4]) -> Vec<f64> {
    let kept = [0, 1, 2, 3].map(|axis| if reduced[axis] { 1 } else { dims[axis] });
    let mut groups = vec![Vec::new(); kept.iter().product()];
    for (place, &x) in x.iter().enumerate() {
        let (mut rest, mut index, mut stride) = (place, 0, 1);
        for axis in (0..4).rev() {
            index += rest % dims[axis] % kept[axis] * stride;
            stride *= kept[axis];
            rest /= dims[axis];
        }
        groups[index].push(x);
    }
    groups.iter().map(|group| fold(group)).collect()
}
