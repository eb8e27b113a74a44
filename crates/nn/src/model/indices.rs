//! Inputs that are numbers of rows of a table: whether the table has such rows.

use super::{Model, Network};
use crate::error::{Error, Result};
use crate::layer::join;

/// An input that is looked up in a table.
struct LookedUp {
    /// Which input.
    input: usize,
    /// The layer with the table.
    layer: String,
    /// How many rows it has.
    rows: usize,
}

impl Network {
    fn looked_up(&self) -> Vec<LookedUp> {
        let mut found = Vec::new();
        for call in &self.calls {
            let layer = &self.layers[call.layer];
            let place = |input: usize| {
                let tensor = call.inputs.get(input)?;
                self.inputs.iter().position(|own| own == tensor)
            };
            let inner = match layer.network() {
                Some(network) => network.looked_up(),
                None => {
                    let rows = layer.layer().and_then(|layer| layer.rows());
                    rows.into_iter().map(|rows| LookedUp { input: 0, layer: String::new(), rows }).collect()
                }
            };
            found.extend(inner.into_iter().filter_map(|inner| {
                Some(LookedUp { input: place(inner.input)?, layer: join(&layer.name, &inner.layer), ..inner })
            }));
        }
        found
    }
}

impl Model {
    /// That tables have the rows that the inputs ask for. `numbers` gives those of an input, sample after sample.
    pub(crate) fn check_rows<'a, I>(&self, numbers: impl Fn(usize) -> I) -> Result<()>
    where
        I: IntoIterator<Item = &'a f32>,
    {
        for LookedUp { input, layer, rows } in self.network.looked_up() {
            // What is behind the point is cut off.
            let is_row = |number: &f32| number.trunc() >= 0.0 && number.trunc() < rows as f32;
            if let Some(stray) = numbers(input).into_iter().find(|number| !is_row(number)) {
                let last = rows - 1;
                let expected = format!("whole numbers from 0 to {last} for the layer `{layer}`");
                return Err(Error::Data { what: "inputs", expected, received: stray.to_string() });
            }
        }
        Ok(())
    }
}
