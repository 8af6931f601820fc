//! Clients that steer jobs and queues, in any order and with restarts in between, against a model of a few lines.

use std::thread::JoinHandle;

use proptest::prelude::*;

use super::*;
use crate::engine::orders::Order;
use crate::engine::start::Started;
use crate::job::Event;

/// What happens. Jobs are named by their number in the order of acceptance, modulo how many there are.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Submit,
    Start,
    Cancel(usize),
    Stop(usize),
    Pause(usize),
    Resume(usize),
    Priority(usize, u64),
    Duplicate(usize),
    StopAll,
    PauseQueue,
    ResumeQueue,
    /// The work of a job that is told to pause waits.
    Rest(usize),
    /// The work of a job is done, whatever it was told.
    Finish(usize),
    Shutdown,
    Kill,
}

fn happens() -> impl Strategy<Value = Happens> {
    use Happens as H;
    let job = 0..6usize;
    prop_oneof![
        4 => Just(H::Submit),
        6 => Just(H::Start),
        1 => job.clone().prop_map(H::Cancel),
        2 => job.clone().prop_map(H::Stop),
        4 => job.clone().prop_map(H::Pause),
        3 => job.clone().prop_map(H::Resume),
        2 => (job.clone(), 0..3u64).prop_map(|(job, priority)| H::Priority(job, 49 + priority)),
        1 => job.clone().prop_map(H::Duplicate),
        1 => Just(H::StopAll),
        1 => Just(H::PauseQueue),
        2 => Just(H::ResumeQueue),
        4 => job.clone().prop_map(H::Rest),
        2 => job.prop_map(H::Finish),
        1 => Just(H::Shutdown),
        2 => Just(H::Kill),
    ]
}

/// A job as the contract speaks of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Model {
    state: State,
    priority: u64,
    /// Paused, and whether with its queue.
    paused: Option<bool>,
    /// Starts in a row that are held against it.
    attempts: u32,
    is_suspect: bool,
}

impl Model {
    fn new(priority: u64) -> Self {
        Self { state: State::Queued, priority, paused: None, attempts: 0, is_suspect: false }
    }

    fn is_at_work(&self) -> bool {
        matches!(self.state, State::Processing | State::Pausing | State::Resting | State::Stopping)
    }

    fn end(&mut self, state: State) {
        (self.state, self.is_suspect, self.paused) = (state, false, None);
    }

    /// Whether a client may ask for this, and if so what becomes of it.
    fn stop(&mut self) -> bool {
        match self.state {
            State::Queued | State::Held => self.end(State::Cancelled),
            State::Resting => self.end(State::Stopped),
            State::Processing | State::Pausing | State::Stopping => (self.state, self.paused) = (State::Stopping, None),
            _ => return false,
        }
        true
    }

    fn pause(&mut self, with_queue: bool) -> bool {
        match self.state {
            State::Queued => self.state = State::Held,
            State::Processing => self.state = State::Pausing,
            State::Held | State::Pausing | State::Resting => {}
            State::Stopping => return true,
            _ => return false,
        }
        self.paused = Some(with_queue && self.paused != Some(false));
        true
    }

    fn resume(&mut self) -> bool {
        match self.state {
            State::Held => self.state = State::Queued,
            State::Pausing | State::Resting => self.state = State::Processing,
            State::Queued | State::Processing | State::Stopping => {}
            _ => return false,
        }
        self.paused = None;
        true
    }
}

/// The model of the queue.
#[derive(Debug, Default)]
struct Queued {
    jobs: Vec<Model>,
    is_paused: bool,
}

impl Queued {
    /// The job that is to start now.
    fn next(&self) -> Option<usize> {
        let n_resting = self.jobs.iter().filter(|job| job.state == State::Resting).count();
        if self.is_paused || n_resting >= MAX_JOBS {
            return None;
        }
        let is_busy = |job: &Model| job.is_at_work() && job.state != State::Resting;
        let in_doubt = self.jobs.iter().any(|job| job.is_suspect && (is_busy(job) || job.state == State::Queued));
        let n_at_work = self.jobs.iter().filter(|job| job.is_at_work()).count();
        if (in_doubt && self.jobs.iter().any(is_busy)) || (!in_doubt && n_at_work >= MAX_JOBS) {
            return None;
        }
        let waiting = self.jobs.iter().enumerate();
        let waiting = waiting.filter(|(_, job)| job.state == State::Queued && (!in_doubt || job.is_suspect));
        waiting.min_by_key(|&(order, job)| (std::cmp::Reverse(job.priority), order)).map(|(order, _)| order)
    }

    /// The process ends: with a shutdown, or without a word.
    fn end(&mut self, is_clean: bool, max_attempts: u32) {
        for job in &mut self.jobs {
            if job.state == State::Stopping {
                job.end(State::Stopped);
            } else if job.is_at_work() {
                let is_paused = job.paused.is_some();
                job.state = if is_paused { State::Held } else { State::Queued };
                if is_clean {
                    job.attempts = 0;
                } else if is_paused {
                    job.attempts -= 1;
                } else if job.attempts >= max_attempts {
                    job.end(State::Error);
                }
            }
            job.is_suspect = !job.state.is_ended() && job.attempts > 0;
        }
    }
}

/// An engine with the runs of its jobs, which do nothing but what they are told.
struct World {
    folder: TempDir,
    store: Arc<Mortal>,
    engine: Arc<Engine>,
    tokens: Vec<Token>,
    runs: BTreeMap<Token, Arc<Started>>,
    resting: BTreeMap<Token, JoinHandle<Option<Order>>>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Mortal::with(Map::new(), u64::MAX);
        let engine = open(&store, few_at_work(&folder));
        Self { folder, store, engine, tokens: Vec::new(), runs: BTreeMap::new(), resting: BTreeMap::new() }
    }

    /// Joins the threads that were woken; a run that is told to end does so if it was at rest.
    fn wake(&mut self) {
        let woken: Vec<Token> =
            (self.resting.keys().copied()).filter(|token| !self.runs[token].control.orders.is_resting()).collect();
        for token in woken {
            if let Some(order) = self.resting.remove(&token).unwrap().join().unwrap() {
                self.leave(token, if order == Order::Stop { Event::Halt } else { Event::Release });
            }
        }
    }

    fn leave(&mut self, token: Token, event: Event) {
        self.runs.remove(&token);
        self.engine.end(token, event, None, Batch::new()).unwrap();
    }

    fn restart(&mut self, is_clean: bool) {
        let engine = Arc::clone(&self.engine);
        if is_clean {
            engine.release_all();
            self.wake();
            for token in self.runs.keys().copied().collect::<Vec<_>>() {
                self.leave(token, Event::Release);
            }
        }
        let left = self.store.map();
        if !is_clean {
            engine.release_all(); // only to wake its threads: the store of the dead is not looked at again
            self.runs.clear();
            for (_, thread) in std::mem::take(&mut self.resting) {
                thread.join().unwrap();
            }
        }
        self.store = Mortal::with(left, u64::MAX);
        self.engine = open(&self.store, few_at_work(&self.folder));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn r72_r86_whatever_clients_ask_and_however_often_it_restarts_the_queue_is_what_the_model_says(
        story in proptest::collection::vec(happens(), 1..60),
    ) {
        use Happens as H;
        let (mut world, mut model) = (World::new(), Queued::default());
        let max_attempts = world.engine.settings.max_attempts;
        for (at, what) in story.into_iter().enumerate() {
            let pick = |job: usize| job % model.jobs.len().max(1);
            let chosen = match what {
                H::Cancel(job) | H::Stop(job) | H::Pause(job) | H::Resume(job) | H::Priority(job, _)
                | H::Duplicate(job) | H::Rest(job) | H::Finish(job) if !model.jobs.is_empty() => Some(pick(job)),
                H::Submit | H::Start | H::StopAll | H::PauseQueue | H::ResumeQueue | H::Shutdown | H::Kill => None,
                _ => continue,
            };
            let engine = Arc::clone(&world.engine);
            let token = chosen.map(|job| world.tokens[job]);
            let mut no_job = Model::new(0);
            let job = chosen.map_or(&mut no_job, |job| &mut model.jobs[job]);
            match (what, token) {
                (H::Cancel(_), Some(token)) => {
                    let is_possible = job.state.is_waiting();
                    if is_possible {
                        job.end(State::Cancelled);
                    }
                    prop_assert_eq!(engine.cancel(QUEUE, token).is_ok(), is_possible);
                }
                (H::Stop(_), Some(token)) => prop_assert_eq!(engine.stop(QUEUE, token).is_ok(), job.stop()),
                (H::Pause(_), Some(token)) => prop_assert_eq!(engine.pause(QUEUE, token).is_ok(), job.pause(false)),
                (H::Resume(_), Some(token)) => prop_assert_eq!(engine.resume(QUEUE, token).is_ok(), job.resume()),
                (H::Priority(_, priority), Some(token)) => {
                    let is_possible = job.state.is_waiting();
                    if is_possible {
                        job.priority = priority;
                    }
                    let priority = Priority::new(priority).unwrap();
                    prop_assert_eq!(engine.change_priority(QUEUE, token, priority).is_ok(), is_possible);
                }
                (H::Duplicate(_), Some(token)) => {
                    let (is_possible, priority) = (!job.state.is_ended(), job.priority);
                    let copy = engine.duplicate(QUEUE, token);
                    prop_assert_eq!(copy.is_ok(), is_possible);
                    if let Ok(copy) = copy {
                        world.tokens.push(copy);
                        model.jobs.push(Model::new(priority));
                    }
                }
                (H::Rest(_), Some(token)) if job.state == State::Pausing => {
                    job.state = State::Resting;
                    let run = Arc::clone(&world.runs[&token]);
                    world.resting.insert(token, std::thread::spawn(move || run.control.orders.obey()));
                    until("it rests", || world.runs[&token].control.orders.is_resting());
                }
                (H::Finish(_), Some(token)) if job.is_at_work() && job.state != State::Resting => {
                    let event = if job.state == State::Stopping { Event::Halt } else { Event::Finish };
                    job.end(if job.state == State::Stopping { State::Stopped } else { State::Finished });
                    world.leave(token, event);
                }
                (H::Submit, _) => {
                    world.tokens.push(engine.submit(Ticket::default(), cluster_all()).unwrap());
                    model.jobs.push(Model::new(50));
                }
                (H::Start, _) => {
                    let started = engine.start_next().unwrap();
                    let next = model.next();
                    prop_assert_eq!(started.as_ref().map(|run| run.token), next.map(|job| world.tokens[job]), "at {}", at);
                    if let (Some(started), Some(next)) = (started, next) {
                        model.jobs[next].state = State::Processing;
                        model.jobs[next].attempts += 1;
                        world.runs.insert(started.token, Arc::new(started));
                    }
                }
                (H::StopAll, _) => {
                    let n_at_work = model.jobs.iter().filter(|job| job.is_at_work()).count();
                    model.jobs.iter_mut().filter(|job| job.is_at_work()).for_each(|job| _ = job.stop());
                    prop_assert_eq!(engine.stop_all(QUEUE).unwrap().len(), n_at_work);
                }
                (H::PauseQueue, _) => {
                    model.is_paused = true;
                    model.jobs.iter_mut().filter(|job| job.is_at_work()).for_each(|job| _ = job.pause(true));
                    engine.pause_queue(QUEUE).unwrap();
                }
                (H::ResumeQueue, _) => {
                    model.is_paused = false;
                    let with_queue = model.jobs.iter_mut().filter(|job| job.paused == Some(true));
                    let resumed = with_queue.map(Model::resume).count();
                    prop_assert_eq!(engine.resume_queue(QUEUE).unwrap().len(), resumed);
                }
                (H::Shutdown | H::Kill, _) => {
                    let is_clean = matches!(what, H::Shutdown);
                    world.restart(is_clean);
                    model.end(is_clean, max_attempts);
                }
                _ => {}
            }
            drop(engine);
            world.wake();
            let shown: Vec<_> = world.engine.jobs(QUEUE).into_iter().map(|job| (job.token, job.state, job.priority)).collect();
            let expected: Vec<_> = (world.tokens.iter().zip(&model.jobs))
                .map(|(&token, job)| (token, job.state, Priority::new(job.priority).unwrap()))
                .collect();
            prop_assert_eq!(shown, expected, "after {:?}, number {}", what, at);
            let figures = world.engine.figures(QUEUE);
            prop_assert_eq!(figures.is_paused, model.is_paused);
            prop_assert_eq!(figures.running, model.jobs.iter().filter(|job| job.is_at_work()).count());
            let n_open = model.jobs.iter().filter(|job| !job.state.is_ended()).count();
            prop_assert_eq!(world.engine.lock_jobs().n_open(QUEUE), n_open, "what is counted is what is there");
        }
        world.restart(true); // so that no thread is left
    }
}
