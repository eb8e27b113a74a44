//! What the filters of a layer answer to.

use convnet_nn::model::{Question, Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{Array3, Array4, Axis, Ix4, s};

use super::{Ascent, Pixels};

/// For each of some filters (channels) of a layer a picture `(height, width, channels)` of light of 0 … 1 that excites it: gradient ascent
/// from grey noise, or if it is silent there from strong noise, on the mean of its map; then brought to the mean 1/2 and the standard deviation 0.15. Pictures have the sizes `(height,
/// width)` if the layers up to there take them, else those of the model. `None` stands for a filter that nothing excites from there.
///
/// # Errors
/// If there is no such layer or filter, or numbers are impossible.
pub fn filters(
    model: &Model,
    layer: &str,
    filters: &[usize],
    sizes: (usize, usize),
    pixels: &Pixels,
    ascent: &Ascent,
) -> Result<Vec<Option<Array3<f32>>>> {
    let own = match &model.input_shapes()[..] {
        [shape] if shape.dims.len() == 3 => shape.dims.clone(),
        _ => {
            return Err(Error::argument(format!("model `{}`", model.name()), "it does not take one picture"));
        }
    };
    let question = || Question::new(Start::Means(layer.to_owned()), [Reading::GradientByInput]);
    let front = super::front(model, &[layer])?;
    let wanted = [sizes.0, sizes.1, own[2]];
    let free = front.as_ref().and_then(|front| front.probe(&question().of_input(wanted)).ok());
    let (mut probe, height, width) = match free {
        Some(probe) => (probe, sizes.0, sizes.1),
        None => (model.probe(&question())?, own[0], own[1]),
    };
    let known = match probe.seed_shape().dims[..] {
        [known] => known,
        _ => return Err(Error::argument(format!("layer `{layer}`"), "it gives no maps")),
    };
    if let Some(filter) = filters.iter().find(|&&filter| filter >= known) {
        let problem = format!("it has {known} filters, 0 to {}; there is no {filter}", known - 1);
        return Err(Error::argument(format!("layer `{layer}`"), problem));
    }
    let mut found = vec![None; filters.len()];
    // From almost grey, and, for those that do not answer to that, from strong noise.
    for most in [0.04, 0.5] {
        let silent: Vec<usize> = (0..filters.len()).filter(|&place| found[place].is_none()).collect();
        let mut seeds = vec![0.0; known * silent.len()];
        for (seed, &place) in seeds.chunks_mut(known).zip(&silent) {
            seed[filters[place]] = 1.0;
        }
        if silent.is_empty() {
            break;
        }
        let noise = ascent.noise([silent.len(), height, width, own[2]], most);
        let climbed = ascent.climb(&mut probe, &seeds, pixels, noise.clone(), false, |_, _| ())?;
        for ((light, noise), &place) in climbed.axis_iter(Axis(0)).zip(noise.axis_iter(Axis(0))).zip(&silent)
        {
            if light != noise {
                found[place] = Some(pixels.photo(standardised(light.to_owned()).view()));
            }
        }
    }
    Ok(found)
}

/// Mean 1/2, standard deviation 0.15.
fn standardised(light: Array3<f32>) -> Array3<f32> {
    let (mean, deviation) = (light.mean().unwrap_or(0.0), light.std(0.0));
    light.mapv_into(|value| 0.5 + 0.15 * (value - mean) / (deviation + 1e-5))
}

/// The kernels of a convolution of pictures as pictures `(height, width, channels)` of 0 … 1, one a filter. Of 3 channels they are coloured, 0 being
/// middle grey and the largest magnitude of all black or white; of another number there is one for each filter and channel, filter by filter.
///
/// # Errors
/// If there is no such layer, or it is not a convolution in two dimensions.
pub fn kernels(model: &Model, layer: &str) -> Result<Vec<Array3<f32>>> {
    model.get_layer(layer)?;
    let wrong = || {
        let problem = "it is no convolution in two dimensions, so it has no kernels to show";
        Error::argument(format!("layer `{layer}`"), problem)
    };
    let weight = model.weight(&format!("{layer}/kernel")).map_err(|_| wrong())?;
    let kernel: Array4<f32> =
        model.weight_values(weight).to_owned().into_dimensionality::<Ix4>().map_err(|_| wrong())?;
    let most = kernel.iter().fold(0.0_f32, |most, value| most.max(value.abs())).max(f32::MIN_POSITIVE);
    let light = kernel.mapv(|value| 0.5 + 0.5 * value / most);
    let (_, _, channels, filters) = light.dim();
    if channels == 3 {
        return Ok((0..filters).map(|filter| light.slice(s![.., .., .., filter]).to_owned()).collect());
    }
    let pairs = (0..filters).flat_map(|filter| (0..channels).map(move |channel| (filter, channel)));
    Ok(pairs.map(|(filter, channel)| light.slice(s![.., .., channel..=channel, filter]).to_owned()).collect())
}
