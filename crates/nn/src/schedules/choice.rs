//! Schedules as a person types them.

use std::str::FromStr;
use std::sync::Arc;

use super::{
    CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, OneCycle, PiecewiseConstantDecay,
    PolynomialDecay, Schedule,
};
use crate::error::{Error, Result};
use crate::optimizers::{self, Optimizer};

/// A step size, or a schedule with times in epochs, in one word: `0.001`, or `NAME:RATE,KEY=VALUE,…`.
///
/// | text | what it is | further keys, with defaults |
/// |---|---|---|
/// | `0.01` or `constant:0.01` | always the same | |
/// | `step:0.1,every=10` | falls by a factor at once, again and again | `factor=0.1` |
/// | `step:0.1,at=30/60/80` | falls by a factor at these times | `factor=0.1` |
/// | `exponential:0.1` | falls by a factor evenly | `every=1`, `factor=0.95` |
/// | `inverse:0.1` | 0.1 / (1 + decay · time) | `decay=1`, `every=1` |
/// | `polynomial:0.1` | falls as a power of what is left | `end=0`, `power=1`, `over` |
/// | `cosine:0.1` | falls as half a wave | `end=0`, `warmup=0`, `over` |
/// | `restarts:0.1,first=10` | half waves again and again | `longer=2`, `height=1`, `end=0` |
/// | `one-cycle:0.1` | rises to it and falls | `rise=0.3`, `over` |
///
/// `every`, `at`, `warmup`, `over` and `first` are times in epochs, fractions allowed, or in steps: `warmup=500steps`. `over` is all of the training
/// if it is not given, the rise of `warmup` included; `end` is the step size at the end.
///
/// ```
/// use convnet_nn::schedules::ScheduleChoice;
///
/// let choice: ScheduleChoice = "cosine:0.1,warmup=5".parse()?;
/// let schedule = choice.schedule(100, 50).expect("it is no constant");
/// assert_eq!((schedule.rate(0), schedule.rate(500), schedule.rate(5000)), (0.0, 0.1, 0.0));
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleChoice {
    kind: Kind,
    rate: f64,
    arguments: Vec<(&'static str, Vec<Amount>)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Constant,
    Step,
    Exponential,
    Inverse,
    Polynomial,
    Cosine,
    Restarts,
    OneCycle,
}

/// A number, in epochs if it is a time, or a number of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    Number(f64),
    Steps(f64),
}

/// Names, what they stand for, and the keys that they take.
const KINDS: &[(&str, Kind, &[&str])] = &[
    ("constant", Kind::Constant, &[]),
    ("step", Kind::Step, &["every", "at", "factor"]),
    ("exponential", Kind::Exponential, &["every", "factor"]),
    ("inverse", Kind::Inverse, &["every", "decay"]),
    ("polynomial", Kind::Polynomial, &["end", "power", "over"]),
    ("cosine", Kind::Cosine, &["end", "warmup", "over"]),
    ("restarts", Kind::Restarts, &["first", "longer", "height", "end"]),
    ("one-cycle", Kind::OneCycle, &["rise", "over"]),
];

/// Keys whose values are times.
const TIMES: &[&str] = &["every", "at", "over", "warmup", "first"];

impl FromStr for ScheduleChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let problem = |problem: String| Error::argument(format!("learning rate `{text}`"), problem);
        let fits = |rate: &f64| (*rate as f32).is_finite() && *rate as f32 > 0.0;
        let positive = |text: &str| text.parse::<f64>().ok().filter(fits);
        if let Some(rate) = positive(text) {
            return Ok(Self { kind: Kind::Constant, rate, arguments: Vec::new() });
        }
        let (name, rest) = text.split_once(':').ok_or_else(|| {
            problem("expected a positive number, or a schedule such as cosine:0.1,warmup=5".into())
        })?;
        let Some(&(_, kind, keys)) = KINDS.iter().find(|known| known.0 == name) else {
            return Err(Error::unknown("schedule", name, KINDS.iter().map(|known| known.0)));
        };
        let mut parts = rest.split(',');
        let first = parts.next().unwrap_or_default();
        let rate = positive(first)
            .ok_or_else(|| problem(format!("behind `{name}:` a positive number must come, not `{first}`")))?;
        let mut arguments = Vec::new();
        for part in parts {
            let (key, values) = part
                .split_once('=')
                .ok_or_else(|| problem(format!("`{part}` should have the form key=value")))?;
            let Some(&known) = keys.iter().find(|known| **known == key) else {
                return Err(Error::unknown("key", key, keys.iter().copied()));
            };
            let amounts: Option<Vec<Amount>> = values.split('/').map(|value| amount(known, value)).collect();
            let amounts = amounts.filter(|amounts| known == "at" || amounts.len() == 1);
            arguments
                .push((known, amounts.ok_or_else(|| problem(format!("`{values}` is no value for {key}")))?));
        }
        let choice = Self { kind, rate, arguments };
        match kind {
            Kind::Step if choice.values("every").is_none() && choice.values("at").is_none() => {
                Err(problem("say when: every=10 or at=30/60".into()))
            }
            Kind::Restarts if choice.values("first").is_none() => {
                Err(problem("say how long the first fall is: first=10".into()))
            }
            Kind::Restarts if choice.number("longer", 2.0) < 1.0 => {
                Err(problem("longer must be at least 1".into()))
            }
            _ => Ok(choice),
        }
    }
}

fn amount(key: &str, value: &str) -> Option<Amount> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    match value.strip_suffix("steps").filter(|_| TIMES.contains(&key)) {
        Some(steps) => number(steps).map(Amount::Steps),
        None => number(value).map(Amount::Number),
    }
}

impl ScheduleChoice {
    /// The number before the keys: the step size at first, or the largest one.
    pub fn rate(&self) -> f32 {
        self.rate as f32
    }

    fn values(&self, key: &str) -> Option<&[Amount]> {
        self.arguments.iter().find(|known| known.0 == key).map(|known| &*known.1)
    }

    fn number(&self, key: &str, default: f64) -> f64 {
        match self.values(key) {
            Some(&[Amount::Number(number) | Amount::Steps(number), ..]) => number,
            _ => default,
        }
    }

    /// The schedule for a training of so many epochs of so many steps; `None` for a constant.
    pub fn schedule(&self, steps_per_epoch: u64, epochs: u64) -> Option<Arc<dyn Schedule>> {
        let in_steps = |amount: Amount| match amount {
            Amount::Number(epochs) => epochs * steps_per_epoch as f64,
            Amount::Steps(steps) => steps,
        };
        let time = |key: &str, default: f64| {
            self.values(key).and_then(|values| values.first()).map_or(default, |value| in_steps(*value))
        };
        let one = steps_per_epoch.max(1) as f64;
        let every = time("every", one).max(1.0);
        let over = time("over", one * epochs.max(1) as f64).max(1.0);
        let rate = self.rate;
        let end = self.number("end", 0.0);
        Some(match self.kind {
            Kind::Constant => return None,
            Kind::Step => {
                let factor = self.number("factor", 0.1);
                match self.values("at") {
                    Some(times) => {
                        let mut at: Vec<f64> = times.iter().map(|&time| in_steps(time)).collect();
                        at.sort_by(f64::total_cmp);
                        let values: Vec<f64> = (0..=at.len()).map(|i| rate * factor.powi(i as i32)).collect();
                        // Keras's boundaries are the last steps of the old value.
                        let boundaries: Vec<u64> =
                            at.iter().map(|at| (*at as u64).saturating_sub(1)).collect();
                        Arc::new(PiecewiseConstantDecay::new(boundaries, values))
                    }
                    None => Arc::new(ExponentialDecay::new(rate, every, factor).staircase(true)),
                }
            }
            Kind::Exponential => Arc::new(ExponentialDecay::new(rate, every, self.number("factor", 0.95))),
            Kind::Inverse => Arc::new(InverseTimeDecay::new(rate, every, self.number("decay", 1.0))),
            Kind::Polynomial => {
                Arc::new(PolynomialDecay::new(rate, over).end(end).power(self.number("power", 1.0)))
            }
            Kind::Cosine => {
                let warmup = time("warmup", 0.0);
                let fall = ((over - warmup) as u64).max(1);
                let start = if warmup >= 1.0 { 0.0 } else { rate };
                let cosine = CosineDecay::new(start, fall).alpha(end / rate);
                Arc::new(if warmup >= 1.0 { cosine.warmup(rate, warmup as u64) } else { cosine })
            }
            Kind::Restarts => Arc::new(CosineDecayRestarts {
                initial_learning_rate: rate,
                first_decay_steps: (time("first", over) as u64).max(1),
                t_mul: self.number("longer", 2.0),
                m_mul: self.number("height", 1.0),
                alpha: end / rate,
            }),
            Kind::OneCycle => {
                let rise = self.number("rise", 0.3).min(1.0);
                Arc::new(OneCycle { rise, ..OneCycle::new(rate, over as u64) })
            }
        })
    }

    /// The optimizer with this step size or schedule.
    pub fn set(
        &self,
        mut optimizer: Box<dyn Optimizer>,
        steps_per_epoch: u64,
        epochs: u64,
    ) -> Box<dyn Optimizer> {
        match self.schedule(steps_per_epoch, epochs) {
            Some(schedule) => optimizers::scheduled(optimizer, schedule),
            None => {
                optimizer.set_learning_rate(self.rate());
                optimizer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(text: &str, steps: &[u64]) -> Vec<f32> {
        let schedule = text.parse::<ScheduleChoice>().unwrap().schedule(10, 20).unwrap();
        steps.iter().map(|&step| schedule.rate(step)).collect()
    }

    #[test]
    fn texts_become_schedules() {
        assert_eq!(rates("step:1,every=2,factor=0.5", &[0, 19, 20, 39, 40]), [1.0, 1.0, 0.5, 0.5, 0.25]);
        assert_eq!(rates("step:1,at=2/30steps,factor=0.5", &[0, 19, 20, 29, 30]), [1.0, 1.0, 0.5, 0.5, 0.25]);
        assert_eq!(rates("inverse:1", &[0, 10, 30]), [1.0, 0.5, 0.25]);
        assert_eq!(rates("polynomial:1", &[0, 100, 200, 300]), [1.0, 0.5, 0.0, 0.0]);
        assert_eq!(rates("cosine:1,end=0.5", &[0, 100, 200, 900]), [1.0, 0.75, 0.5, 0.5]);
        assert_eq!(rates("cosine:1,warmup=4steps", &[0, 1, 4, 200]), [0.0, 0.25, 1.0, 0.0]);
        assert_eq!(rates("restarts:1,first=1", &[0, 5, 10, 20, 30]), [1.0, 0.5, 1.0, 0.5, 1.0]);
        let cycle = rates("one-cycle:1", &[0, 30, 60, 199]);
        assert!(
            (cycle[0] - 0.04).abs() < 1e-6 && (cycle[2] - 1.0).abs() < 1e-6 && cycle[3] < 1e-5,
            "{cycle:?}"
        );
        assert!(cycle[1] > cycle[0] && cycle[1] < cycle[2]);
        let constant: ScheduleChoice = "0.25".parse().unwrap();
        assert!(constant.schedule(10, 20).is_none() && constant.rate() == 0.25);
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        for (text, part) in [
            ("-1", "positive number"),
            ("1e39", "positive number"),
            ("cosinus:0.1", "did you mean `cosine`"),
            ("cosine:fast", "positive number"),
            ("cosine:0.1,warm=5", "did you mean `warmup`"),
            ("cosine:0.1,warmup", "key=value"),
            ("cosine:0.1,warmup=x", "no value for warmup"),
            ("step:0.1", "every=10"),
            ("restarts:0.1", "first=10"),
        ] {
            let problem = text.parse::<ScheduleChoice>().unwrap_err().to_string();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
