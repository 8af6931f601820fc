//! The identity audit as it is kept: as long as its result, the same behind a restart, and never other than it was found.

use super::*;
use crate::cluster::audit::{Identities, Kind};
use crate::store::{Disk, keys};

/// People around a direction each; one image of the first is filed under the second, and one of the third is there twice.
fn filed() -> String {
    let row = |identifier: &str, label: u32, direction: usize| {
        let mut values = [0.0; 9];
        (values[direction], values[4 + label as usize % 5]) = (1.0, 0.4);
        format!("{{\"identifier\":\"{identifier}\",\"imagelabel\":\"{label}\",\"embedding\":{values:?}}}\n")
    };
    let of = |identifier: &str, labels: std::ops::Range<u32>, direction| -> String {
        labels.map(|label| row(identifier, label, direction)).collect()
    };
    [of("ann", 0..3, 0), of("bob", 0..3, 1), of("bob", 3..4, 0), of("cid", 0..3, 2), of("cid", 5..6, 2)].concat()
}

fn clustered(engine: &Engine, ticket: Ticket) -> JobView {
    let task = ClusterTask { cluster_threshold: 7_500, ..ClusterTask::default() };
    let token = engine.submit(ticket, Task::Cluster(task)).unwrap();
    work_all(engine);
    engine.job(Queue::FaceClustering, token).unwrap()
}

fn audited(engine: &Engine) -> JobView {
    clustered(engine, Ticket { audits: true, ..Ticket::default() })
}

/// What the audit of a job found, a line each; none if it has no audit.
fn findings(engine: &Engine, job: &JobView) -> Result<Option<Vec<String>>, EngineError> {
    let Some(JobResult::Clustering(outcome)) = job.result() else { panic!("{job:?}") };
    let Some(mut reader) = engine.read_audit(job.token, outcome)? else { return Ok(None) };
    let ids = reader.take_names();
    let identities = Identities::new(&ids);
    let mut lines = vec![format!("{:?}", reader.chance())];
    while let Some(finding) = reader.next_finding()? {
        let (kind, reason) = (finding.case.kind(), finding.reason(&ids, &identities));
        lines.push(format!("{kind} {} {} {reason}", finding.score, finding.id(&ids, &identities)));
    }
    Ok(Some(lines))
}

fn n_of(lines: &[String], kind: Kind) -> usize {
    lines.iter().filter(|line| line.starts_with(&format!("{kind} "))).count()
}

/// The keys of a store that are about a job's result or audit.
fn left_of(store: &Mortal, token: Token) -> Vec<String> {
    let is_of = |key: &Vec<u8>| matches!(key[0], b'r' | b'z') && keys::token(key).unwrap() == token;
    store.map().into_keys().filter(is_of).map(|key| keys::printable(&key)).collect()
}

#[test]
fn an_audit_is_the_same_behind_a_restart_and_of_a_job_that_asked_for_none_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(settings(&folder)).unwrap();
    import(&engine, "people", &filed()).unwrap();
    work_all(&engine);
    let (job, plain) = (audited(&engine), clustered(&engine, Ticket::default()));
    let before = findings(&engine, &job).unwrap().unwrap();
    assert_eq!((n_of(&before, Kind::Misfiled), n_of(&before, Kind::Duplicates)), (1, 1), "{before:#?}");
    assert_eq!(findings(&engine, &plain).unwrap(), None);
    assert_eq!(result_text(&engine, job.token), result_text(&engine, plain.token), "R168: clusters do not change");
    let tokens = (job.token, plain.token);
    drop((job, plain, engine));
    let engine = Engine::open(settings(&folder)).unwrap();
    let view = |token| engine.job(Queue::FaceClustering, token).unwrap();
    assert_eq!(findings(&engine, &view(tokens.0)).unwrap(), Some(before));
    assert_eq!(findings(&engine, &view(tokens.1)).unwrap(), None);
}

#[test]
fn r168_an_audit_stays_as_long_as_its_result_is_shown_and_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || Settings { retention: Retention { age: Duration::MAX, count: 1 }, ..settings(&folder) };
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings());
    import(&engine, "people", &filed()).unwrap();
    work_all(&engine);
    let shown = audited(&engine);
    let before = findings(&engine, &shown).unwrap();
    let next = audited(&engine).token;
    assert!(engine.job(Queue::FaceClustering, shown.token).is_none(), "it is forgotten");
    assert_eq!(findings(&engine, &shown).unwrap(), before, "whoever asked before is answered");
    // a kill in the meantime leaves the rest to the next start
    let killed = Mortal::with(store.map(), u64::MAX);
    let again = open(&killed, settings());
    assert_eq!(left_of(&killed, shown.token), [] as [&str; 0]);
    assert!(findings(&again, &again.job(Queue::FaceClustering, next).unwrap()).unwrap().is_some());
    let token = shown.token;
    drop(shown);
    let last = audited(&engine);
    assert_eq!(left_of(&store, token), [] as [&str; 0]);
    assert_eq!(left_of(&store, next), [] as [&str; 0]);
    assert!(findings(&engine, &last).unwrap().is_some());
}

#[test]
fn a_damaged_audit_is_an_error_and_never_short() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    import(&engine, "people", &filed()).unwrap();
    work_all(&engine);
    let job = audited(&engine);
    let (token, whole) = (job.token, store.map());
    let Some(JobResult::Clustering(outcome)) = job.result() else { panic!("{job:?}") };
    let last = keys::result_chunk(token, outcome.n_chunks - 1);
    drop((job, engine));
    let asked = |map: Map| {
        let engine = open(&Mortal::with(map, u64::MAX), settings(&folder));
        let job = engine.job(Queue::FaceClustering, token).unwrap();
        let error = findings(&engine, &job).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        error.to_string()
    };
    for key in [keys::audit(token), keys::result_chunk(token, 0), last.clone()] {
        let mut map = whole.clone();
        *map.get_mut(&key).unwrap().last_mut().unwrap() ^= 1;
        let told = asked(map);
        assert!(told.contains(&keys::printable(&key)) && told.contains("is damaged"), "{told}");
    }
    let mut map = whole.clone();
    map.remove(&last);
    assert_eq!(asked(map), "the audit of the result cannot be read: its job was forgotten");
}

#[test]
fn fsck_names_what_is_damaged_of_an_audit_and_a_repair_leaves_the_clusters() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(settings(&folder)).unwrap();
    import(&engine, "people", &filed()).unwrap();
    work_all(&engine);
    let token = audited(&engine).token;
    let clusters = result_text(&engine, token);
    drop(engine);
    let damage = |key: Vec<u8>| {
        let disk = Disk::open(folder.path(), 8 << 20).unwrap();
        let mut value = disk.get(&key).unwrap().unwrap();
        *value.last_mut().unwrap() ^= 1;
        let mut batch = Batch::new();
        batch.put(key, value);
        disk.commit(batch).unwrap();
    };
    let found = |mending| -> Vec<String> {
        let report = fsck(folder.path(), mending, &mut |_| {}).unwrap();
        report.findings.into_iter().map(|finding| finding.what).collect()
    };
    assert_eq!(found(Mending::Tell), [] as [&str; 0]);
    damage(keys::audit(token));
    assert_eq!(found(Mending::Tell), [format!("where the audit of job {token} is")]);
    found(Mending::Repair);
    assert_eq!(found(Mending::Tell), [] as [&str; 0]);
    let engine = Engine::open(settings(&folder)).unwrap();
    assert_eq!(result_text(&engine, token), clusters);
    let job = engine.job(Queue::FaceClustering, token).unwrap();
    assert_eq!(findings(&engine, &job).unwrap(), None, "it is not known any more where they are");
    let Some(JobResult::Clustering(outcome)) = job.result() else { panic!("{job:?}") };
    let last = keys::result_chunk(token, outcome.n_chunks - 1);
    drop((job, engine));
    damage(last);
    assert!(found(Mending::Tell).contains(&format!("the result of job {token}")));
}
