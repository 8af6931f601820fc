//! A client that does what clients do, keeps a ledger of what it was told, and looks at everything behind every start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::job::{Asked, Expected, Job, checksum, has_ended};
use crate::ledger::{Database, shown, take};
use crate::random::Random;
use crate::world::{Broken, Gone, World, element, error, get, is_success};

/// The longest that all jobs may take to end when nobody kills the server any more.
const TO_THE_END: Duration = Duration::from_mins(2);

/// Faces that a listing shows as they are at one moment. Of a change that comes while a longer one is answered it may show
/// a part.
const ONE_MOMENT: usize = 256;

/// What all clients cluster again and again: the request, and the checksum of its clusters.
pub(crate) struct Still {
    pub(crate) parameters: &'static str,
    pub(crate) clusters: u64,
}

/// A request that was sent and not answered yet.
struct InFlight {
    database: String,
    after: Option<Database>,
    job: Option<(&'static str, Expected)>,
}

pub(crate) struct Client<'a> {
    pub(crate) number: usize,
    pub(crate) world: &'a World,
    pub(crate) random: Random,
    pub(crate) stills: &'a [Still],
    /// Pictures of people, and the last of nobody.
    pub(crate) pictures: &'a [Vec<u8>],
    pub(crate) address: SocketAddr,
    pub(crate) databases: BTreeMap<String, Option<Database>>,
    pub(crate) jobs: Vec<Job>,
    /// How many names it has made.
    pub(crate) n_names: u32,
    /// Whether it has paused the queue that is its own to pause.
    pub(crate) queue_paused: Asked,
    /// Which start of the server it talks to.
    pub(crate) start: u64,
    in_flight: Option<InFlight>,
}

/// The queue that the first client pauses and resumes.
pub(crate) const PAUSED_QUEUE: &str = "TrainFace";

impl<'a> Client<'a> {
    pub(crate) fn new(
        number: usize,
        seed: u64,
        world: &'a World,
        stills: &'a [Still],
        pictures: &'a [Vec<u8>],
    ) -> Self {
        Self {
            number,
            world,
            random: Random::of(seed, 1 + number as u64),
            stills,
            pictures,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            databases: BTreeMap::new(),
            jobs: Vec::new(),
            n_names: 0,
            queue_paused: Asked::No,
            start: 0,
            in_flight: None,
        }
    }

    /// Asks until the server is not killed any more, and then waits for the end of everything. How many pictures it has.
    pub(crate) fn run(mut self) -> usize {
        let mut known = 0;
        while let Some((start, address, is_last)) = self.world.server() {
            (self.address, self.start) = (address, start);
            let mut outcome = if start == known { Ok(()) } else { self.look_around() };
            if outcome.is_ok() {
                known = start;
                outcome = if is_last { self.finish() } else { self.act() };
                if is_last && outcome.is_ok() {
                    break;
                }
            }
            if outcome.is_err() && is_last {
                self.world
                    .fault(Broken::Server, "a request was not answered although nobody killed the server".to_owned());
                break;
            }
            if outcome.is_err() {
                self.world.leave(start);
            }
        }
        let faces = self.databases.values().flatten().flat_map(|database| database.faces.values());
        faces.flat_map(|face| face.images.values()).filter(|image| image.has_picture).count()
    }

    /// Sends a request that changes a database, perhaps by a job. What it leads to is known when it is answered; until
    /// then it may have happened or not.
    pub(crate) fn change(
        &mut self,
        database: &str,
        after: Option<Database>,
        job: Option<(&'static str, Expected)>,
        send: impl FnOnce(SocketAddr) -> Result<String, Gone>,
    ) -> Result<(), Gone> {
        self.in_flight = Some(InFlight { database: database.to_owned(), after, job });
        let answer = send(self.address)?;
        let flight = self.in_flight.take().expect("it was put there");
        self.world.count("acknowledged requests");
        if !is_success(&answer) {
            self.world.fault(Broken::Server, format!("a change of {database} was refused: {answer}"));
            return Ok(());
        }
        let token = element(&answer, "token").map(str::to_owned);
        self.adopt(flight, token);
        Ok(())
    }

    /// It happened; if it is a job, this is its token.
    fn adopt(&mut self, flight: InFlight, token: Option<String>) {
        let InFlight { database, mut after, job } = flight;
        if let (Some((queue, expected)), Some(token)) = (job, token) {
            let effects = after.iter_mut().flat_map(|after| &mut after.effects);
            effects.filter(|effect| effect.token.is_none()).for_each(|effect| effect.token = Some(token.clone()));
            self.jobs.push(Job::new(queue, &database, expected, &token));
            self.world.count("acknowledged jobs");
        }
        self.databases.insert(database, after);
    }

    /// Looks at all that was acknowledged, behind a start.
    fn look_around(&mut self) -> Result<(), Gone> {
        self.resolve()?;
        let names: Vec<String> = self.databases.keys().cloned().collect();
        names.iter().try_for_each(|name| self.refresh(name))?;
        if self.queue_paused != Asked::No || self.number == 0 {
            self.look_at_queue()?;
        }
        for at in 0..self.jobs.len() {
            if self.jobs[at].is_open() {
                self.poll(at)?;
            }
        }
        for _ in 0..self.jobs.len().min(5) {
            let at = self.random.below(self.jobs.len());
            self.poll(at)?;
        }
        self.world.count("audits behind a start");
        Ok(())
    }

    /// Finds out whether the request that was in flight at the kill was done.
    fn resolve(&mut self) -> Result<(), Gone> {
        let Some(flight) = &self.in_flight else { return Ok(()) };
        let name = flight.database.clone();
        if let Some((queue, _)) = &flight.job
            && let Some(token) = self.unknown_job(queue, &name)?
        {
            let flight = self.in_flight.take().expect("it is there");
            self.adopt(flight, Some(token));
            return Ok(());
        }
        let seen = shown(&self.list(&name)?);
        let flight = self.in_flight.take().expect("it is there");
        let before = self.databases.get(&name).cloned().flatten();
        let mut after = flight.after;
        // a job that nobody knows has ended, and its faces are there, or it was never accepted
        let is_open = |database: &Database| database.effects.iter().any(|effect| effect.token.is_none());
        let happened = take(&mut after, seen.as_ref()).is_ok() && !after.as_ref().is_some_and(is_open);
        self.databases.insert(name, if happened { after } else { before });
        Ok(())
    }

    /// A job of a queue on a database that has not ended and that this client was not told of.
    fn unknown_job(&self, queue: &str, database: &str) -> Result<Option<String>, Gone> {
        let answer = get(self.address, &format!("QueueInfo&QueueName={queue}&QueueAction=getActionParameters"))?;
        let is_on = format!("<name>database</name><value>{database}</value>");
        let actions = answer.split("<action><status>").skip(1).filter(|action| action.contains(&is_on));
        let mut tokens = actions.filter_map(|action| element(action, "token"));
        Ok(tokens.find(|token| self.jobs.iter().all(|job| job.token != *token)).map(str::to_owned))
    }

    fn list(&self, database: &str) -> Result<String, Gone> {
        get(self.address, &format!("ListFaces&database={database}&imagestatus=true&metadata=true"))
    }

    /// Compares a database with the ledger.
    pub(crate) fn refresh(&mut self, name: &str) -> Result<(), Gone> {
        let seen = shown(&self.list(name)?);
        let known = self.databases.entry(name.to_owned()).or_default();
        let Err(text) = take(known, seen.as_ref()) else { return Ok(()) };
        let n_faces = seen.map_or(0, |seen| seen.len());
        if n_faces > ONE_MOMENT {
            self.world.count("long listings taken again");
            let again = shown(&self.list(name)?);
            let known = self.databases.entry(name.to_owned()).or_default();
            if take(known, again.as_ref()).is_ok() {
                return Ok(());
            }
        }
        self.world.fault(Broken::Faces, format!("{name}, {n_faces} faces: {text}"));
        Ok(())
    }

    fn look_at_queue(&mut self) -> Result<(), Gone> {
        let answer = get(self.address, &format!("QueueInfo&QueueName={PAUSED_QUEUE}&QueueAction=queueStatus"))?;
        let is_paused = element(&answer, "paused") == Some("true");
        match (self.queue_paused, is_paused) {
            (Asked::Yes, false) | (Asked::No, true) => {
                self.world.fault(Broken::Lost, format!("the queue is paused: {is_paused}, and should not be so"));
            }
            _ => {}
        }
        self.queue_paused = if is_paused { Asked::Yes } else { Asked::No };
        Ok(())
    }

    /// Asks how a job is, and judges the answer.
    pub(crate) fn poll(&mut self, at: usize) -> Result<(), Gone> {
        let job = &self.jobs[at];
        let target = format!("QueueInfo&QueueName={}&QueueAction=getStatus&Token={}", job.queue, job.token);
        let answer = get(self.address, &target)?;
        let Some(status) = element(&answer, "status").filter(|_| is_success(&answer)).map(str::to_owned) else {
            let (kind, text) = (Broken::Lost, format!("{} of {}: {:?}", job.token, job.queue, error(&answer)));
            self.world.fault(kind, text);
            self.jobs.remove(at);
            return Ok(());
        };
        let now = (status.clone(), checksum(&answer));
        if let Some(before) = &job.ended {
            if *before != now {
                let text = format!("{} of {} was {before:?} and is {now:?}", job.token, job.queue);
                self.world.fault(Broken::Second, text);
            }
            return Ok(());
        }
        if let Some(text) = job.wrong_state(&status, job.queue == PAUSED_QUEUE, self.start) {
            let error = element(&answer, "error").unwrap_or_default();
            self.world.fault(Broken::Lost, format!("{text} {error}"));
        }
        let job = &mut self.jobs[at];
        if job.paused == Asked::Perhaps {
            job.paused = if status == "Paused" { Asked::Yes } else { Asked::No };
        }
        if has_ended(&status) {
            job.ended = Some(now);
            self.judge(at, &status, &answer)?;
        }
        Ok(())
    }

    /// Looks at what a job that has ended has left.
    fn judge(&mut self, at: usize, status: &str, answer: &str) -> Result<(), Gone> {
        let job = self.jobs[at].clone();
        let is_finished = status == "Finished";
        self.world.count(if is_finished { "jobs seen Finished" } else { "jobs seen Stopped or Cancelled" });
        if let Some(text) = job.wrong_result(answer).filter(|_| is_finished) {
            self.world.fault(Broken::Differs, text);
        }
        if !self.databases.contains_key(&job.database) {
            return Ok(());
        }
        let n_before = self.effects_of(&job);
        if let Err(gone) = self.refresh(&job.database) {
            self.jobs[at].ended = None; // it is judged behind the next start
            return Err(gone);
        }
        let n_after = self.effects_of(&job);
        if is_finished && n_after > 0 {
            self.world.fault(Broken::Faces, format!("{} is Finished, and its faces are not there", job.token));
        }
        if !is_finished && n_after < n_before {
            self.world.fault(Broken::Faces, format!("{} is {status}, and its faces are there", job.token));
        }
        let Some(Some(database)) = self.databases.get_mut(&job.database) else { return Ok(()) };
        database.effects.retain(|effect| effect.token.as_ref() != Some(&job.token));
        if let (true, Expected::Build(images)) = (is_finished, &job.expected) {
            let untried = database.untried(None);
            if let Some(image) = images.iter().find(|image| untried.contains(image)) {
                self.world.fault(Broken::Faces, format!("{} is Finished, and {image:?} was not tried", job.token));
            }
        }
        if !database.is_born && database.effects.is_empty() {
            self.databases.insert(job.database, None);
        }
        Ok(())
    }

    fn effects_of(&self, job: &Job) -> usize {
        let database = self.databases.get(&job.database).and_then(Option::as_ref);
        let effects = database.into_iter().flat_map(|database| &database.effects);
        effects.filter(|effect| effect.token.as_ref() == Some(&job.token)).count()
    }

    /// Lets everything go on, waits until every job has ended, and looks at everything once more.
    fn finish(&mut self) -> Result<(), Gone> {
        if self.queue_paused == Asked::Yes {
            get(self.address, &format!("QueueInfo&QueueName={PAUSED_QUEUE}&QueueAction=resume"))?;
            self.queue_paused = Asked::No;
        }
        let begun = Instant::now();
        while let Some(at) = self.jobs.iter().position(Job::is_open) {
            if self.jobs[at].paused != Asked::No {
                self.steer(at, "resume")?;
            }
            self.poll(at)?;
            if begun.elapsed() > TO_THE_END {
                let stuck: Vec<_> =
                    self.jobs.iter().filter(|job| job.is_open()).map(|job| (job.queue, &job.token)).collect();
                self.world.fault(Broken::Stuck, format!("{stuck:?} have not ended"));
                break;
            }
            std::thread::sleep(Duration::from_millis(2)); // between two polls
        }
        let names: Vec<String> = self.databases.keys().cloned().collect();
        names.iter().try_for_each(|name| self.refresh(name))?;
        (0..self.jobs.len()).try_for_each(|at| self.poll(at))
    }
}
