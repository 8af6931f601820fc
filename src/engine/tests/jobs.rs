//! Jobs through deaths, stops and shutdowns, and what is left of them when they are forgotten.

use super::*;

#[test]
fn a_result_that_is_forgotten_while_it_is_read_is_an_error_and_never_short() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention: Retention { age: Duration::MAX, count: 1 }, ..settings(&folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    let mut rows = String::new();
    for i in 0..9_000 {
        let (sine, cosine) = (f64::from(i) / 1_432.0).sin_cos(); // all around
        rows += &format!("{{\"identifier\":\"x\",\"imagelabel\":\"{i}\",\"embedding\":[{cosine},{sine}]}}\n");
    }
    import(&engine, "people", &rows).unwrap();
    work_all(&engine);
    let task = ClusterTask { max_results: Some(0), cluster_threshold: 10_000, ..ClusterTask::default() };
    let token = engine.submit(Ticket::default(), Task::Cluster(task)).unwrap();
    work_all(&engine);
    let Some(JobResult::Clustering(outcome)) = engine.job(Queue::FaceClustering, token).unwrap().result().cloned()
    else {
        panic!("it is finished")
    };
    assert!(outcome.n_chunks > 3, "{} chunks", outcome.n_chunks);
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    let started = engine.start_next().unwrap().unwrap();
    engine.stop(Queue::FaceClustering, started.token).unwrap();
    engine.work(&started); // and the first job is forgotten
    assert!(engine.job(Queue::FaceClustering, token).is_none());
    let error = engine.read_result(token, &outcome).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the result ends early: its job was forgotten");
}

#[test]
fn r77_a_job_that_is_at_work_at_three_deaths_in_a_row_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Mortal::with(Map::new(), u64::MAX);
    open(&store, settings(&folder)).submit(Ticket::default(), cluster_all()).unwrap();
    for death in 1..=3 {
        let engine = open(&store, settings(&folder));
        assert!(engine.start_next().unwrap().is_some(), "death {death}");
        store = Mortal::with(store.map(), u64::MAX);
    }
    let engine = open(&store, settings(&folder));
    assert_eq!(
        queues(&engine),
        "FaceClustering Error (the process ended 3 times in a row while this job was at work)\n"
    );
    assert!(engine.start_next().unwrap().is_none());
}

#[test]
fn r78_after_a_death_the_jobs_that_were_at_work_run_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    let first = engine.submit(Ticket::default(), cluster_all()).unwrap();
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    let import = import(&engine, "people", THREE).unwrap();
    let at_work = [engine.start_next().unwrap().unwrap().token, engine.start_next().unwrap().unwrap().token];
    assert_eq!(at_work, [first, import], "queues do not wait for each other");
    let engine = open(&Mortal::with(store.map(), u64::MAX), settings(&folder));
    let suspect = engine.start_next().unwrap().unwrap();
    assert_eq!(suspect.token, first);
    assert!(engine.start_next().unwrap().is_none(), "one at a time");
    engine.work(&suspect);
    let suspect = engine.start_next().unwrap().unwrap();
    assert_eq!(suspect.token, import);
    assert!(engine.start_next().unwrap().is_none(), "nor an innocent one beside it");
    engine.work(&suspect);
    work_all(&engine);
    assert!(queues(&engine).lines().all(|line| line.ends_with("Finished")));
}

#[test]
fn a_shutdown_in_order_counts_no_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    for _ in 0..5 {
        let engine = open(&store, settings(&folder));
        if engine.jobs(Queue::ImportFaceDatabase).is_empty() {
            import(&engine, "people", THREE).unwrap();
        }
        let started = engine.start_next().unwrap().unwrap();
        engine.release_all();
        engine.work(&started);
        assert_eq!(queues(&engine), "ImportFaceDatabase Queued\n");
        let refused = engine.submit(Ticket::default(), cluster_all()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Stopping);
    }
    let engine = open(&store, settings(&folder));
    work_all(&engine);
    assert_eq!(queues(&engine), "ImportFaceDatabase Finished\n");
}

#[test]
fn r74_a_stop_that_was_acknowledged_wins_over_the_work_and_over_a_death() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings(&folder));
    let token = import(&engine, "people", THREE).unwrap();
    let started = engine.start_next().unwrap().unwrap();
    assert_eq!(engine.stop(Queue::ImportFaceDatabase, token).unwrap(), State::Stopping);
    let dead = Mortal::with(store.map(), u64::MAX);
    let other = tempfile::tempdir().unwrap();
    engine.work(&started);
    for engine in [open(&dead, settings(&other)), engine] {
        assert_eq!(queues(&engine), "ImportFaceDatabase Stopped\n");
        assert!(shown(&engine, "people").is_empty());
        let refused = engine.stop(Queue::ImportFaceDatabase, token).unwrap_err();
        assert_eq!(refused.to_string(), "'stop' is not possible: the job's status is Stopped");
    }
}

#[test]
fn r66_a_full_queue_refuses_and_the_other_does_not_mind() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_queue: 2, ..settings(&folder) };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), settings);
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    let second = engine.submit(Ticket::default(), cluster_all()).unwrap();
    assert_eq!(engine.submit(Ticket::default(), cluster_all()).unwrap_err().kind(), ErrorKind::QueueFull);
    import(&engine, "people", THREE).unwrap();
    engine.cancel(Queue::FaceClustering, second).unwrap();
    engine.submit(Ticket::default(), cluster_all()).unwrap();
}

#[test]
fn r79_a_forgotten_job_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention: Retention { age: Duration::MAX, count: 2 }, ..settings(&folder) };
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings);
    import(&engine, "people", THREE).unwrap();
    work_all(&engine);
    let tokens: Vec<Token> = (0..4).map(|_| engine.submit(Ticket::default(), cluster_all()).unwrap()).collect();
    work_all(&engine);
    let kept: Vec<Token> = engine.jobs(Queue::FaceClustering).iter().map(|job| job.token).collect();
    assert_eq!(kept, tokens[2..]);
    let results: BTreeSet<_> = store
        .map()
        .into_keys()
        .filter(|key| key[0] == b'r')
        .map(|key| crate::store::keys::token(&key).unwrap())
        .collect();
    assert_eq!(Vec::from_iter(results), tokens[2..]);
}

#[test]
fn r79_a_result_that_is_being_shown_outlives_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention: Retention { age: Duration::MAX, count: 1 }, ..settings(&folder) };
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings);
    import(&engine, "people", THREE).unwrap();
    work_all(&engine);
    let cluster = || {
        let token = engine.submit(Ticket::default(), cluster_all()).unwrap();
        work_all(&engine);
        engine.job(Queue::FaceClustering, token).unwrap()
    };
    let shown = cluster();
    drop(cluster());
    assert!(engine.job(Queue::FaceClustering, shown.token).is_none(), "it is forgotten");
    let Some(JobResult::Clustering(outcome)) = shown.result() else { panic!("it was finished") };
    let mut reader = engine.read_result(shown.token, outcome).unwrap();
    let n_faces = std::iter::from_fn(|| reader.next_face().unwrap()).count();
    assert_eq!(n_faces, 3);
    drop((reader, shown.clone(), shown));
    let last = cluster();
    let results: BTreeSet<_> = store.map().into_keys().filter(|key| key[0] == b'r').collect();
    let tokens: BTreeSet<_> = results.iter().map(|key| crate::store::keys::token(key).unwrap()).collect();
    assert_eq!(Vec::from_iter(tokens), [last.token]);
}

#[test]
fn r79_cancelled_jobs_are_forgotten_too_and_age_counts_without_new_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention { age: Duration::from_secs(500), count: 2 };
    let engine = open(&Mortal::with(Map::new(), u64::MAX), Settings { retention, ..settings(&folder) });
    for _ in 0..10 {
        let token = engine.submit(Ticket::default(), cluster_all()).unwrap();
        engine.cancel(Queue::FaceClustering, token).unwrap();
    }
    assert_eq!(engine.jobs(Queue::FaceClustering).len(), 2);
    for _ in 0..500 {
        engine.clock.now(); // a second each
    }
    engine.forget_all_expired();
    assert_eq!(engine.jobs(Queue::FaceClustering).len(), 0);
}
