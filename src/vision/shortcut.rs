//! Which parts of a model are better computed beside the runtime, and when.
//!
//! A model of depthwise convolutions is cut at each: the runtime computes what goes into it, [`Depthwise`] what comes out
//! (with the `Relu` behind it), and the runtime goes on from there. Convolutions that do not wait for each other are
//! reached in one run, a *wave*. Where a plane that comes out is halved or doubled next, that is done too.
//!
//! **Promises.** What is not understood for sure is left to the runtime, so that a shortcut changes the time that a model
//! takes and not what it says.

use std::collections::{HashMap, HashSet};

use rten_onnx::onnx::{AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto};

use super::depthwise::{Depthwise, Taps, Then};

/// A part that is computed beside the runtime.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shortcut {
    /// The value that goes in: into a convolution one that the runtime computes and that is used for nothing else, into
    /// the others one that came out of a shortcut.
    pub(super) from: String,
    /// The value that comes out.
    pub(super) to: String,
    /// The last wave that needs what comes out, where the number of waves stands for what comes after them.
    pub(super) until: usize,
    /// Between them.
    pub(super) step: Step,
}

/// What is computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// A depthwise convolution.
    Convolve(Depthwise),
    /// A `MaxPool` of 2 x 2.
    Halve,
    /// A `Resize` that repeats every number.
    Double,
}

/// What a `Resize` says of itself that repeats every number.
const RESIZED: [(&str, &str); 3] =
    [("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")];

/// The shortcuts of a model, in waves; none for what is no model.
pub(super) fn find(onnx: &[u8]) -> Vec<Vec<Shortcut>> {
    let graph = ModelProto::parse_buf(onnx).ok().and_then(|model| model.graph);
    graph.map_or_else(Vec::new, |graph| Reading::of(&graph).map_or_else(Vec::new, |reading| reading.waves()))
}

/// A graph, looked at from its values.
struct Reading<'a> {
    graph: &'a GraphProto,
    constants: HashMap<&'a str, &'a TensorProto>,
    /// Which nodes use a value.
    users: HashMap<&'a str, Vec<&'a NodeProto>>,
    /// What the graph is given and what it gives.
    ends: HashSet<&'a str>,
}

fn text(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

/// Whether a node has an attribute of this name.
fn has(node: &NodeProto, name: &str) -> bool {
    node.attribute.iter().any(|attribute| text(attribute.name.as_ref()) == name)
}

impl<'a> Reading<'a> {
    /// None for a graph of which a node has a graph of its own, where values may be used unseen.
    fn of(graph: &'a GraphProto) -> Option<Self> {
        let mut users: HashMap<&str, Vec<&NodeProto>> = HashMap::new();
        for node in &graph.node {
            if node.attribute.iter().any(|attribute| attribute.g.is_some()) {
                return None;
            }
            node.input.iter().for_each(|value| users.entry(value).or_default().push(node));
        }
        let constants = graph.initializer.iter().map(|tensor| (text(tensor.name.as_ref()), tensor)).collect();
        let ends = graph.input.iter().chain(&graph.output).map(|value| text(value.name.as_ref())).collect();
        Some(Self { graph, constants, users, ends })
    }

    fn waves(&self) -> Vec<Vec<Shortcut>> {
        let mut waves: Vec<Vec<Shortcut>> = Vec::new();
        // after how many waves a value can be computed, and the wave of a node by its output
        let mut depths: HashMap<&str, usize> = HashMap::new();
        let mut wave_of: HashMap<&str, usize> = HashMap::new();
        let mut made: HashSet<String> = HashSet::new();
        for node in &self.graph.node {
            let mut depth = node.input.iter().filter_map(|value| depths.get(&**value)).copied().max().unwrap_or(0);
            let mut found = None;
            if let Some(shortcut) = self.convolution(node).filter(|shortcut| !made.contains(&shortcut.from)) {
                waves.resize_with(waves.len().max(depth + 1), Vec::new);
                found = Some((depth, shortcut));
                depth += 1;
            } else if let Some(shortcut) = self.scaling(node).filter(|shortcut| made.contains(&shortcut.from)) {
                // behind what it goes on from, if the file lists that first
                found = depth.checked_sub(1).map(|wave| (wave, shortcut));
            }
            if let Some((wave, shortcut)) = found {
                made.insert(shortcut.to.clone());
                wave_of.insert(&node.output[0], wave);
                waves[wave].push(shortcut);
            }
            depths.extend(node.output.iter().map(|value| (&**value, depth)));
        }
        let n_waves = waves.len();
        let needed = self.needed(&wave_of, n_waves);
        for shortcut in waves.iter_mut().flatten() {
            shortcut.until = needed.get(&*shortcut.to).copied().unwrap_or(n_waves);
        }
        waves
    }

    /// The last wave in which each value is needed, by the waves of the nodes that are shortcuts.
    fn needed(&self, wave_of: &HashMap<&'a str, usize>, n_waves: usize) -> HashMap<&'a str, usize> {
        let mut needed: HashMap<&str, usize> = self.ends.iter().map(|&end| (end, n_waves)).collect();
        for node in self.graph.node.iter().rev() {
            let of = |value: &String| wave_of.get(&**value).or(needed.get(&**value)).copied();
            let wave = node.output.iter().filter_map(of).max().unwrap_or(0); // nobody needs it
            for value in &node.input {
                let until = needed.entry(value).or_default();
                *until = wave.max(*until);
            }
        }
        needed
    }

    /// The shortcut for a node, if it halves or doubles planes.
    fn scaling(&self, node: &NodeProto) -> Option<Shortcut> {
        if !text(node.domain.as_ref()).is_empty() {
            return None;
        }
        let ([from, ..], [to]) = (&node.input[..], &node.output[..]) else { return None };
        let step = match (text(node.op_type.as_ref()), &node.input[1..]) {
            ("MaxPool", []) if has(node, "kernel_shape") && has(node, "strides") => {
                let is_plain = |attribute: &AttributeProto| match text(attribute.name.as_ref()) {
                    "kernel_shape" | "strides" => attribute.ints == [2, 2],
                    "dilations" => attribute.ints == [1, 1],
                    "pads" => attribute.ints == [0; 4],
                    "ceil_mode" => attribute.i.unwrap_or(0) == 0,
                    _ => false,
                };
                node.attribute.iter().all(is_plain).then_some(Step::Halve)?
            }
            ("Resize", [_, scales]) if RESIZED.iter().all(|(name, _)| has(node, name)) => {
                let is_plain = |attribute: &AttributeProto| match text(attribute.name.as_ref()) {
                    "cubic_coeff_a" => true, // of another mode
                    name => RESIZED.contains(&(name, text(attribute.s.as_ref()))),
                };
                let (scales, _) = floats(self.constants.get(&**scales)?)?;
                (scales == [1.0, 1.0, 2.0, 2.0] && node.attribute.iter().all(is_plain)).then_some(Step::Double)?
            }
            _ => return None,
        };
        Some(Shortcut { from: from.clone(), to: to.clone(), until: 0, step })
    }

    /// The shortcut for a node, if it is a convolution that [`Depthwise`] does.
    fn convolution(&self, node: &NodeProto) -> Option<Shortcut> {
        let is_convolution = text(node.op_type.as_ref()) == "Conv" && text(node.domain.as_ref()).is_empty();
        let ([from, taps], bias) = (node.input.first_chunk()?, node.input.get(2).filter(|name| !name.is_empty()));
        let [to] = &node.output[..] else { return None };
        if !is_convolution || self.ends.contains(&**from) || self.users.get(&**from)?.len() != 1 {
            return None;
        }
        let (taps, taps_shape) = floats(self.constants.get(&**taps)?)?;
        let &[n_channels, 1, 3, 3] = taps_shape else { return None };
        let n_channels = usize::try_from(n_channels).ok()?;
        if !has(node, "pads")
            || !node.attribute.iter().all(|attribute| is_plain(attribute, n_channels))
            || group(node) != n_channels
        {
            return None;
        }
        let bias = match bias {
            Some(name) => floats(self.constants.get(&**name)?)?.0,
            None => vec![0.0; n_channels],
        };
        let taps: Vec<Taps> = taps.as_chunks().0.to_vec();
        if n_channels == 0 || taps.len() != n_channels || bias.len() != n_channels {
            return None;
        }
        let (to, then) = match self.users.get(&**to).map(|users| &users[..]) {
            Some([user]) if text(user.op_type.as_ref()) == "Relu" && !self.ends.contains(&**to) => {
                (user.output.first()?, Then::Relu)
            }
            _ => (to, Then::Keep),
        };
        let step = Step::Convolve(Depthwise { taps, bias, then });
        Some(Shortcut { from: from.clone(), to: to.clone(), until: 0, step })
    }
}

/// How many groups of channels a convolution has.
fn group(node: &NodeProto) -> usize {
    let group =
        node.attribute.iter().find(|attribute| text(attribute.name.as_ref()) == "group").and_then(|group| group.i);
    group.map_or(1, |group| usize::try_from(group).unwrap_or(0))
}

/// Whether an attribute of a convolution says what [`Depthwise`] does.
fn is_plain(attribute: &AttributeProto, n_channels: usize) -> bool {
    match text(attribute.name.as_ref()) {
        "group" => attribute.i.and_then(|group| usize::try_from(group).ok()) == Some(n_channels),
        "kernel_shape" => attribute.ints == [3, 3],
        "strides" | "dilations" => attribute.ints == [1, 1],
        "pads" => attribute.ints == [1, 1, 1, 1],
        _ => false,
    }
}

/// The numbers of a tensor of f32 that is in the file, and the lengths of its dimensions.
fn floats(tensor: &TensorProto) -> Option<(Vec<f32>, &[i64])> {
    if tensor.data_type != Some(DataType::FLOAT) || !tensor.external_data.is_empty() {
        return None;
    }
    let values = match &tensor.raw_data {
        Some(raw) => raw.borrow().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        None => tensor.float_data.clone(),
    };
    Some((values, &tensor.dims))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use rten_onnx::onnx::{
        Dimension, OperatorSetIdProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
    };

    use super::super::runtime::{Lanes, Network};
    use super::*;

    /// As the parts of a graph are called: each has a name or none.
    #[allow(clippy::unnecessary_wraps, reason = "it fills fields that may be empty")]
    fn name(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    fn tensor(called: &str, dims: &[i64], number: &mut impl FnMut() -> f32) -> TensorProto {
        let n = dims.iter().product::<i64>();
        let raw = (0..n).flat_map(|_| number().to_le_bytes()).collect();
        let (data_type, raw_data) = (Some(DataType::FLOAT), Some(RefCell::new(raw)));
        TensorProto { dims: dims.to_vec(), data_type, raw_data, name: name(called), ..TensorProto::default() }
    }

    fn node(operator: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
        let input = inputs.iter().map(|&input| input.to_owned()).collect();
        let (op_type, output) = (name(operator), vec![output.to_owned()]);
        NodeProto { name: output.first().cloned(), input, output, op_type, attribute, ..NodeProto::default() }
    }

    fn ints(called: &str, ints: &[i64]) -> AttributeProto {
        AttributeProto { name: name(called), ints: ints.to_vec(), ..AttributeProto::default() }
    }

    fn resized(mode: &str, places: &str, nearest: &str) -> Vec<AttributeProto> {
        let says =
            |called: &str, s: &str| AttributeProto { name: name(called), s: name(s), ..AttributeProto::default() };
        vec![says("mode", mode), says("coordinate_transformation_mode", places), says("nearest_mode", nearest)]
    }

    fn convolution(input: &str, output: &str, side: i64, group: i64, stride: i64) -> NodeProto {
        let pad = side / 2;
        let attributes = vec![
            ints("kernel_shape", &[side, side]),
            ints("pads", &[pad; 4]),
            ints("strides", &[stride, stride]),
            ints("dilations", &[1, 1]),
            AttributeProto { name: name("group"), i: Some(group), ..AttributeProto::default() },
        ];
        node("Conv", &[input, &format!("{output} taps"), &format!("{output} bias")], output, attributes)
    }

    fn value(called: &str, lengths: &[i64]) -> ValueInfoProto {
        let mut tensor = TypeProtoTensor { elem_type: Some(DataType::FLOAT), ..TypeProtoTensor::default() };
        if !lengths.is_empty() {
            let dim = |&length: &i64| Dimension { dim_value: Some(length).filter(|&n| n > 0), dim_param: name("any") };
            tensor.shape = Some(TensorShapeProto { dim: lengths.iter().map(dim).collect() });
        }
        ValueInfoProto {
            name: name(called),
            r#type: Some(TypeProto { tensor_type: Some(tensor), ..TypeProto::default() }),
        }
    }

    /// Like a detector in small: two depthwise convolutions one after the other, what the first gives is used again behind
    /// the second, and what comes of both ends in one with a stride, which is none for us.
    fn small() -> GraphProto {
        let mut state = 7_u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let mut constants = Vec::new();
        for (conv, shape) in
            [("a", [4, 3, 1, 1]), ("b", [4, 1, 3, 3]), ("c", [4, 4, 1, 1]), ("d", [4, 1, 3, 3]), ("e", [4, 1, 3, 3])]
        {
            constants.push(tensor(&format!("{conv} taps"), &shape, &mut number));
            constants.push(tensor(&format!("{conv} bias"), &shape[..1], &mut number));
        }
        let nodes = vec![
            convolution("input", "a", 1, 1, 1),
            convolution("a", "b", 3, 4, 1),
            node("Relu", &["b"], "b cut", Vec::new()),
            node("MaxPool", &["b cut"], "half", vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]),
            node("Resize", &["half", "", "scales"], "whole", resized("nearest", "asymmetric", "floor")),
            convolution("whole", "c", 1, 1, 1),
            convolution("c", "d", 3, 4, 1),
            node("Add", &["b cut", "d"], "both", Vec::new()),
            convolution("both", "e", 3, 4, 2),
        ];
        let mut twice = [1.0, 1.0, 2.0, 2.0].into_iter();
        constants.push(tensor("scales", &[4], &mut || twice.next().unwrap()));
        GraphProto {
            node: nodes,
            initializer: constants,
            input: vec![value("input", &[1, 3, 0, 0])],
            output: vec![value("e", &[]), value("d", &[])],
            ..GraphProto::default()
        }
    }

    fn written(graph: GraphProto) -> Vec<u8> {
        let opset = OperatorSetIdProto { domain: None, version: Some(11) };
        let model =
            ModelProto { ir_version: Some(7), graph: Some(graph), opset_import: vec![opset], ..ModelProto::default() };
        model.write_buf().unwrap()
    }

    /// Where the shortcuts of a model begin and end, what they are, and how long what they make is needed, by waves.
    fn ways(graph: GraphProto) -> Vec<Vec<(String, String, &'static str, usize)>> {
        let what = |step: &Step| match step {
            Step::Convolve(Depthwise { then: Then::Relu, .. }) => "convolve, cut",
            Step::Convolve(Depthwise { then: Then::Keep, .. }) => "convolve",
            Step::Halve => "halve",
            Step::Double => "double",
        };
        let way = |s: Shortcut| (s.from, s.to, what(&s.step), s.until);
        find(&written(graph)).into_iter().map(|wave| wave.into_iter().map(way).collect()).collect()
    }

    #[test]
    fn depthwise_convolutions_are_found_in_the_order_in_which_they_can_be_computed() {
        let owned =
            |(from, to, what, until): (&str, &str, &'static str, usize)| (from.to_owned(), to.to_owned(), what, until);
        let first = [
            ("a", "b cut", "convolve, cut", 2), // for the sum behind the second
            ("b cut", "half", "halve", 0),
            ("half", "whole", "double", 1),
        ];
        assert_eq!(ways(small()), [first.map(owned).to_vec(), vec![owned(("c", "d", "convolve", 2))]]);
    }

    #[test]
    fn what_is_used_elsewhere_is_not_understood_or_has_no_edge_is_left_to_the_runtime() {
        let spoilt = |spoil: fn(&mut GraphProto)| {
            let mut graph = small();
            spoil(&mut graph);
            ways(graph).iter().flatten().count()
        };
        assert_eq!(spoilt(|_| {}), 4);
        assert_eq!(spoilt(|graph| graph.output.push(value("c", &[]))), 3, "what goes in is asked for");
        assert_eq!(spoilt(|graph| graph.node.push(node("Relu", &["c"], "x", Vec::new()))), 3, "it is used again");
        assert_eq!(spoilt(|graph| graph.node[6].attribute[1] = ints("pads", &[0; 4])), 3);
        assert_eq!(spoilt(|graph| drop(graph.node[6].attribute.remove(1))), 3, "no pads are none");
        assert_eq!(spoilt(|graph| graph.node[6].attribute[3] = ints("dilations", &[2, 2])), 3);
        assert_eq!(spoilt(|graph| graph.node[6].attribute.push(ints("news", &[1]))), 3);
        assert_eq!(spoilt(|graph| graph.initializer[6].raw_data = None), 3, "no taps");
        assert_eq!(spoilt(|graph| drop(graph.initializer.remove(6))), 3, "taps that are computed");
        assert_eq!(spoilt(|graph| graph.node[3].attribute[0] = ints("kernel_shape", &[3, 3])), 2, "not of two rows");
        assert_eq!(spoilt(|graph| drop(graph.node[3].attribute.remove(1))), 2, "not apart");
        assert_eq!(spoilt(|graph| graph.node[4].attribute = resized("linear", "asymmetric", "floor")), 3);
        assert_eq!(spoilt(|graph| graph.node[4].attribute = resized("nearest", "align_corners", "floor")), 3);
        assert_eq!(spoilt(|graph| graph.node[4].input[2] = "a bias".to_owned()), 3, "other scales");
        assert_eq!(spoilt(|graph| graph.node[0].attribute[0].g = Some(GraphProto::default())), 0, "a graph in it");
        assert_eq!(find(b"no model"), [[]; 0]);
    }

    #[test]
    fn a_model_says_the_same_with_shortcuts_bit_for_bit() {
        let (model, lanes) = (written(small()), Lanes::default());
        let outputs = ["e", "d"].map(str::to_owned);
        let plain = Network::open(&model, &outputs).unwrap();
        let quick = Network::open_with_shortcuts(&model, &outputs).unwrap();
        let lane = lanes.enter();
        for (height, width) in [(2, 2), (6, 40), (32, 18)] {
            let values: Vec<f32> = (0..3 * height * width).map(|i| ((i * 37) % 256) as f32 - 128.0).collect();
            let bits = |network: &Network| -> Vec<(Vec<usize>, Vec<u32>)> {
                let outputs = network.run((height, width), values.clone(), &lane).unwrap();
                let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
                outputs.into_iter().map(|output| (output.shape, bits(output.values))).collect()
            };
            let said = bits(&quick);
            assert_eq!(said, bits(&plain), "{height} x {width}");
            assert!(said[1].1.iter().any(|&bits| f32::from_bits(bits) != 0.0), "there is something to say");
        }
    }
}
