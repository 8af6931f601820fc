//! ONNX models, run: the only file that names the runtime (`shortcut` names its reader of files).
//!
//! **Why rten.** Both candidates agree to seven digits on the models measured. Per run (AMD EPYC, one thread, opt-level 2,
//! the best of seven) they took
//!
//! | | rten 0.27 | tract 0.23 |
//! |---|---|---|
//! | `YuNet`, 320 x 320 | 31 ms | 19 ms |
//! | `YuNet`, 640 x 640 | 129 ms | 93 ms |
//! | face-reidentification-retail-0095 | 32 ms | 55 ms |
//! | `MobileFaceNet` | 26 ms | 55 ms |
//! | loading an embedder | 4 ms | 80 to 160 ms |
//! | an input of any size | as it comes | a plan for each size; the model of `YuNet` for it is refused |
//! | crates it brings | 20 | 94 |
//! | on Arm and RISC-V | Rust alone | a C compiler, for its assembly |
//!
//! A photo of 430 x 640 pixels is shown to the detector as it is, in two thirds of the time of a square; together with
//! the embedder that is 120 ms. So the two are level on large photos, rten is ahead on small ones, and it is much less
//! to build.
//!
//! **What is done beside it.** Of the detector's 42 ms for 640 x 448 pixels (release, one thread, the least of 25 runs) 28 were
//! its 3 x 3 convolutions of one channel each, which in rten 0.27 are a plain loop, by its source, and some of the rest its
//! pooling and doubling. These three are computed here, to the same bits (`shortcut` finds them, `depthwise` does them), in
//! half of the time of the whole. The rest is vector code. `RTEN_TIMING=by-shape=1` shows what the runtime's own part takes,
//! `make bench-photos` the whole beside onnxruntime.
//!
//! **Why one face a run.** In batches a face takes no less time on a thread, and `MobileFaceNet` gives it other bits in a
//! batch than alone, so that its embedding would depend on who stands beside it. Milliseconds a face (AMD EPYC, one
//! thread, opt-level 2, the best of 25):
//!
//! | faces in a run | 1 | 2 | 4 | 8 |
//! |---|---|---|---|---|
//! | face-reidentification-retail-0095 | 31.7 | 32.1 | 32.6 | 34.3 |
//! | `MobileFaceNet` | 24.5 | 25.4 | 25.1 | 26.1 |

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use rten::{Dimension, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use thiserror::Error;

use super::depthwise::{double, halve};
use super::shortcut::{self, Step};

/// A model that did not run.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct RuntimeError(String);

impl RuntimeError {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

/// A loaded model with one input and the outputs that are wanted of it.
pub(super) struct Network {
    model: Model,
    input: NodeId,
    outputs: Vec<NodeId>,
    /// What is computed beside the runtime, in the order of time.
    waves: Vec<Vec<Shortcut>>,
}

/// A [`shortcut::Shortcut`] by the values' places in the model.
struct Shortcut {
    from: NodeId,
    to: NodeId,
    until: usize,
    step: Step,
}

/// Values of a model that are computed, and the last wave that needs each.
type Known = Vec<(NodeId, Value, usize)>;

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("outputs", &self.outputs.len()).finish_non_exhaustive()
    }
}

/// What a model gave: the lengths of its dimensions, and the numbers.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Network {
    /// Loads an ONNX model of which the outputs of these names are wanted; without names, its first.
    pub(super) fn open(onnx: &[u8], outputs: &[String]) -> Result<Self, RuntimeError> {
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load(onnx.to_vec()).map_err(|error| RuntimeError(error.to_string()))?;
        let &[input] = model.input_ids() else {
            return Err(RuntimeError(format!("it has {} inputs, expected 1", model.input_ids().len())));
        };
        let output = |name: &String| model.find_node(name).ok_or_else(|| RuntimeError(format!("no output '{name}'")));
        let mut outputs = outputs.iter().map(output).collect::<Result<Vec<_>, _>>()?;
        if outputs.is_empty() {
            outputs.extend(model.output_ids().first());
        }
        Ok(Self { model, input, outputs, waves: Vec::new() })
    }

    /// Loads a model like [`open`](Self::open); its depthwise convolutions are computed beside the runtime, to the same
    /// numbers in less time.
    pub(super) fn open_with_shortcuts(onnx: &[u8], outputs: &[String]) -> Result<Self, RuntimeError> {
        let network = Self::open(onnx, outputs)?;
        let place = |shortcut: shortcut::Shortcut| {
            let shortcut::Shortcut { from, to, until, step } = shortcut;
            let (from, to) = (network.model.find_node(&from)?, network.model.find_node(&to)?);
            Some(Shortcut { from, to, until, step })
        };
        let waves = shortcut::find(onnx).into_iter().map(|wave| wave.into_iter().map(place).collect());
        let waves: Option<Vec<_>> = waves.collect(); // none if the runtime knows a value no more
        Ok(Self { waves: waves.unwrap_or_default(), ..network })
    }

    /// Height and width of the input, where the model fixes them.
    pub(super) fn fixed_size(&self) -> Option<(usize, usize)> {
        match self.model.input_shape(0)?[..] {
            [_, _, Dimension::Fixed(height), Dimension::Fixed(width)] => Some((height, width)),
            _ => None,
        }
    }

    /// Runs the model on one input of three channels.
    pub(super) fn run(
        &self,
        (height, width): (usize, usize),
        values: Vec<f32>,
        lane: &Lane<'_>,
    ) -> Result<Vec<Output>, RuntimeError> {
        let input = Value::from_shape([1, 3, height, width], values).map_err(|error| broken(&error))?;
        // in the lane as a whole, so that a wave costs no change of threads
        lane.run(|| {
            let mut known = vec![(self.input, input, self.waves.len())];
            for (at, wave) in self.waves.iter().enumerate() {
                self.pass(wave, &mut known, lane)?;
                known.retain(|&(_, _, until)| until > at);
            }
            let inputs = known.into_iter().map(|(id, value, _)| (id, value.into())).collect();
            let outputs = self.ask(inputs, &self.outputs, lane)?;
            outputs
                .into_iter()
                .map(|output| numbers(output).ok_or_else(|| broken(&"an output is not of f32")))
                .collect()
        })
    }

    /// Goes through the shortcuts of a wave.
    fn pass(&self, wave: &[Shortcut], known: &mut Known, lane: &Lane<'_>) -> Result<(), RuntimeError> {
        let is_asked = |shortcut: &&Shortcut| matches!(shortcut.step, Step::Convolve(_));
        let wanted: Vec<NodeId> = wave.iter().filter(is_asked).map(|shortcut| shortcut.from).collect();
        let inputs = known.iter().map(|(id, value, _)| (*id, value.into())).collect();
        let mut asked = self.ask(inputs, &wanted, lane)?.into_iter();
        for Shortcut { from, to, until, step } in wave {
            let (value, kept) = match step {
                Step::Convolve(_) => (asked.next(), None),
                Step::Halve | Step::Double => {
                    let place = known.iter().position(|(id, _, _)| id == from);
                    place.map(|place| known.swap_remove(place)).map(|(_, value, until)| (value, until)).unzip()
                }
            };
            let value = value.ok_or_else(|| broken(&"a value is not there"))?;
            let (shape, mut values) = value.into_shape_vec::<f32, 4>().map_err(|error| broken(&error))?;
            let [n, n_channels, height, width] = shape;
            if shape.contains(&0) {
                return Err(RuntimeError(format!("a value of no numbers: {shape:?}")));
            }
            let made = match step {
                Step::Convolve(convolution) => {
                    let expected = convolution.taps.len();
                    if n_channels != expected {
                        return Err(RuntimeError(format!("a convolution of {expected} channels is given {shape:?}")));
                    }
                    convolution.apply(&mut values, (height, width));
                    (shape, std::mem::take(&mut values))
                }
                Step::Halve => ([n, n_channels, height / 2, width / 2], halve(&values, (height, width))),
                Step::Double => ([n, n_channels, 2 * height, 2 * width], double(&values, width)),
            };
            if let Some(until) = kept {
                known.push((*from, Value::from_shape(shape, values).map_err(|error| broken(&error))?, until));
            }
            known.push((*to, Value::from_shape(made.0, made.1).map_err(|error| broken(&error))?, *until));
        }
        Ok(())
    }

    /// Values of the model, computed by the runtime from others.
    fn ask(
        &self,
        inputs: Vec<(NodeId, ValueOrView<'_>)>,
        wanted: &[NodeId],
        lane: &Lane<'_>,
    ) -> Result<Vec<Value>, RuntimeError> {
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(lane)));
        self.model.run(inputs, wanted, Some(options)).map_err(|error| broken(&error))
    }
}

fn broken(error: &dyn std::fmt::Display) -> RuntimeError {
    RuntimeError(error.to_string())
}

/// The numbers of an output of one to four dimensions.
fn numbers(value: Value) -> Option<Output> {
    fn of_rank<const N: usize>(value: Value) -> Result<Output, Value> {
        let kept = value.clone();
        value
            .into_shape_vec::<f32, N>()
            .map(|(shape, values)| Output { shape: shape.to_vec(), values })
            .map_err(|_| kept)
    }
    of_rank::<3>(value).or_else(of_rank::<2>).or_else(of_rank::<4>).or_else(of_rank::<1>).ok()
}

/// Pools of one thread each: as many as there ever were calls at once.
///
/// The runtime splits its work over the pool it is given. One thread of its own a call makes calls independent, and
/// leaves it to the caller how many processors are used.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    free: Mutex<Vec<Arc<ThreadPool>>>,
}

impl Lanes {
    /// A lane for one call; a new one if all are taken.
    pub(super) fn enter(&self) -> Lane<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lane { lanes: self, pool: free.unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(1))) }
    }
}

/// A lane in use; dropped, it is free.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    lanes: &'a Lanes,
    pool: Arc<ThreadPool>,
}

impl Deref for Lane<'_> {
    type Target = Arc<ThreadPool>;

    fn deref(&self) -> &Self::Target {
        &self.pool
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.lanes.free.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.pool));
    }
}
