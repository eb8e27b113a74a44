//! Images that are warped at random, each by itself.

use convnet_engine::kernels::random::Philox;
use convnet_engine::kernels::warp::Warp;

use super::super::*;

/// Turned, moved, resized, mirrored and cut, with each kind of surroundings that the reference knows.
pub fn warps() -> Vec<Case> {
    let mut cases = Vec::new();
    for outside in [Outside::Reflect, Outside::Nearest, Outside::Blend(0.25)] {
        for (interpolation, name) in
            [(Interpolation::Bilinear, "random warp"), (Interpolation::Nearest, "random warp, nearest")]
        {
            for channels in [1, 2, 3] {
                let all = RandomWarp {
                    flips: [0.5; 2],
                    angle: [-1.0, 2.0],
                    zoom: [[0.5, 1.6], [0.7, 1.5]],
                    shift: [[-0.3, 0.4], [-0.9, 0.9]],
                    outside,
                    interpolation,
                    ..RandomWarp::new([5, 6], 3)
                };
                cases.push(case(name, all, channels));
            }
        }
    }
    cases.push(uniform());
    cases.push(case("random crop", RandomWarp::new([3, 4], 8), 2));
    cases.push(case("random flip", RandomWarp { flips: [0.5; 2], ..RandomWarp::new([5, 6], 5) }, 3));
    cases
}

const BATCH: usize = 4;

/// What a layer draws from in the run of these tests, which has seed 3 and step 5.
fn numbers(stream: u64) -> Philox {
    Philox::new(5_u64.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(3), stream)
}

/// Noise that is added.
fn uniform() -> Case {
    let noise = Uniform { low: -0.5, high: 1.5, stream: 9, shape: Shape::batched([5, 3]) };
    Case::new(
        "uniform",
        &[&[BATCH, 5, 3]],
        move |graph, x| {
            let noise = graph.apply(noise.clone(), &[]).unwrap();
            graph.apply(Binary(BinaryFunction::Add), &[x[0], noise]).unwrap()
        },
        |inputs| {
            let noise = |index: usize| 2.0 * f64::from(numbers(9).uniform(index as u64)) - 0.5;
            inputs[0].iter().enumerate().map(|(index, x)| x + noise(index)).collect()
        },
    )
}

fn case(name: &'static str, op: RandomWarp, channels: usize) -> Case {
    let dims = [BATCH, 5, 6, channels];
    let reference = {
        let op = op.clone();
        move |inputs: &[Vec<f64>]| {
            let numbers = numbers(op.stream);
            let images = inputs[0].chunks(5 * 6 * channels).enumerate();
            images
                .flat_map(|(index, image)| {
                    let matrix = op.matrix(&numbers, index as u64, [5, 6]);
                    let warp = Warp { matrix, outside: op.outside, interpolation: op.interpolation };
                    reference::warp::warp(&warp, image, [5, 6, channels], op.size)
                })
                .collect()
        }
    };
    Case::new(name, &[&dims], apply(op), reference)
}

#[test]
fn each_image_of_each_step_is_warped_by_itself_and_alike_again() {
    let op = RandomWarp { angle: [-3.0, 3.0], flips: [0.5; 2], ..RandomWarp::new([4, 4], 1) };
    let image: Vec<f32> = (0..16).map(|value| value as f32).collect();
    let images = image.repeat(3);
    let run = |seed, step, op: &RandomWarp| {
        let mut program = Program::default();
        let x = program.graph.input(Shape::batched([4, 4, 1]));
        program.fetches = vec![program.graph.apply(op.clone(), &[x]).unwrap()];
        let plan = Plan::new(program, 3);
        let mut arena = vec![f32::NAN; plan.arena_len()];
        let (inputs, constants) = (&[&images[..]][..], &[][..]);
        let mut memory = Memory {
            inputs,
            parameters: &[],
            gradients: &mut [],
            states: &mut [],
            constants,
            arena: &mut arena,
        };
        plan.run(&mut memory, &RunContext { seed, step });
        plan.fetched(0, &memory).to_vec()
    };
    let first = run(1, 1, &op);
    assert_eq!(first, run(1, 1, &op));
    assert!(first[..16] != first[16..32] && first[16..32] != first[32..]);
    for other in [run(2, 1, &op), run(1, 2, &op), run(1, 1, &RandomWarp { stream: 2, ..op.clone() })] {
        assert_ne!(other, first);
    }
    // Mirrored images have the same numbers, in four ways that all come up.
    let flips = RandomWarp { flips: [0.5; 2], ..RandomWarp::new([4, 4], 1) };
    let mut ways = std::collections::BTreeSet::new();
    for step in 0..20 {
        for image in run(1, step, &flips).chunks(16) {
            ways.insert([image[0] as u32, image[3] as u32]);
        }
    }
    assert_eq!(ways.into_iter().collect::<Vec<_>>(), [[0, 3], [3, 0], [12, 15], [15, 12]]);
    // A part lies anywhere, whole, in whole pixels.
    let crops = RandomWarp::new([2, 3], 1);
    let mut corners = std::collections::BTreeSet::new();
    for step in 0..40 {
        for image in run(1, step, &crops).chunks(6) {
            assert_eq!(image[5] - image[0], 6.0);
            corners.insert(image[0] as u32);
        }
    }
    assert_eq!(corners.into_iter().collect::<Vec<_>>(), [0, 1, 4, 5, 8, 9]);
}
