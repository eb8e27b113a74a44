//! Distributions of numbers, in buckets whose borders grow by a tenth as those of TensorFlow's `tsl/lib/histogram`.

use super::proto::Histogram;

/// The smallest border above 0.
const SMALLEST: f64 = 1e-12;

/// The largest border below infinity.
const LARGEST: f64 = 1e20;

/// Upper borders of the buckets right of 0, the last of them the largest number there is.
fn borders() -> Vec<f64> {
    let mut borders: Vec<f64> = std::iter::successors(Some(SMALLEST), |border| Some(border * 1.1))
        .take_while(|&border| border < LARGEST)
        .collect();
    borders.push(f64::MAX);
    borders
}

/// The distribution of the finite ones of these numbers. Runs of empty buckets are one bucket.
pub(super) fn of(values: &[f32]) -> Histogram {
    let right = borders();
    let limits: Vec<f64> =
        right.iter().rev().map(|border| -border).chain([0.0]).chain(right.iter().copied()).collect();
    let mut counts = vec![0.0; limits.len()];
    let mut made = Histogram { min: f64::INFINITY, max: f64::NEG_INFINITY, ..Histogram::default() };
    for value in values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value)) {
        made.min = made.min.min(value);
        made.max = made.max.max(value);
        made.num += 1.0;
        made.sum += value;
        made.sum_squares += value * value;
        counts[limits.partition_point(|&limit| limit <= value)] += 1.0;
    }
    if made.num == 0.0 {
        (made.min, made.max) = (0.0, 0.0);
    }
    for (at, (&limit, &count)) in limits.iter().zip(&counts).enumerate() {
        // An empty bucket only has to end where one begins that is not.
        let needed = count > 0.0 || counts.get(at + 1).is_some_and(|&next| next > 0.0);
        if needed {
            made.bucket_limit.push(limit);
            made.bucket.push(count);
        }
    }
    if made.bucket.is_empty() {
        made.bucket_limit.push(f64::MAX);
        made.bucket.push(0.0);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_lies_in_the_bucket_below_its_border() {
        let values = [-2.0, -1e-13, 0.0, 0.5, 0.5, 3e30, f32::NAN, f32::INFINITY];
        let made = of(&values);
        assert_eq!((made.num, made.min, made.max), (6.0, -2.0, f64::from(3e30_f32)));
        for value in [-2.0, -1e-13, 0.0, 0.5, f64::from(3e30_f32)] {
            let at = made.bucket_limit.iter().position(|&limit| value < limit).unwrap();
            assert!(made.bucket[at] >= 1.0, "{value}: {:?} {:?}", made.bucket_limit, made.bucket);
            assert!(at == 0 || made.bucket_limit[at - 1] <= value);
        }
        assert_eq!(made.bucket.iter().sum::<f64>(), 6.0);
        assert!(made.bucket_limit.is_sorted());
    }

    #[test]
    fn no_numbers_are_an_empty_bucket() {
        let made = of(&[f32::NAN]);
        assert_eq!((made.num, made.min, made.bucket), (0.0, 0.0, vec![0.0]));
    }
}
