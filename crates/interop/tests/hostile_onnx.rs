//! Small ONNX files that ask for very much: each is refused, or read, without the memory and the time that it asks for.

mod onnx_files;

use convnet_interop::Result;
use convnet_interop::onnx::{File, Import, Tensor};
use onnx_files::{FLOAT, Graph, INT64, Message, int, ints, read, refused};

/// Computes the outputs for zeros.
fn run(graph: Graph, inputs: &[(&str, &[usize])]) -> Result<Vec<Tensor>> {
    let zeros = |dims: &[usize]| Tensor::floats(dims, vec![0.0; dims.iter().product()]);
    let inputs = inputs.iter().map(|&(name, dims)| (name.to_owned(), zeros(dims)));
    File::from_bytes(graph.end())?.with_values(inputs.collect())?.run()
}

#[test]
fn constants_that_are_repeated_against_each_other() {
    for operator in ["Add", "Mul", "Max", "Less"] {
        let graph =
            Graph::with_input(&[1, 4]).filled("a", &[1 << 20, 1], INT64).filled("b", &[1, 1 << 20], INT64);
        refused(graph.node(operator, &["a", "b"], &["y"]).output("y"));
    }
    let graph =
        Graph::with_input(&[1, 4]).filled("a", &[1 << 15, 1, 1], INT64).filled("b", &[1 << 15, 1], INT64);
    refused(graph.filled("c", &[1 << 15], INT64).node("Where", &["a", "b", "c"], &["y"]).output("y"));
    let graph =
        Graph::with_input(&[1, 4]).filled("a", &[1 << 15, 1], FLOAT).filled("b", &[1, 1 << 15], FLOAT);
    refused(graph.node("Add", &["a", "b"], &["y"]).output("y"));
}

#[test]
fn copies_of_a_large_constant() {
    let axes = [ints("axes", &[0])];
    let copies: [(&str, &[&str], &[Message]); 6] = [
        ("Transpose", &["a"], &[]),
        ("Reshape", &["a", "shape"], &[]),
        ("Flatten", &["a"], &[]),
        ("Unsqueeze", &["a"], &axes),
        ("Cast", &["a"], &[int("to", FLOAT)]),
        ("Neg", &["a"], &[]),
    ];
    for (operator, inputs, attributes) in copies {
        let mut graph = Graph::with_input(&[1, 4]).list("shape", &[1, -1]).filled("a", &[1 << 25], INT64);
        graph.opset = 11;
        for copy in 0..40 {
            graph = graph.with(operator, inputs, &[&format!("copy{copy}")], attributes);
        }
        refused(graph.node("Relu", &["x"], &["y"]).output("y"));
    }
    let mut graph = Graph::with_input(&[1, 4]).floats("scale", &[], &[0.5]).filled("a", &[1 << 24], INT64);
    for copy in 0..40 {
        graph = graph.node("DequantizeLinear", &["a", "scale"], &[&format!("copy{copy}")]);
    }
    refused(graph.node("Relu", &["x"], &["y"]).output("y"));
}

#[test]
fn constants_that_nodes_work_on_again_and_again() {
    let mut graph = Graph::with_input(&[1, 4]).filled("a", &[1 << 24], FLOAT);
    for copy in 0..4000 {
        graph = graph.with("ReduceSum", &["a"], &[&format!("sum{copy}")], &[int("keepdims", 1)]);
    }
    refused(graph.node("Relu", &["x"], &["y"]).output("y"));
    let mut graph = Graph::with_input(&[1, 4]).filled("none", &[1 << 25, 0], FLOAT).list("axes", &[1]);
    for copy in 0..40 {
        graph = graph.node("ReduceSum", &["none", "axes"], &[&format!("sum{copy}")]);
    }
    refused(graph.node("Relu", &["x"], &["y"]).output("y"));
    // A long list where a number is asked for.
    let mut graph = Graph::with_input(&[1, 8]).filled("k", &[1 << 25], INT64);
    for copy in 0..1000 {
        graph = graph.node("TopK", &["x", "k"], &[&format!("a{copy}"), &format!("b{copy}")]);
    }
    refused(graph.output("a0"));
    let window = [ints("kernel_shape", &[1000, 1000]), ints("pads", &[500, 500, 500, 500])];
    for (operator, inputs) in [("MaxPool", &["a"][..]), ("AveragePool", &["a"]), ("Conv", &["a", "w"])] {
        let graph = Graph::with_input(&[1, 4]).filled("a", &[1, 1, 1000, 1000], FLOAT).filled(
            "w",
            &[1, 1, 1000, 1000],
            FLOAT,
        );
        refused(graph.with(operator, inputs, &["b"], &window).node("Relu", &["x"], &["y"]).output("y"));
    }
}

#[test]
fn borders_of_constants_that_are_thrown_away_again() {
    let pool = [
        ints("kernel_shape", &[1, 1]),
        ints("strides", &[1 << 15, 1 << 15]),
        ints("pads", &[1 << 14; 4]),
        int("count_include_pad", 1),
    ];
    let graph = Graph::with_input(&[1, 4]).filled("a", &[1, 1, 1, 1], FLOAT);
    refused(graph.with("AveragePool", &["a"], &["b"], &pool).node("Relu", &["x"], &["y"]).output("y"));
}

#[test]
fn weights_that_layers_keep() {
    // Constants of one size in each of many layers.
    let mut graph = Graph::with_input(&[1, 1 << 24]).filled("c", &[1, 1 << 24], FLOAT);
    for layer in 0..60 {
        let from = if layer == 0 { "x".to_owned() } else { format!("s{}", layer - 1) };
        graph = graph.node("Add", &[&from, "c"], &[&format!("s{layer}")]);
    }
    refused(graph.output("s59"));
    let mut graph = Graph::with_input(&[1, 1 << 12]).filled("c", &[1 << 12, 1 << 12], FLOAT);
    for layer in 0..60 {
        let from = if layer == 0 { "x".to_owned() } else { format!("s{}", layer - 1) };
        graph = graph.node("MatMul", &[&from, "c"], &[&format!("s{layer}")]);
    }
    refused(graph.output("s59"));
    let graph = Graph::with_input(&[-1, 1 << 24]).list("k", &[128]);
    refused(graph.node("TopK", &["x", "k"], &["a", "b"]).output("a"));
    let graph = Graph::with_input(&[1, 10_000]).integers("axis", &[], &[1]);
    refused(graph.node("CumSum", &["x", "axis"], &["y"]).output("y"));
    let one = |graph: Graph| graph.floats("one", &[1], &[1.0]);
    let graph = one(Graph::with_input(&[-1, 1 << 32]));
    refused(
        graph.with("GroupNormalization", &["x", "one", "one"], &["y"], &[int("num_groups", 1)]).output("y"),
    );
    let graph = one(Graph::with_input(&[1, 0])).filled("none", &[0, 1 << 62], FLOAT);
    refused(graph.node("Gemm", &["x", "none", "one"], &["y"]).output("y"));
    let graph = one(Graph::with_input(&[1, 4])).filled("none", &[0, 1 << 62], FLOAT);
    refused(graph.node("Gemm", &["x", "none", "one"], &["y"]).output("y"));
    let graph = Graph::with_input(&[1, 4]).filled("a", &[1 << 26], FLOAT).integers("to", &[], &[1 << 26]);
    let graph = graph.integers("zero", &[], &[0]).integers("one", &[], &[1]).node(
        "Range",
        &["zero", "to", "one"],
        &["all"],
    );
    refused(graph.node("Gather", &["a", "all"], &["b"]).node("Relu", &["x"], &["y"]).output("y"));
}

#[test]
fn parts_without_end() {
    for count in [3, 1 << 40, 1 << 62, i64::MAX] {
        let mut graph = Graph::with_input(&[1, 4]);
        graph.opset = 18;
        let attributes = [int("axis", 1), int("num_outputs", count)];
        refused(graph.with("Split", &["x"], &["a", "b"], &attributes).output("a"));
    }
}

#[test]
fn constants_without_elements_and_with_long_axes() {
    let graph = || Graph::with_input(&[1, 4]).node("Relu", &["x"], &["y"]).output("y");
    read(graph().filled("a", &[1 << 40, 1, 0], FLOAT).list("place", &[0]).with(
        "Gather",
        &["a", "place"],
        &["b"],
        &[int("axis", 1)],
    ))
    .unwrap();
    read(graph().filled("a", &[1 << 40, 2, 0], FLOAT).with("Split", &["a"], &["b", "c"], &[int("axis", 1)]))
        .unwrap();
    let slice = graph().filled("a", &[1 << 40, 4, 0], FLOAT).list("one", &[1]).list("two", &[2]);
    read(slice.node("Slice", &["a", "one", "two", "one"], &["b"])).unwrap();
    read(graph().filled("a", &[1 << 40, 0], FLOAT).list("r", &[1, 2]).node("Tile", &["a", "r"], &["b"]))
        .unwrap();
    let all = |graph: Graph, axis| graph.with("Concat", &["a", "a"], &["b"], &[int("axis", axis)]);
    read(all(graph().filled("a", &[1 << 40, 0], FLOAT), 1)).unwrap();
    // Twice as long as numbers with a sign reach.
    let both = all(graph().filled("a", &[0, i64::MAX], FLOAT), 1).list("one", &[1]).list("end", &[5]);
    refused(both.node("Slice", &["b", "one", "end", "one"], &["c"]));
    let many =
        graph().filled("a", &[1 << 10, 1 << 30, 0], FLOAT).filled("places", &[1 << 31, 1 << 30, 0], INT64);
    refused(many.with("Gather", &["a", "places"], &["b"], &[int("axis", 1)]));
    // One tensor has elements, and thousands have none.
    let mut graph = graph().filled("a", &[1 << 22, 1], FLOAT).filled("none", &[1 << 22, 0], FLOAT);
    let inputs: Vec<&str> = std::iter::once("a").chain(std::iter::repeat_n("none", 20_000)).collect();
    graph = graph.with("Concat", &inputs, &["b"], &[int("axis", 1)]);
    read(graph).unwrap();
}

#[test]
fn more_axes_than_values_have() {
    let ones = vec![1; 100_000];
    for count in [100, 50_000, ones.len()] {
        let graph = || Graph::with_input(&[1]).list("ones", &ones[..count]);
        refused(graph().node("Reshape", &["x", "ones"], &["y"]).output("y"));
        refused(graph().node("Expand", &["x", "ones"], &["y"]).output("y"));
        refused(graph().node("ConstantOfShape", &["ones"], &["a"]).node("Relu", &["x"], &["y"]).output("y"));
    }
    refused(Graph::with_input(&ones).node("Relu", &["x"], &["y"]).output("y"));
    let axes: Vec<i64> = (0..100_000).collect();
    let mut graph = Graph::with_input(&[1]);
    graph.opset = 11;
    refused(graph.with("Unsqueeze", &["x"], &["y"], &[ints("axes", &axes)]).output("y"));
    let graph = Graph::with_input(&[1]).filled("ones", &[1 << 22], INT64);
    refused(graph.node("Reshape", &["x", "ones"], &["y"]).output("y"));
    let graph = Graph::with_input(&[1, 4]).filled("zeros", &[1 << 22], INT64);
    refused(graph.node("Slice", &["x", "zeros", "zeros", "zeros", "zeros"], &["y"]).output("y"));
}

#[test]
fn many_layers_of_one_name() {
    let inputs = vec!["x"; 30_000];
    read(Graph::with_input(&[1, 4]).node("Sum", &inputs, &["y"]).output("y")).unwrap();
}

#[test]
fn many_inputs_and_outputs() {
    let mut graph = Graph::with_input(&[1, 4]);
    for input in 0..1200 {
        // Names that are one name without what names of layers may not have.
        let sign = |bit: i32| if input >> bit & 1 == 1 { '+' } else { '*' };
        let signs: String = (0..11).map(sign).collect();
        graph = graph.input(&format!("/{input}"), FLOAT, &[1, 4]).input(&signs, FLOAT, &[1, 4]);
    }
    for node in 0..2000 {
        let from = if node == 0 { "x".to_owned() } else { format!("s{}", node - 1) };
        graph = graph.node("Relu", &[&from], &[&format!("s{node}")]);
    }
    for output in 0..2000 {
        graph = graph.output(&format!("s{output}"));
    }
    let imported = Import::new().from_bytes(graph.end()).unwrap();
    assert_eq!((imported.inputs.len(), imported.outputs.len()), (1, 2000));
    // Whether each of many inputs is an image.
    let mut graph = Graph::new();
    let names: Vec<String> = (0..6000).map(|input| format!("i{input}")).collect();
    for name in &names {
        graph = graph.input(name, FLOAT, &[1, 4]);
    }
    let inputs: Vec<&str> = names.iter().map(|name| &**name).collect();
    let outputs: Vec<String> = (0..6000).map(|output| format!("o{output}")).collect();
    let outputs: Vec<&str> = outputs.iter().map(|name| &**name).collect();
    graph = graph.node("Concat", &inputs, &["all"]).with("Split", &["all"], &outputs, &[int("axis", 1)]);
    let _ = read(graph.output("o0"));
}

#[test]
fn sizes_whose_products_are_no_numbers() {
    let graph = Graph::with_input(&[1]).floats("scale", &[1], &[1.0]).list("none", &[]);
    let graph = graph.node("Reshape", &["x", "none"], &["s"]).list("one", &[1]).node(
        "Reshape",
        &["s", "one"],
        &["r"],
    );
    let _ = read(graph.node("LayerNormalization", &["r", "scale"], &["y"]).output("y"));
    let graph = Graph::with_input(&[1, 1, 1]).floats("scale", &[1], &[1.0]).list("axes", &[1, 2]);
    let graph = graph.with("ReduceSum", &["x", "axes"], &["s"], &[int("keepdims", 1)]);
    let _ = read(graph.node("LayerNormalization", &["s", "scale"], &["y"]).output("y"));
    let pool = [ints("kernel_shape", &[1 << 30; 3])];
    let _ = read(Graph::with_input(&[1, 1, 4, 4, 4]).with("LpPool", &["x"], &["y"], &pool).output("y"));
    for stride in [2, (1 << 31) - 1] {
        let graph =
            Graph::with_input(&[1, 1, 1]).list("sizes", &[1, 1, 1 << 36]).floats("w", &[1, 1, 1], &[1.0]);
        let graph = graph.node("Expand", &["x", "sizes"], &["long"]);
        let strides = [ints("strides", &[stride])];
        refused(graph.with("ConvTranspose", &["long", "w"], &["y"], &strides).output("y"));
    }
}

#[test]
fn results_that_fill_the_memory() {
    for size in [1 << 30, 1 << 36] {
        let graph =
            || Graph::with_input(&[1, 1]).list("sizes", &[1, size]).node("Expand", &["x", "sizes"], &["y"]);
        run(graph().output("y"), &[("x", &[1, 1])]).unwrap_err();
        run(graph().with("ReduceSum", &["y"], &["z"], &[int("keepdims", 0)]).output("z"), &[("x", &[1, 1])])
            .unwrap_err();
    }
    // One constant, many outputs.
    let mut graph = Graph::with_input(&[1, 1]).filled("a", &[1 << 24], FLOAT);
    for output in 0..400 {
        graph = graph.node("Identity", &["a"], &[&format!("o{output}")]).output(&format!("o{output}"));
    }
    run(graph, &[("x", &[1, 1])]).unwrap_err();
    // Products of matrices that would take days.
    let graph = Graph::with_input(&[1, 1]).list("sizes", &[1 << 13, 1 << 13]).node(
        "Expand",
        &["x", "sizes"],
        &["s0"],
    );
    let graph = (0..30).fold(graph, |graph, node| {
        let (from, to) = (format!("s{node}"), format!("s{}", node + 1));
        graph.node("MatMul", &[&from, &from], &[&to])
    });
    run(graph.output("s30"), &[("x", &[1, 1])]).unwrap_err();
    // What is asked for is computed if it is not that much.
    let graph =
        Graph::with_input(&[1, 1]).list("sizes", &[1, 1 << 20]).node("Expand", &["x", "sizes"], &["y"]);
    assert_eq!(run(graph.output("y"), &[("x", &[1, 1])]).unwrap()[0].dims, [1, 1 << 20]);
}

#[test]
fn inputs_whose_numbers_are_asked_for_one_after_another() {
    let mut graph = Graph::with_input(&[1, 4]);
    for node in 0..1000 {
        let (from, size) =
            (if node == 0 { "x".to_owned() } else { format!("s{}", node - 1) }, format!("n{node}"));
        graph = graph.input(&size, INT64, &[2]).node("Reshape", &[&from, &size], &[&format!("s{node}")]);
    }
    let file = File::from_bytes(graph.output("s999").end()).unwrap();
    let mut inputs = vec![("x".to_owned(), Tensor::floats([1, 4], vec![0.0; 4]))];
    inputs.extend((0..1000).map(|node| (format!("n{node}"), Tensor::integers([2], vec![1, 4]))));
    assert_eq!(file.with_values(inputs).unwrap().run().unwrap()[0].dims, [1, 4]);
}

#[test]
fn numbers_that_lie_in_the_model_itself_or_in_no_file() {
    let folder = std::env::temp_dir().join(format!("convnet-hostile-onnx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("m.onnx");
    let external = |name: &str, location: &str, dims: &[i64], length: Option<usize>| {
        let entry = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
        let tensor =
            dims.iter().fold(Message::default(), |tensor, &size| tensor.number(1, size)).number(2, 2);
        let tensor = tensor.text(8, name).message(13, &entry("location", location));
        let tensor = length
            .into_iter()
            .fold(tensor, |tensor, length| tensor.message(13, &entry("length", &length.to_string())));
        tensor.number(14, 1)
    };
    // As many bytes of the file in each of thousands of tensors.
    let mut graph = Graph::with_input(&[1, 4]).node("Relu", &["x"], &["y"]).output("y");
    for name in 0..2500 {
        graph.graph =
            graph.graph.message(5, &external(&format!("w{name}"), "m.onnx", &[100_000], Some(100_000)));
    }
    let bytes = graph.end();
    assert!(bytes.len() > 100_000);
    std::fs::write(&path, bytes).unwrap();
    assert!(Import::new().read(&path).is_err());
    // The same numbers may be those of two tensors.
    std::fs::write(folder.join("w.bin"), [1, 2, 3, 4]).unwrap();
    let mut graph =
        Graph::with_input(&[1, 4]).node("Add", &["x", "w0"], &["z"]).node("Add", &["z", "w1"], &["y"]);
    for name in ["w0", "w1"] {
        graph.graph = graph.graph.message(5, &external(name, "w.bin", &[1, 4], None));
    }
    std::fs::write(&path, graph.output("y").end()).unwrap();
    Import::new().read(&path).unwrap();
    // A folder is no file, nor is a pipe, which would be waited for.
    let pipe = folder.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
    for location in [Some("."), made.then_some("pipe")].into_iter().flatten() {
        let mut graph = Graph::with_input(&[1, 4]).node("Add", &["x", "w"], &["y"]);
        graph.graph = graph.graph.message(5, &external("w", location, &[1, 4], Some(4)));
        std::fs::write(&path, graph.output("y").end()).unwrap();
        let error = Import::new().read(&path).unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn constants_of_a_plan() {
    // The second factor is repeated for each row of the first, and once for all runs.
    let graph = || {
        Graph::with_input(&[1, 4]).filled("a", &[1000, 1, 1000], FLOAT).filled("b", &[1, 1000, 1000], FLOAT)
    };
    refused(graph().node("MatMul", &["a", "b"], &["c"]).node("Relu", &["x"], &["y"]).output("y"));
    let graph =
        Graph::with_input(&[1, 1]).filled("b", &[1, 1000, 1000], FLOAT).list("sizes", &[1000, 1, 1000]);
    let graph = graph.node("Expand", &["x", "sizes"], &["a"]).node("MatMul", &["a", "b"], &["y"]).output("y");
    assert!(run(graph, &[("x", &[1, 1])]).is_err());
}

#[test]
fn known_inputs_that_nodes_take_copies_of() {
    let graph = || Graph::with_input(&[1, 4]).filled("a", &[1 << 24], INT64);
    refused(graph().floats("ratio", &[], &[0.0]).node("Dropout", &["x", "ratio", "a"], &["y"]).output("y"));
    refused(graph().node("BatchNormalization", &["x", "a", "a", "a", "a"], &["y"]).output("y"));
    let graph = Graph::with_input(&[1, 4, 4]).filled("a", &[1 << 24], INT64);
    refused(graph.node("InstanceNormalization", &["x", "a", "a"], &["y"]).output("y"));
    // Rows that are added to products.
    let mut graph =
        Graph::with_input(&[1, 1]).filled("w", &[1, 1 << 22], FLOAT).filled("c", &[1 << 22], FLOAT);
    for copy in 0..12 {
        let (product, sum) = (format!("p{copy}"), format!("s{copy}"));
        graph = graph.node("MatMul", &["x", "w"], &[&product]).node("Add", &[&product, "c"], &[&sum]);
    }
    refused(graph.output("s0"));
    // Initial states that are zeros as far as one looks.
    let mut graph =
        Graph::with_input(&[1, 1, 1]).floats("w", &[1, 1, 1], &[1.0]).list("long", &[1, 1 << 25, 1]);
    graph = graph.node("ConstantOfShape", &["long"], &["zeros"]);
    for copy in 0..40 {
        let from = if copy == 0 { "x".to_owned() } else { format!("h{}", copy - 1) };
        graph = graph.with(
            "RNN",
            &[&from, "w", "w", "", "", "zeros"],
            &["", &format!("h{copy}")],
            &[int("hidden_size", 1)],
        );
    }
    refused(graph.output("h39"));
}

#[test]
fn axes_and_parts_that_grow_node_by_node() {
    let mut graph = Graph::with_input(&[1]).list("depth", &[1]).floats("ends", &[2], &[0.0, 1.0]);
    for node in 0..100 {
        let from = if node == 0 { "x".to_owned() } else { format!("s{}", node - 1) };
        graph = graph.node("OneHot", &[&from, "depth", "ends"], &[&format!("s{node}")]);
    }
    refused(graph.output("s99"));
    let mut parts = vec![0; 60_000];
    parts[0] = 4;
    let graph = Graph::with_input(&[1, 4]).filled("a", &[4], FLOAT).list("parts", &parts);
    refused(graph.node("Split", &["a", "parts"], &["b", "c"]).node("Relu", &["x"], &["y"]).output("y"));
    let graph = Graph::with_input(&[1, 4]).filled("a", &[4], FLOAT).list("parts", &[4, 0]);
    read(graph.node("Split", &["a", "parts"], &["b", "c"]).node("Relu", &["x"], &["y"]).output("y")).unwrap();
}

#[test]
fn weights_of_thousands_of_layers() {
    let mut graph =
        Graph::with_input(&[1, 2]).floats("even", &[1, 2], &[0.0, 2.0]).floats("odd", &[1, 2], &[1.0, 3.0]);
    for node in 0..5000 {
        let from = if node == 0 { "x".to_owned() } else { format!("s{}", node - 1) };
        let constant = if node % 2 == 0 { "even" } else { "odd" };
        graph = graph.node("Add", &[&from, constant], &[&format!("s{node}")]);
    }
    let model = Import::new().from_bytes(graph.output("s4999").end()).unwrap().model;
    assert_eq!(model.weights().count(), 5000);
    for (place, weight) in model.weights().enumerate() {
        let first = (place % 2) as f32;
        assert!(model.weight_values(weight).iter().eq(&[first, first + 2.0]), "{}", weight.path);
    }
}

#[test]
fn windows_that_are_walked_element_by_element() {
    for operator in ["MaxPool", "AveragePool", "LpPool"] {
        let graph = Graph::with_input(&[1, 4]).filled("a", &[1, 1, 2048, 2048], FLOAT);
        let graph = graph.with(operator, &["a"], &["b"], &[ints("kernel_shape", &[64, 64])]);
        refused(graph.node("Relu", &["x"], &["y"]).output("y"));
    }
}

#[test]
fn attempts_that_fail_one_after_another() {
    let asking = |size: i64| {
        let mut graph = Graph::with_input(&[1, 4]).filled("a", &[size], FLOAT);
        for node in 0..30 {
            let (from, size) =
                (if node == 0 { "x".to_owned() } else { format!("s{}", node - 1) }, format!("n{node}"));
            graph = graph.input(&size, INT64, &[2]).node("Reshape", &[&from, &size], &[&format!("s{node}")]);
        }
        let file = File::from_bytes(graph.output("s29").end()).unwrap();
        let mut inputs = vec![("x".to_owned(), Tensor::floats([1, 4], vec![0.0; 4]))];
        inputs.extend((0..30).map(|node| (format!("n{node}"), Tensor::integers([2], vec![1, 4]))));
        file.with_values(inputs)
    };
    asking(1 << 25).unwrap_err();
    asking(1 << 10).unwrap();
    // What is read only in the last way may take as much as what is read in the first.
    let graph = Graph::with_input(&[2, 3]).filled("a", &[1 << 26], FLOAT);
    read(graph.node("Transpose", &["x"], &["y"]).output("y")).unwrap();
}

#[test]
fn borders_of_transposed_convolutions_that_are_no_numbers() {
    let graph =
        Graph::with_input(&[1, 1, 1]).list("sizes", &[1, 1, (1 << 36) - 1]).floats("w", &[1, 1, 1], &[1.0]);
    let attributes =
        [ints("strides", &[1 << 28]), ints("output_padding", &[(1 << 31) - 1]), ints("output_shape", &[5])];
    let graph = graph.node("Expand", &["x", "sizes"], &["long"]);
    refused(graph.with("ConvTranspose", &["long", "w"], &["y"], &attributes).output("y"));
}
