//! Sets of ten samples whose numbers tell which they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};
use ndarray::{Array1, Array2};

use super::*;
use crate::{ArraySamples, Labelled, SampleSet, Stream, StreamSample};

/// Sample i is [i, −i] with label i mod 3.
fn ten() -> SampleSet {
    let x = Array2::from_shape_fn((10, 2), |(i, j)| if j == 0 { i as f32 } else { -(i as f32) });
    let y: Array1<f32> = (0..10).map(|i| (i % 3) as f32).collect();
    SampleSet::new(ArraySamples::new(x.into_dyn(), y.into_dyn()).unwrap())
}

fn filled(set: &dyn Samples, visit: Visit, indices: &[usize]) -> Batch {
    let mut batch = Batch::new(set, indices.len());
    set.fill(visit, indices, &mut batch).unwrap();
    batch
}

/// The first number of each sample.
fn numbers(set: &SampleSet) -> Vec<f32> {
    let indices: Vec<usize> = (0..set.len()).collect();
    let width: usize = set.input_dims()[0].iter().product();
    filled(set, Visit::default(), &indices).inputs[0].chunks(width).map(|sample| sample[0]).collect()
}

#[test]
fn parts_and_repetitions_are_other_numbers() {
    assert_eq!(numbers(&ten().take(3)), [0.0, 1.0, 2.0]);
    assert_eq!(numbers(&ten().skip(7)), [7.0, 8.0, 9.0]);
    assert_eq!(numbers(&ten().skip(8).repeat(2)), [8.0, 9.0, 8.0, 9.0]);
    assert_eq!(numbers(&ten().subset(&[4, 4, 1]).unwrap()), [4.0, 4.0, 1.0]);
    assert_eq!(ten().skip(8).repeat(2).labels().unwrap(), [2, 0, 2, 0]);
    assert_eq!((ten().take(99).len(), ten().skip(99).len()), (10, 0));
    assert!(ten().subset(&[10]).is_err());
    let mut shuffled = numbers(&ten().shuffle(5));
    assert_ne!(shuffled, numbers(&ten()));
    assert_eq!(shuffled, numbers(&ten().shuffle(5)));
    shuffled.sort_by(f32::total_cmp);
    assert_eq!(shuffled, numbers(&ten()));
}

#[test]
fn shares_deal_every_sample_once() {
    let ids: Array1<f32> = (0..400).map(|i| i as f32).collect();
    let labels: Array1<f32> = (0..400).map(|i| f32::from(u8::from(i % 4 == 0))).collect();
    let set = SampleSet::new(ArraySamples::new(ids.into_dyn(), labels.into_dyn()).unwrap());
    let shares = Shares::new(&[0.1, 0.15, 0.75]).unwrap().seed(3);
    for shares in [shares.clone(), shares.clone().stratified(), shares.clone().in_order()] {
        let parts = set.split(shares).unwrap();
        assert_eq!(parts.iter().map(Samples::len).collect::<Vec<_>>(), [40, 60, 300]);
        let mut dealt: Vec<f32> = parts.iter().flat_map(numbers).collect();
        dealt.sort_by(f32::total_cmp);
        assert_eq!(dealt, numbers(&set));
    }
    let parts = set.split(shares.clone().stratified()).unwrap();
    let counts: Vec<_> = parts.iter().map(|part| part.class_counts().unwrap()).collect();
    assert_eq!(counts, [[30, 10], [45, 15], [225, 75]]);
    let again = set.split(shares.clone().stratified()).unwrap();
    assert_eq!(numbers(&parts[0]), numbers(&again[0]));
    assert_ne!(numbers(&parts[0]), numbers(&set.split(shares.stratified().seed(4)).unwrap()[0]));
    for bad in [&[][..], &[0.5, 0.6], &[0.0, 1.0], &[-0.5], &[f64::NAN]] {
        assert!(Shares::new(bad).is_err(), "{bad:?}");
    }
    assert!(ten().split(Shares::new(&[0.01, 0.99]).unwrap()).unwrap_err().to_string().contains("0.01 of 10"));
}

#[test]
fn maps_are_the_same_on_any_number_of_threads() {
    let noisy = ten().repeat(50).map(|visit, index, sample| {
        let random = random(visit, index);
        sample.inputs[0].iter_mut().zip(0..).for_each(|(value, at)| *value += random.word(at) as f32 / 4e9);
    });
    let indices: Vec<usize> = (0..noisy.len()).rev().collect();
    let visit = Visit { seed: 9, epoch: 2, training: true };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| filled(&noisy, visit, &indices).inputs[0].to_vec())
    };
    assert_eq!(on(1), on(4));
    let other = filled(&noisy, Visit { epoch: 3, ..visit }, &indices).inputs[0].to_vec();
    assert_ne!(on(1), other);
    let sums = ten().map_into(vec![vec![1]], vec![vec![2]], |_, index, from, to| {
        to.inputs[0][0] = from.inputs[0].iter().sum::<f32>() + 1.0;
        to.targets[0].fill(from.targets[0][0] + index as f32);
    });
    let batch = filled(&sums, Visit::default(), &[4, 2]);
    assert_eq!((&batch.inputs[0][..], &batch.targets[0][..]), (&[1.0, 1.0][..], &[5.0, 5.0, 4.0, 4.0][..]));
}

/// How often samples of this set were made.
fn counted(set: &SampleSet) -> (SampleSet, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let set = set.map(move |_, _, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    (set, count)
}

#[test]
fn cached_samples_are_made_once() {
    let (set, count) = counted(&ten().with_weights((0..10).map(|i| i as f32).collect()).unwrap());
    let cached = set.cache();
    for indices in [&[3, 1][..], &[1, 5, 3], &[5]] {
        let (ours, plain) =
            (filled(&cached, Visit::default(), indices), filled(&ten(), Visit::default(), indices));
        assert_eq!(
            (&ours.inputs[0][..], &ours.targets[0][..]),
            (&plain.inputs[0][..], &plain.targets[0][..])
        );
        assert!(ours.weights.iter().zip(indices).all(|(&weight, &index)| weight == index as f32));
    }
    assert_eq!(count.load(Ordering::Relaxed), 3);
    // Pixels are kept as bytes and come back to the bit.
    let digits = SampleSet::from(crate::load("mnist").unwrap().train).take(20);
    for set in [digits.clone(), digits.with_white(255.0)] {
        let cached = set.cache();
        let indices = [0, 19, 7];
        let expected = filled(&set, Visit::default(), &indices);
        for _ in 0..2 {
            let ours = filled(&cached, Visit::default(), &indices);
            assert_eq!(
                (&ours.inputs[0][..], &ours.targets[0][..]),
                (&expected.inputs[0][..], &expected.targets[0][..])
            );
        }
        let white = set.white().unwrap();
        assert_eq!(expected.inputs[0].iter().copied().fold(0.0, f32::max), white);
        assert!(white == 1.0 || expected.inputs[0].iter().all(|value| value.fract() == 0.0));
    }
}

#[test]
fn a_cache_file_lasts_and_mends_itself() {
    let path = std::env::temp_dir().join(format!("convnet-cache-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let same = |set: &SampleSet, indices: &[usize]| {
        let (ours, plain) =
            (filled(set, Visit::default(), indices), filled(&ten(), Visit::default(), indices));
        assert_eq!(
            (&ours.inputs[0][..], &ours.targets[0][..]),
            (&plain.inputs[0][..], &plain.targets[0][..])
        );
    };
    let (set, count) = counted(&ten());
    let cached = set.cache_file(&path).unwrap();
    same(&cached, &[0, 7]);
    same(&cached, &[7, 8, 0]);
    assert_eq!(count.load(Ordering::Relaxed), 3);
    drop(cached);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[32 + 7 * 20 + 3] ^= 1; // in the record of sample 7
    std::fs::write(&path, &bytes).unwrap();
    let (set, count) = counted(&ten());
    same(&set.cache_file(&path).unwrap(), &[0, 7, 8]);
    assert_eq!(count.load(Ordering::Relaxed), 1);
    // Other samples begin anew, and other files are left alone.
    let (set, count) = counted(&ten().take(9));
    same(&set.cache_file(&path).unwrap(), &[0, 7]);
    assert_eq!(count.load(Ordering::Relaxed), 2);
    std::fs::write(&path, "my thesis").unwrap();
    assert!(set.cache_file(&path).unwrap_err().to_string().contains("not a cache"));
    assert_eq!(std::fs::read(&path).unwrap(), b"my thesis");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn targets_take_the_form_of_the_loss() {
    let batch = filled(&ten().one_hot(3).unwrap(), Visit::default(), &[1, 2]);
    assert_eq!(batch.targets[0][..], [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert!(ten().one_hot(2).unwrap_err().to_string().contains("numbers of 3 classes"));
    assert!(ten().binary().is_err() && ten().one_hot(3).unwrap().one_hot(3).is_err());
    let two = ten().subset(&[0, 1, 3]).unwrap();
    assert!(two.binary().is_err(), "the set still says that it has three classes");
    let itself = ten().input_as_target();
    assert_eq!(itself.target_dims(), [[2]]);
    assert_eq!(filled(&itself, Visit::default(), &[3]).targets[0][..], [3.0, -3.0]);
}

#[test]
fn weights_multiply() {
    let labels = ten().labels().unwrap();
    let balanced = balanced_class_weights(&labels, 3);
    assert_eq!(balanced, [10.0 / 12.0, 10.0 / 9.0, 10.0 / 9.0]);
    assert_eq!(balanced_class_weights(&[2, 2], 4), [0.0, 0.0, 1.0, 0.0]);
    let weighted = ten().balanced().unwrap().with_weights(vec![2.0; 10]).unwrap().skip(1);
    assert!(weighted.weighted());
    assert_eq!(filled(&weighted, Visit::default(), &[2, 0]).weights[..], [20.0 / 12.0, 20.0 / 9.0]);
    assert!(ten().with_weights(vec![1.0]).is_err() && ten().with_weights(vec![f32::NAN; 10]).is_err());
    assert!(ten().with_class_weights(&[1.0, 2.0]).unwrap_err().to_string().contains("3, one a class"));
}

#[test]
fn sets_are_joined() {
    let joined = ten().take(2).concatenate(&ten().skip(8)).unwrap();
    assert_eq!((numbers(&joined), joined.labels().unwrap()), (vec![0.0, 1.0, 8.0, 9.0], vec![0, 1, 2, 0]));
    let batch = filled(&joined, Visit::default(), &[3, 0, 2, 1]);
    assert_eq!(batch.inputs[0][..], [9.0, -9.0, 0.0, 0.0, 8.0, -8.0, 1.0, -1.0]);
    assert_eq!(batch.targets[0][..], [0.0, 0.0, 2.0, 1.0]);
    assert!(ten().concatenate(&ten().one_hot(3).unwrap()).is_err());
    let zipped = ten().zip(&ten().skip(4).one_hot(3).unwrap());
    assert_eq!(
        (zipped.len(), zipped.input_dims().len(), zipped.target_dims()),
        (6, 2, vec![vec![], vec![3]])
    );
    let batch = filled(&zipped, Visit::default(), &[1]);
    assert_eq!((&batch.inputs[1][..], &batch.targets[1][..]), (&[5.0, -5.0][..], &[0.0, 0.0, 1.0][..]));
}

#[test]
fn a_stream_gives_its_samples_in_order_and_begins_anew() {
    let visit = |epoch| Visit { seed: 1, epoch, training: true };
    let stream = |count: u64| {
        Stream::new(6, vec![vec![1]], vec![vec![]], move |visit| {
            (0..count).map(move |i| Ok(StreamSample::labelled(vec![(visit.epoch * 100 + i) as f32], 0)))
        })
    };
    let plain = stream(4);
    assert_eq!(filled(&plain, visit(1), &[5, 3, 1, 0]).inputs[0][..], [100.0, 101.0, 102.0, 103.0]);
    assert_eq!(filled(&plain, visit(1), &[2, 4]).inputs[0][..], [100.0, 101.0]);
    assert_eq!(filled(&plain, visit(2), &[2]).inputs[0][..], [200.0]);
    let shuffled = || filled(&stream(1000).shuffle(50), visit(1), &[0; 6]).inputs[0].to_vec();
    assert_eq!(shuffled(), shuffled());
    assert_ne!(shuffled(), [100.0, 101.0, 102.0, 103.0, 104.0, 105.0]);
    assert!(shuffled().iter().all(|value| (100.0..160.0).contains(value)));
    let endless = Stream::endless(
        2,
        vec![vec![1]],
        vec![vec![]],
        (0..).map(|i| Ok(StreamSample::labelled(vec![i as f32], 0))),
    );
    assert_eq!(filled(&endless, visit(1), &[0, 1]).inputs[0][..], [0.0, 1.0]);
    assert_eq!(filled(&endless, visit(2), &[0, 1]).inputs[0][..], [2.0, 3.0]);
    let fill =
        |stream: &Stream| stream.fill(visit(1), &[0], &mut Batch::new(stream, 1)).unwrap_err().to_string();
    assert!(fill(&stream(0)).contains("at least one sample"));
    let wide = Stream::endless(
        2,
        vec![vec![3]],
        vec![vec![]],
        std::iter::repeat_with(|| Ok(StreamSample::labelled(vec![0.0], 0))),
    );
    assert!(fill(&wide).contains("sample of a stream"));
}

#[test]
fn features_are_made_once_and_go_on_where_they_were() {
    use convnet_nn::Sequential;
    use convnet_nn::layers::Dense;
    let base = Arc::new(Sequential::new([2]).add(Dense::new(3)).build().unwrap());
    let set = ten().repeat(7).with_weights((0..70).map(|i| i as f32).collect()).unwrap();
    let features = set.through(Arc::clone(&base)).unwrap();
    assert_eq!((features.input_dims(), features.labels()), (vec![vec![3]], set.labels()));
    let indices: Vec<usize> = (0..70).rev().collect();
    let (inputs, made) =
        (filled(&set, Visit::default(), &indices), filled(&features, Visit::default(), &indices));
    let x = Array2::from_shape_vec((70, 2), inputs.inputs[0].to_vec()).unwrap();
    let expected = base.predict(x.view()).unwrap();
    assert!(expected.iter().zip(&*made.inputs[0]).all(|(a, b)| (a - b).abs() < 1e-5));
    assert_eq!((&*made.targets[0], &*made.weights), (&*inputs.targets[0], &*inputs.weights));

    let path = std::env::temp_dir().join(format!("convnet-features-{}.cache", std::process::id()));
    let half = features.cache_file(&path).unwrap();
    filled(&half, Visit::default(), &[3, 4, 40, 69]);
    let mut told = Vec::new();
    features.cache_file(&path).unwrap().visit_all(&mut |done| told.push(done)).unwrap();
    assert_eq!(told, [32, 64, 70]);
    let kept = filled(&half, Visit::default(), &indices);
    assert_eq!(&*kept.inputs[0], &*made.inputs[0], "to the bit, whichever were made together");
    std::fs::remove_file(path).unwrap();
    let wrong = Sequential::new([5]).add(Dense::new(3)).build().unwrap();
    assert!(ten().through(wrong).unwrap_err().to_string().contains("[[5]]"));
}
