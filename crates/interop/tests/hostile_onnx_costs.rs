//! Small ONNX files in which something cheap stands very often: each time it counts, so that the file is refused, or read at once.

mod onnx_files;

use convnet_interop::onnx::File;
use onnx_files::{BOOL, FLOAT, Graph, INT64, Message, int, ints, read, refused};

/// Refuses a file for what it asks for altogether.
#[track_caller]
fn refused_as_too_much(graph: Graph) {
    let problem = read(graph).expect_err("it was accepted").to_string();
    assert!(problem.contains("more than what a file of this size may ask for"), "{problem}");
}

/// A graph whose input `x` has as many axes as values may have.
fn of_many_axes() -> Graph {
    Graph::with_input(&[&[2][..], &[1; 64]].concat())
}

#[test]
fn inputs_that_lead_to_nodes_with_many_outputs() {
    let names: Vec<String> = (0..100).map(|input| format!("i{input}")).collect();
    let graph = names.iter().fold(Graph::new(), |graph, name| graph.input(name, FLOAT, &[1, 4, 4]));
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let outputs: Vec<String> = (0..61).map(|output| format!("a{output}")).collect();
    let outputs: Vec<&str> = outputs.iter().map(|name| &**name).chain([""]).collect();
    let graph = graph.with("Concat", &names, &["c"], &[int("axis", 1)]);
    let graph = graph.node("Add", &["c", "c"], &outputs).node("Add", &vec!["c"; 1000], &vec![""; 300_000]);
    read(graph.output("a0")).unwrap();
}

#[test]
fn inputs_that_are_declared_twice() {
    let graph = Graph::with_input(&[1, 4]).input("x", FLOAT, &[1, 4]);
    refused(graph.node("Relu", &["x"], &["y"]).output("y"));
}

#[test]
fn constants_matched_with_what_has_no_elements() {
    let graph = || Graph::with_input(&[1, 4]).integers("none", &[0, 1], &[]).node("Relu", &["x"], &["y"]);
    let mut choices = graph().filled("a", &[1, 1 << 20], BOOL);
    let mut sums = graph().filled("a", &[1, 1 << 20], INT64);
    for node in 0..20_000 {
        choices = choices.node("Where", &["a", "none", "none"], &[&format!("a{node}")]);
        sums = sums.node("Add", &["a", "none"], &[&format!("a{node}")]);
    }
    read(choices.output("y")).unwrap();
    read(sums.output("y")).unwrap();
}

#[test]
fn scales_of_what_has_no_elements() {
    let mut graph = Graph::with_input(&[1, 4]).integers("none", &[0, 1 << 20], &[]);
    graph = graph.filled("scale", &[1 << 20], FLOAT).node("Relu", &["x"], &["y"]);
    for node in 0..2000 {
        graph = graph.node("DequantizeLinear", &["none", "scale"], &[&format!("a{node}")]);
    }
    refused_as_too_much(graph.output("y"));
}

#[test]
fn one_value_of_many_axes_in_many_places() {
    let graph = of_many_axes().with("Concat", &vec!["x"; 100_000], &["y"], &[int("axis", 1)]);
    refused_as_too_much(graph.output("y"));
    let mut graph = of_many_axes().node("Relu", &["x"], &["y"]);
    for _ in 0..100_000 {
        graph = graph.output("y");
    }
    refused_as_too_much(graph);
    // Of the branch of a node.
    let inner = (0..100_000).fold(Graph::new(), |inner, _| inner.output("x"));
    let branch = Message::default().text(1, "then_branch").message(6, &inner.graph).number(20, 5);
    let graph = of_many_axes().integers("condition", &[], &[1]);
    refused_as_too_much(graph.with("If", &["condition"], &["y"], &[branch]).output("y"));
}

#[test]
fn attributes_that_are_searched_for_one() {
    let relu = |count: usize| {
        let attributes = vec![Message::default(); count];
        Graph::with_input(&[1, 4]).with("Relu", &["x"], &["y"], &attributes)
    };
    read(relu(256).output("y")).unwrap();
    refused(relu(257).output("y"));
    let branch = Message::default().text(1, "then_branch").message(6, &relu(257).output("y").graph);
    let graph = Graph::with_input(&[1, 4]).integers("condition", &[], &[1]);
    refused(graph.with("If", &["condition"], &["z"], &[branch.number(20, 5)]).output("z"));
}

#[test]
fn lists_of_more_axes_than_values_have() {
    for operator in ["ReduceMax", "ReduceSum", "ReduceL2", "Squeeze"] {
        for (axes, value) in [(1, "x"), (65, "x"), (1 << 16, "x"), (1, "none"), (1 << 16, "none")] {
            let graph = Graph::with_input(&[1, 1, 4]).filled("none", &[2, 1, 0], FLOAT);
            let graph = graph.filled("axes", &[axes], INT64).node(operator, &[value, "axes"], &["z"]);
            let result = read(graph.node("Relu", &["x"], &["y"]).output("y"));
            assert_eq!(result.is_ok(), axes == 1, "{operator} of {value} along {axes}: {result:?}");
        }
    }
}

/// What a file says that the limit of its parts is not reached for is left to the decoder, which stops at once at the damage in front.
fn is_within_limits(model: &Message) -> bool {
    let damaged = Message::default().bytes(1, &[]);
    let bytes = [damaged.0, model.0.clone()].concat();
    !File::from_bytes(bytes).expect_err("there are no nodes in it").to_string().contains("nodes, attributes")
}

#[test]
fn attributes_in_graphs_within_graphs() {
    let many = Message((0..600_000).flat_map(|_| [5 << 3 | 2, 0]).collect());
    for depth in [0, 1, 4, 20] {
        let graph = (0..depth).fold(Message::default().message(1, &many), |inner, _| {
            let attribute = Message::default().message(6, &inner);
            Message::default().message(1, &Message::default().message(5, &attribute))
        });
        assert!(!is_within_limits(&Message::default().message(7, &graph)), "{depth} graphs deep");
        let training = Message::default().message(1, &graph);
        assert!(!is_within_limits(&Message::default().message(20, &training)), "for training");
        let function = Message::default().message(7, &many);
        assert!(!is_within_limits(&Message::default().message(25, &function)), "in a function");
    }
}

#[test]
fn nodes_of_a_large_network() {
    let attributes: Vec<Message> =
        (0..10).map(|place| ints(&format!("attribute{place}"), &[1, 1, 1, 1])).collect();
    let mut graph = Graph::with_input(&[1, 4]);
    for node in 0..20_000 {
        let output = format!("value{node}");
        graph = graph.floats(&format!("weight{node}"), &[1], &[1.0]);
        graph = graph.with("Conv", &["x", &format!("weight{node}")], &[&output], &attributes);
        graph.graph = graph.graph.message(13, &onnx_files::info(&output, FLOAT, &[-1, 64, 56, 56]));
    }
    assert!(is_within_limits(&Message(graph.output("value0").end())));
}

#[test]
fn small_models_that_are_run_while_a_file_is_read() {
    let clips = |graph: Graph, count: usize| {
        let graph = graph.floats("a", &[], &[0.5]).node("Relu", &["x"], &["y"]).output("y");
        (0..count).fold(graph, |graph, node| graph.node("Clip", &["a"], &[&format!("a{node}")]))
    };
    read(clips(Graph::with_input(&[1, 4]), 1000)).unwrap();
    // Not much is left for them.
    let graph = Graph::with_input(&[1; 64]).node("Add", &vec!["x"; 31_000], &["z"]);
    refused_as_too_much(clips(graph, 2500));
}

#[test]
fn factors_of_sums_of_products() {
    let mut graph = Graph::with_input(&[1, 1]).filled("a", &[1, 1 << 20], FLOAT);
    let equation = [Message::default().text(1, "equation").text(4, "bi,ij->bj").number(20, 3)];
    for node in 0..60 {
        graph = graph.with("Einsum", &["x", "a"], &[&format!("a{node}")], &equation);
    }
    refused_as_too_much(graph.output("a0"));
}
