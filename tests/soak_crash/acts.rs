//! What a client does: one request at a time, of every kind that changes something.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::client::{Client, PAUSED_QUEUE};
use crate::job::{Asked, Expected, Job};
use crate::ledger::{Database, Effect, Face, Image};
use crate::world::{Broken, Gone, element, error, get, is_success, post};

/// The most jobs of one client that have not ended.
const MOST_OPEN: usize = 12;

/// The most databases of a kind of one client.
const MOST_DATABASES: usize = 3;

/// Dimensions of imported embeddings; each person has one to itself.
const PEOPLE: u32 = 16;

impl Client<'_> {
    /// Does one thing, by chance.
    pub(crate) fn act(&mut self) -> Result<(), Gone> {
        std::thread::sleep(std::time::Duration::from_micros(self.random.next() % 2_000)); // clients have other things to do
        let n_open = self.jobs.iter().filter(|job| job.is_open()).count();
        if self.random.one_in(3) {
            return self.poll_one();
        }
        let kinds = if n_open < MOST_OPEN { 16 } else { 9 };
        match self.random.below(kinds) {
            0 => self.create(),
            1 | 2 => self.add(),
            3 => self.note(),
            4 => self.remove_face(),
            5 if self.random.one_in(4) => self.remove_database(),
            6 if self.number == 0 => self.pause_or_resume_queue(),
            5..=8 => self.steer_one(),
            9 | 10 => self.cluster_still(),
            11 => self.cluster_own(),
            12 | 13 => self.import(),
            14 => self.train(),
            _ => self.build(),
        }
    }

    fn name(&mut self, kind: char) -> String {
        self.n_names += 1;
        format!("{kind}{}n{}", self.number, self.n_names)
    }

    /// A database of a kind by chance: `e` of embeddings, `p` of pictures. One with open jobs only if that is allowed.
    fn some(&mut self, kind: char, may_be_busy: bool) -> Option<(String, Database)> {
        let fits = |(name, database): (&String, &Option<Database>)| {
            let database = database.as_ref().filter(|database| name.starts_with(kind) && database.is_born)?;
            let is_busy = self
                .jobs
                .iter()
                .any(|job| job.is_open() && job.database == *name && (!may_be_busy || job.queue == "FaceClustering"));
            (!is_busy).then(|| (name.clone(), database.clone()))
        };
        let mut fitting: Vec<_> = self.databases.iter().filter_map(fits).collect();
        if fitting.is_empty() { None } else { Some(fitting.swap_remove(self.random.below(fitting.len()))) }
    }

    fn has_room(&self, kind: char) -> bool {
        self.databases.iter().filter(|(name, database)| name.starts_with(kind) && database.is_some()).count()
            < MOST_DATABASES
    }

    fn poll_one(&mut self) -> Result<(), Gone> {
        let open: Vec<usize> = (0..self.jobs.len()).filter(|&at| self.jobs[at].is_open()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let at = self.random.choose(&open);
        if self.jobs[at].paused != Asked::No && self.random.one_in(3) {
            return self.steer(at, "resume");
        }
        self.poll(at)
    }

    fn cluster_still(&mut self) -> Result<(), Gone> {
        let still = &self.stills[self.random.below(self.stills.len())];
        self.cluster(still.parameters, "still", Expected::Clusters(still.clusters))
    }

    /// Clusters a database that nobody changes meanwhile.
    fn cluster_own(&mut self) -> Result<(), Gone> {
        let kind = self.random.choose(&['e', 'p']);
        let Some((name, database)) = self.some(kind, false) else { return Ok(()) };
        if !database.effects.is_empty() || !database.untried(None).is_empty() || database.partition().is_empty() {
            return Ok(());
        }
        let parameters = format!("database={name}&clusterthreshold=80&maxresults=0");
        self.cluster(&parameters, &name, Expected::Partition(database.partition()))
    }

    fn cluster(&mut self, parameters: &str, name: &str, expected: Expected) -> Result<(), Gone> {
        let priority = self.random.below(101);
        let answer = get(self.address, &format!("FaceClustering&{parameters}&priority={priority}"))?;
        let Some(token) = element(&answer, "token").filter(|_| is_success(&answer)) else {
            self.world.fault(Broken::Server, answer);
            return Ok(());
        };
        self.world.count("acknowledged jobs");
        self.jobs.push(Job::new("FaceClustering", name, expected, token));
        Ok(())
    }

    /// Imports faces into a new database, or into one that is there.
    fn import(&mut self) -> Result<(), Gone> {
        let (name, mut database) = match self.some('e', false).filter(|_| self.random.one_in(2)) {
            Some(found) => found,
            None if self.has_room('e') => (self.name('e'), Database::default()),
            None => return Ok(()),
        };
        let most = if self.random.one_in(3) { 60 } else { 4 };
        let n_faces = 1 + self.random.below(most);
        let mut text = String::from("identifier,imagelabel");
        (0..PEOPLE).for_each(|at| write!(text, ",e{at}").unwrap());
        let (mut faces, mut n_images) = (BTreeMap::new(), 0);
        for _ in 0..n_faces {
            let (identifier, mut face) = (self.name('f'), Face::default());
            for label in 0..=self.random.below(5) {
                let person = self.random.below(PEOPLE as usize) as u32;
                write!(text, "\n{identifier},{label}").unwrap();
                (0..PEOPLE).for_each(|at| write!(text, ",{}", u32::from(at == person)).unwrap());
                face.images.insert(label.to_string(), image(Some(person), true, false));
                n_images += 1;
            }
            faces.insert(identifier, face);
        }
        text.push('\n');
        database.effects.push(Effect { token: None, faces });
        let target = format!("ImportFaceDatabase&database={name}");
        let job = ("ImportFaceDatabase", Expected::Import { n_faces, n_images });
        self.change(&name, Some(database), Some(job), |to| post(to, &target, "dbdata", &[text.as_bytes()]))
    }

    fn create(&mut self) -> Result<(), Gone> {
        if !self.has_room('p') {
            return Ok(());
        }
        let name = self.name('p');
        let database = Database { is_born: true, ..Database::default() };
        self.change(&name, Some(database), None, |to| get(to, &format!("CreateFaceDatabase&database={name}")))
    }

    /// Adds a face, and pictures to it.
    fn add(&mut self) -> Result<(), Gone> {
        let Some((name, mut database)) = self.some('p', true) else { return Ok(()) };
        let identifier = self.name('f');
        database.faces.insert(identifier.clone(), Face::default());
        let target = format!("NewFace&database={name}&identifier={identifier}");
        self.change(&name, Some(database.clone()), None, |to| get(to, &target))?;
        let (labels, chosen, images) = self.shots();
        // a job may have changed it meanwhile, but not this face
        let Some(Some(mut database)) = self.databases.get(&name).cloned() else { return Ok(()) };
        let Some(face) = database.faces.get_mut(&identifier) else { return Ok(()) };
        face.images = images;
        let target = format!("AddFaceImages&database={name}&identifier={identifier}&imagelabels={labels}");
        let pictures = self.pictures;
        let parts: Vec<&[u8]> = chosen.iter().map(|&at| &pictures[at][..]).collect();
        self.change(&name, Some(database), None, |to| post(to, &target, "imagedata", &parts))
    }

    /// Some pictures: their labels, their numbers, and what becomes of them. The first shows somebody.
    fn shots(&mut self) -> (String, Vec<usize>, BTreeMap<String, Image>) {
        let n = 1 + self.random.below(3);
        let nobody = self.pictures.len() - 1;
        let chosen: Vec<usize> =
            (0..n).map(|at| self.random.below(if at == 0 { nobody } else { nobody + 1 })).collect();
        let labels: Vec<String> = (1..=n).map(|label| label.to_string()).collect();
        let person = |at: usize| (at < nobody).then_some(at as u32);
        let images = labels.iter().zip(&chosen).map(|(label, &at)| (label.clone(), image(person(at), false, true)));
        (labels.join(","), chosen.clone(), images.collect())
    }

    fn train(&mut self) -> Result<(), Gone> {
        let Some((name, mut database)) = self.some('p', true) else { return Ok(()) };
        let identifier = self.name('f');
        let (labels, chosen, mut images) = self.shots();
        for image in images.values_mut() {
            image.is_done = true;
        }
        let n_trained = images.values().filter(|image| image.person.is_some()).count();
        let job = ("TrainFace", Expected::Train { n_images: images.len(), n_trained });
        let face = Face { images, metadata: BTreeMap::from([("by".to_owned(), "job".to_owned())]) };
        database.effects.push(Effect { token: None, faces: BTreeMap::from([(identifier.clone(), face)]) });
        let target = format!("TrainFace&database={name}&identifier={identifier}&imagelabels={labels}&metadata=by:job");
        let pictures = self.pictures;
        let parts: Vec<&[u8]> = chosen.iter().map(|&at| &pictures[at][..]).collect();
        self.change(&name, Some(database), Some(job), |to| post(to, &target, "imagedata", &parts))
    }

    fn build(&mut self) -> Result<(), Gone> {
        let Some((name, database)) = self.some('p', false) else { return Ok(()) };
        let face = database.untried(None).pop().map(|(face, _)| face).filter(|_| self.random.one_in(2));
        let images = database.untried(face.as_deref());
        let (queue, target) = match face {
            Some(face) => ("BuildFace", format!("BuildFace&database={name}&identifier={face}")),
            None => ("BuildAllFaces", format!("BuildAllFaces&database={name}&numparallel=2")),
        };
        self.change(&name, Some(database), Some((queue, Expected::Build(images))), |to| get(to, &target))
    }

    /// Adds metadata to a face.
    fn note(&mut self) -> Result<(), Gone> {
        let kind = self.random.choose(&['e', 'p']);
        let Some((name, mut database)) = self.some(kind, true) else { return Ok(()) };
        let key = self.name('k');
        let Some((identifier, face)) = database.faces.iter_mut().next() else { return Ok(()) };
        face.metadata.insert(key.clone(), "v".to_owned());
        let target = format!("AddFaceMetadata&database={name}&identifier={identifier}&key={key}&value=v");
        self.change(&name, Some(database), None, |to| get(to, &target))
    }

    /// Removes a face, or gives it another name.
    fn remove_face(&mut self) -> Result<(), Gone> {
        let kind = self.random.choose(&['e', 'p']);
        let Some((name, mut database)) = self.some(kind, false) else { return Ok(()) };
        let Some((identifier, face)) = database.faces.pop_first() else { return Ok(()) };
        let mut target = format!("RemoveFace&database={name}&identifier={identifier}");
        if self.random.one_in(2) {
            let new = self.name('f');
            target = format!("RenameFace&database={name}&identifier={identifier}&newidentifier={new}");
            database.faces.insert(new, face);
        }
        self.change(&name, Some(database), None, |to| get(to, &target))
    }

    fn remove_database(&mut self) -> Result<(), Gone> {
        let kind = self.random.choose(&['e', 'p']);
        let Some((name, _)) = self.some(kind, false) else { return Ok(()) };
        self.change(&name, None, None, |to| get(to, &format!("RemoveFaceDatabase&database={name}")))
    }

    fn pause_or_resume_queue(&mut self) -> Result<(), Gone> {
        let (action, will) = match self.queue_paused {
            Asked::No => ("pause", Asked::Yes),
            _ => ("resume", Asked::No),
        };
        self.queue_paused = Asked::Perhaps;
        let answer = get(self.address, &format!("QueueInfo&QueueName={PAUSED_QUEUE}&QueueAction={action}"))?;
        self.world.count("acknowledged wishes");
        if !is_success(&answer) {
            self.world.fault(Broken::Server, answer);
        }
        self.queue_paused = will;
        Ok(())
    }

    fn steer_one(&mut self) -> Result<(), Gone> {
        let open: Vec<usize> = (0..self.jobs.len()).filter(|&at| self.jobs[at].is_open()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let at = self.random.choose(&open);
        let wish = self.random.choose(&["pause", "resume", "changePriority", "duplicate", "cancel", "stop"]);
        if wish == "duplicate" {
            return self.duplicate(at);
        }
        self.steer(at, wish)
    }

    /// A second job of the same; only of clusterings, for others find that all is done.
    fn duplicate(&mut self, at: usize) -> Result<(), Gone> {
        let job = self.jobs[at].clone();
        if job.queue != "FaceClustering" {
            return Ok(());
        }
        let target = format!("QueueInfo&QueueName={}&QueueAction=duplicate&Token={}", job.queue, job.token);
        let answer = get(self.address, &target)?;
        if let Some(token) = element(&answer, "token").filter(|_| is_success(&answer)) {
            self.world.count("acknowledged jobs");
            self.jobs.push(Job::new(job.queue, &job.database, job.expected, token));
        }
        Ok(())
    }

    /// Tells a job something. That it is refused because the job has got further is an answer too.
    pub(crate) fn steer(&mut self, at: usize, wish: &str) -> Result<(), Gone> {
        let priority = self.random.below(101);
        let job = &mut self.jobs[at];
        let before = (job.paused, job.ended_early);
        match wish {
            "pause" | "resume" => job.paused = Asked::Perhaps,
            "cancel" | "stop" if job.ended_early == Asked::No => job.ended_early = Asked::Perhaps,
            _ => {}
        }
        let target =
            format!("QueueInfo&QueueName={}&QueueAction={wish}&Token={}&Priority={priority}", job.queue, job.token);
        let answer = get(self.address, &target)?;
        match (is_success(&answer), wish) {
            (true, "pause") => (job.paused, job.paused_in) = (Asked::Yes, self.start),
            (true, "resume") => job.paused = Asked::No,
            (true, "cancel" | "stop") => job.ended_early = Asked::Yes,
            (true, _) => {}
            (false, _) => {
                (job.paused, job.ended_early) = before;
                if error(&answer) != Some(52) {
                    let text = format!("{wish} of {} of {}: {answer}", job.token, job.queue);
                    self.world.fault(Broken::Lost, text);
                }
            }
        }
        self.world.count("acknowledged wishes");
        Ok(())
    }
}

fn image(person: Option<u32>, is_done: bool, has_picture: bool) -> Image {
    Image { person, is_done, has_picture }
}
