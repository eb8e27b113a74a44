//! What Keras computes between the layers of a functional model: calls of `keras.ops`, which `x + y` and `x[:, 1:]` are, too.

use std::fmt;

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Value};
use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::layer::{Layer, LayerContext};

mod call;
mod einsum;
mod form;
mod function;
mod reduction;
mod window;

use call::Call;

/// One call of one of Keras's [operations](https://keras.io/api/ops/), with the arguments that are no tensors.
///
/// Functional configurations have it among their layers; [`from_config`](crate::model::from_config()) makes it of them, and it is
/// written as it was read. Where Keras broadcasts, tensors need as many axes, since the batch stays in front. Truth values are 1 and 0.
#[derive(Clone, PartialEq)]
pub struct KerasOperation {
    kind: &'static Kind,
    /// What the operation was made with, by name.
    config: Map<String, Json>,
    /// The arguments of the call, in whose tensors the number of the input stands for the tensor's name.
    arguments: Vec<Json>,
    named: Map<String, Json>,
}

/// How operations of a family add themselves to a graph.
type Apply = fn(&Call<'_>, &mut LayerContext<'_>) -> std::result::Result<Vec<Value>, EngineError>;

/// An operation that is known.
struct Kind {
    class: &'static str,
    module: &'static str,
    apply: Apply,
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.class == other.class
    }
}

impl fmt::Debug for KerasOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, config, arguments, named } = self;
        write!(f, "{}({config:?})({arguments:?}, {named:?})", kind.class)
    }
}

/// The classes of a family, with Keras's module.
macro_rules! kinds {
    ($($module:literal $apply:path: $($class:ident)*;)*) => {
        const KINDS: &[Kind] = &[$($(
            Kind { class: stringify!($class), module: concat!("keras.src.ops.", $module), apply: $apply },
        )*)*];
    };
}

kinds! {
    "numpy" function::apply: Absolute Add Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Ceil Clip Copy Cos Cosh Divide Equal
        Exp Expm1 Floor FloorDivide Greater GreaterEqual Isnan Less LessEqual Log Log10 Log1p Log2 LogicalAnd LogicalNot LogicalOr
        Maximum Minimum Mod Multiply Negative NotEqual Power Reciprocal Round Sign Sin Sinh Sqrt Square Subtract Tan Tanh
        TrueDivide Where;
    "math" function::apply: Erf Rsqrt;
    "core" function::apply: Cast StopGradient;
    "nn" function::apply: Celu Elu Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LeakyRelu LogSigmoid LogSoftmax Mish Relu
        Relu6 Selu Sigmoid Silu SoftShrink Softmax Softplus Softsign SparsePlus SparseSigmoid Sparsemax Squareplus TanhShrink;
    "numpy" reduction::apply: All Amax Amin Any Argmax Argmin Cumsum Max Mean Min Prod Std Sum Var;
    "math" reduction::apply: Logsumexp;
    "linalg" reduction::apply: Norm;
    "nn" reduction::apply: Normalize;
    "numpy" form::apply: Concatenate ExpandDims Flip GetItem Matmul Moveaxis Pad Repeat Reshape Roll Split Squeeze
        Stack Swapaxes Take Tile Transpose;
    "numpy" einsum::apply: Einsum;
    "nn" window::apply: AveragePool DepthToSpace MaxPool OneHot SpaceToDepth;
    "image" window::apply: Resize;
}

/// Where the number of an input stands in an argument.
const PLACE: &str = "input";

impl KerasOperation {
    /// Whether there is an operation of this class.
    pub(crate) fn is_known(class: &str) -> bool {
        KINDS.iter().any(|kind| kind.class == class)
    }

    /// A call of the operation of class `class`: `config` are the arguments that it was made with, `arguments` and `named` those of the
    /// call, with tensors as Keras writes them, which stand for the layer's inputs one after another.
    ///
    /// # Errors
    /// If the operation is not known.
    pub(crate) fn read(
        class: &str,
        mut config: Map<String, Json>,
        arguments: &[Json],
        named: Map<String, Json>,
    ) -> Result<Self> {
        let Some(kind) = KINDS.iter().find(|kind| kind.class == class) else {
            let known = KINDS.iter().map(|kind| kind.class);
            return Err(Error::unknown("operation of keras.ops", class, known));
        };
        config.remove("name");
        let mut count = 0;
        let mut number = |tensor: &Json| {
            let place = json!({ PLACE: count });
            count += 1;
            json!({ "class_name": tensor["class_name"], "config": place })
        };
        let arguments = arguments.iter().map(|argument| with_tensors(argument, &mut number)).collect();
        let named =
            named.into_iter().map(|(name, value)| (name, with_tensors(&value, &mut number))).collect();
        Ok(Self { kind, config, arguments, named })
    }

    /// The object that Keras writes, and the call, with the inputs' tensors in their places.
    pub(crate) fn object(&self, name: &str, tensors: &[Json]) -> (Json, Json) {
        let mut config = Map::new();
        config.insert("name".into(), json!(name));
        config.extend(self.config.clone());
        let Kind { class, module, .. } = self.kind;
        let object =
            json!({ "module": module, "class_name": class, "config": config, "registered_name": class });
        let mut tensor = |place: &Json| {
            let number = place.pointer("/config/input").and_then(Json::as_u64).unwrap_or(0);
            usize::try_from(number).ok().and_then(|number| tensors.get(number)).cloned().unwrap_or_default()
        };
        let arguments: Vec<Json> =
            self.arguments.iter().map(|argument| with_tensors(argument, &mut tensor)).collect();
        let named: Map<_, _> =
            self.named.iter().map(|(name, value)| (name.clone(), with_tensors(value, &mut tensor))).collect();
        (object, json!({ "args": arguments, "kwargs": named }))
    }
}

/// The class of a tensor in a configuration.
const TENSOR: &str = "__keras_tensor__";

/// The same with each tensor replaced.
fn with_tensors(json: &Json, replace: &mut impl FnMut(&Json) -> Json) -> Json {
    match json {
        Json::Object(fields) if fields.get("class_name").is_some_and(|class| class == TENSOR) => {
            replace(json)
        }
        Json::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), with_tensors(value, replace))).collect()
        }
        Json::Array(items) => items.iter().map(|item| with_tensors(item, replace)).collect(),
        _ => json.clone(),
    }
}

impl Layer for KerasOperation {
    fn class_name(&self) -> &'static str {
        self.kind.class
    }

    fn module(&self) -> &'static str {
        self.kind.module
    }

    fn config(&self) -> Map<String, Json> {
        self.config.clone()
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> std::result::Result<Value, EngineError> {
        let outputs = self.call_all(at, inputs)?;
        let none = || at.mismatch(self.kind.class, Mismatch::new("an output", "none"));
        outputs.first().copied().ok_or_else(none)
    }

    fn call_all(
        &self,
        at: &mut LayerContext<'_>,
        inputs: &[Value],
    ) -> std::result::Result<Vec<Value>, EngineError> {
        (self.kind.apply)(&Call { operation: self, inputs }, at)
    }
}
