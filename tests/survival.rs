//! The real program killed in the middle of its work: what was acknowledged is answered, and nothing is there by halves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use faceclique::exchange::{Format, Record, Writer};
use faceclique::face::{Embedding, Identifier, ImageLabel, ImageStatus};
use server::{Server, between, clusters, program, token, wait_for};

/// A seeded generator, the same everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
    }
}

/// Images of people with eight images each, as CSV.
fn crowd(n_images: usize, dimension: usize) -> Vec<u8> {
    let mut random = Random(1);
    let mut text = String::from("identifier,imagelabel");
    for i in 0..dimension {
        write!(text, ",e{i}").unwrap();
    }
    let mut centre = Vec::new();
    for image in 0..n_images {
        if image % 8 == 0 {
            centre = (0..dimension).map(|_| random.unit()).collect();
        }
        write!(text, "\nperson {},{}", image / 8, image % 8).unwrap();
        for value in &centre {
            write!(text, ",{:.4}", value + 0.6 * random.unit()).unwrap();
        }
    }
    text.push('\n');
    text.into_bytes()
}

/// A clustering that takes a while: the index is built before anything is compared.
const SLOW: &str = "/action=FaceClustering&database=crowd&clusterthreshold=75&search=hnsw";

/// Waits until the job is at work beyond loading.
fn at_work(server: &Server, token: &str) {
    let progress = format!("/action=QueueInfo&QueueName=FaceClustering&QueueAction=progress&Token={token}");
    wait_for(|| {
        let answer = server.get(&progress);
        if answer.contains("<name>index</name>") { Ok(()) } else { Err(answer) }
    });
}

#[test]
fn a_killed_job_runs_again_and_its_result_is_the_same() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.import("crowd", &crowd(2_000, 32));
    let whole = server.submit(SLOW);
    let killed = server.submit(SLOW);
    let expected = server.ended("FaceClustering", &whole);
    at_work(&server, &killed);
    server.kill();
    let server = Server::start(data.path());
    let answer = server.ended("FaceClustering", &killed);
    assert!(answer.contains("<status>Finished</status>"), "{}", &answer[..500]);
    assert!(clusters(&answer) == clusters(&expected), "the result after the kill is another one");
    assert!(clusters(&expected).matches("<cluster>").count() > 100, "there is something to compare");
}

/// Long rows of people with eight images each, as NPZ: comparing them takes seconds.
fn long_rows(n_images: usize, dimension: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("crowd.npz");
    let mut writer = Writer::create(&file, Format::Npz, None).unwrap();
    let (mut random, mut centre) = (Random(5), Vec::new());
    for image in 0..n_images {
        if image % 8 == 0 {
            centre = (0..dimension).map(|_| random.unit()).collect();
        }
        let row: Vec<f32> = centre.iter().map(|value| (value + 0.6 * random.unit()) as f32).collect();
        let record = Record {
            row: image as u64 + 1,
            identifier: Identifier::new(&format!("person {}", image / 8)).unwrap(),
            label: ImageLabel::new(&(image % 8).to_string()).unwrap(),
            status: ImageStatus::Trained,
            model: None,
            embedding: Some(Embedding::new(row).unwrap()),
            reason: None,
            picture: None,
            metadata: Vec::new(),
        };
        writer.push(&record).unwrap();
    }
    writer.finish().unwrap();
    fs::read(&file).unwrap()
}

#[test]
fn a_job_killed_at_80_percent_goes_on_from_there_and_its_result_is_the_same() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("faceclique.toml");
    fs::write(&config, "[jobs]\nthreads = 1\nkeep_pairs = false\n").unwrap();
    let start = || Server::start_with(data.path(), &["--config", config.to_str().unwrap()]);
    let server = start();
    server.import("crowd", &long_rows(8_000, 1_024));
    let job = "/action=FaceClustering&database=crowd&clusterthreshold=75&outputthreshold=75&search=exact";
    let killed = server.submit(job);
    let progress = format!("/action=QueueInfo&QueueName=FaceClustering&QueueAction=progress&Token={killed}");
    wait_for(|| {
        let answer = server.get(&progress);
        let compared = answer
            .split_once("<name>compare</name>")
            .map_or(0.0, |(_, rest)| between(rest, "<percent>", "</percent>").parse().unwrap());
        if compared >= 80.0 { Ok(()) } else { Err(answer) }
    });
    server.kill();
    let server = start();
    let answer = server.ended("FaceClustering", &killed);
    assert!(answer.contains("<status>Finished</status>"), "{answer}");
    let line = server.has_said(1, "comparing").pop().expect("it compared");
    let number = |name: &str| -> u64 {
        let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {line}"));
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    let (units, recalled) = (number("units"), number("recalled"));
    assert!(recalled * 2 >= units && recalled < units, "it goes on from near where it was: {line}");
    let undisturbed = server.submit(job);
    let expected = server.ended("FaceClustering", &undisturbed);
    assert!(server.has_said(2, "comparing").pop().unwrap().contains(" recalled=0 "), "and that one from the beginning");
    assert!(clusters(&answer) == clusters(&expected), "the result after the kill is another one");
    assert_eq!(clusters(&expected).matches("<cluster>").count(), 1_000);
    // they go when the result is there
    wait_for(|| match fs::read_dir(data.path().join("pairs")).unwrap().count() {
        0 => Ok(()),
        left => Err(format!("{left} logs are left")),
    });
}

#[test]
fn twenty_queued_jobs_survive_a_kill_and_all_finish() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.import("crowd", &crowd(400, 32));
    let tokens: Vec<String> = (0..20).map(|_| server.submit(SLOW)).collect();
    server.kill();
    let server = Server::start(data.path());
    let answers: Vec<String> = tokens.iter().map(|token| server.ended("FaceClustering", token)).collect();
    for answer in &answers {
        assert!(answer.contains("<status>Finished</status>"), "{answer}");
        assert!(clusters(answer) == clusters(&answers[0]));
    }
}

#[test]
fn an_import_killed_at_any_moment_is_there_whole_or_not_at_all_and_then_whole() {
    let data = tempfile::tempdir().unwrap();
    let mut random = Random(3);
    let content = crowd(12_000, 16);
    let undisturbed = {
        let server = Server::start(data.path());
        let token = server.submit_import("undisturbed", &content);
        let begun = Instant::now();
        server.ended("ImportFaceDatabase", &token);
        begun.elapsed()
    };
    let faces = |server: &Server, database: &str| {
        let list = server.get("/action=ListFaceDatabases");
        let entry = format!("<database>{database}</database><numentries>");
        list.split_once(&entry).map_or(0, |(_, rest)| rest.split('<').next().unwrap().parse::<u32>().unwrap())
    };
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    let mut unfinished = 0;
    for round in 0..20 {
        let server = Server::start(data.path());
        if let Some((_, token)) = acknowledged.last() {
            unfinished += u32::from(!server.status("ImportFaceDatabase", token).contains("<status>Finished<"));
        }
        for (database, token) in &acknowledged {
            let before = faces(&server, database);
            assert!(matches!(before, 0 | 1_500), "round {round}: {before} of 1500 faces of {database}");
            let answer = server.ended("ImportFaceDatabase", token);
            assert!(answer.contains("<status>Finished</status>"), "round {round}: {answer}");
            assert_eq!(faces(&server, database), 1_500, "round {round}");
        }
        let database = format!("d{round}");
        acknowledged.push((database.clone(), server.submit_import(&database, &content)));
        let moment = undisturbed.mul_f64(0.75 * (1.0 + random.unit())); // of its work, or behind it
        std::thread::sleep(moment);
        server.kill();
    }
    assert!(unfinished >= 3, "only {unfinished} of 19 kills came before the end of the import");
}

#[test]
fn r77_a_job_that_is_at_work_at_three_kills_in_a_row_is_given_up() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.import("crowd", &crowd(2_000, 32));
    let token = server.submit(SLOW);
    at_work(&server, &token);
    server.kill();
    for _ in 0..2 {
        let server = Server::start(data.path());
        at_work(&server, &token);
        server.kill();
    }
    let server = Server::start(data.path());
    let answer = server.status("FaceClustering", &token);
    let error =
        "<error>the process ended 3 times in a row while this job was at work (FACECLIQUEFACECLUSTERING64)</error>";
    assert!(answer.contains("<status>Error</status>") && answer.contains(error), "{answer}");
    let other = server.cluster("database=crowd&clusterthreshold=90&search=exact");
    assert!(other.contains("<status>Finished</status>"), "others go on");
}

#[test]
fn a_shutdown_in_order_puts_the_running_job_back() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path());
    server.import("crowd", &crowd(2_000, 32));
    let token = server.submit(SLOW);
    for _ in 0..4 {
        // more often than a job may be killed
        at_work(&server, &token);
        assert!(server.terminate().success());
        server = Server::start(data.path());
    }
    assert!(server.ended("FaceClustering", &token).contains("<status>Finished</status>"));
}

#[test]
fn r72_a_stopped_job_ends_as_stopped_and_a_kill_does_not_undo_the_stop() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.import("crowd", &crowd(2_000, 32));
    let (first, second) = (server.submit(SLOW), server.submit(SLOW));
    let third = server.submit(SLOW);
    let steer = |server: &Server, action: &str, token: &str| {
        server.get(&format!("/action=QueueInfo&QueueName=FaceClustering&QueueAction={action}&Token={token}"))
    };
    at_work(&server, &first);
    let refused = steer(&server, "cancel", &first);
    assert!(refused.contains("<errorid>FACECLIQUEQUEUEINFO52</errorid>"), "{refused}");
    let cancelled = steer(&server, "cancel", &third);
    assert!(cancelled.contains(&format!("<action><status>Cancelled</status><token>{third}</token></action>")));
    let stopping = steer(&server, "stop", &first);
    assert!(stopping.contains("<status>Processing</status>"), "{stopping}");
    assert!(server.ended("FaceClustering", &first).contains("<status>Stopped</status>"));
    at_work(&server, &second);
    steer(&server, "stop", &second);
    server.kill();
    let server = Server::start(data.path());
    assert!(server.ended("FaceClustering", &second).contains("<status>Stopped</status>"));
    assert!(server.status("FaceClustering", &third).contains("<status>Cancelled</status>"));
}

#[test]
fn r72_what_clients_said_of_jobs_and_queues_survives_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    server.import("crowd", &crowd(2_000, 32));
    let ask = |server: &Server, queue: &str, rest: &str| {
        let answer = server.get(&format!("/action=QueueInfo&QueueName={queue}&QueueAction={rest}"));
        assert!(answer.contains("<response>SUCCESS</response>"), "{answer}");
        answer
    };
    let (clustering, imports) = ("FaceClustering", "ImportFaceDatabase");
    let running = server.submit(SLOW);
    at_work(&server, &running);
    ask(&server, clustering, &format!("pause&Token={running}"));
    wait_for(|| {
        let answer = server.status(clustering, &running);
        let is_resting = answer.contains("<status>Paused</status>") && answer.contains("<process_start_time>");
        if is_resting { Ok(()) } else { Err(answer) }
    });
    let [last, first] = [server.submit(SLOW), server.submit(SLOW)];
    ask(&server, clustering, &format!("changePriority&Token={first}&Priority=99"));
    ask(&server, imports, "pause");
    let original = server.submit_import("copies", &crowd(8, 4));
    let copy = token(&ask(&server, imports, &format!("duplicate&Token={original}")));
    ask(&server, imports, &format!("cancel&Token={original}"));
    server.kill();

    let server = Server::start(data.path());
    let answer = server.status(clustering, &running);
    let is_held = answer.contains("<status>Paused</status>") && !answer.contains("<process_start_time>");
    assert!(is_held, "paused, as if not started: {answer}");
    let [_, _] = [&first, &last].map(|token| server.ended(clustering, token));
    let order = ask(&server, clustering, "getStatus&State=Finished&Sort-By=start-time&Sort-Order=ascending");
    assert!(order.find(&first) < order.find(&last), "{order}");
    assert!(ask(&server, imports, "queueStatus").contains("<paused>true</paused><pending>1</pending>"));
    assert!(server.status(imports, &copy).contains("<status>Queued</status>"));
    ask(&server, imports, "resume");
    assert!(server.ended(imports, &copy).contains("<numimages>8</numimages>"));
    ask(&server, clustering, &format!("resume&Token={running}"));
    let ended = server.ended(clustering, &running);
    assert!(ended.contains("<status>Finished</status>"), "{ended}");
    assert!(clusters(&ended) == clusters(&server.status(clustering, &first)), "a pause changes no result");
}

#[test]
fn a_second_process_on_the_same_data_is_refused_by_name() {
    let data = tempfile::tempdir().unwrap();
    let _server = Server::start(data.path());
    let folder = data.path().to_str().unwrap();
    let second = program(&["serve", "--data", folder, "--listen", "127.0.0.1:0", "--service-listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    let message = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(message.contains("the data directory is in use by another process (process "), "{message}");
}

#[test]
fn the_command_line_explains_itself_and_its_refusals() {
    let help = program(&["--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success() && text.contains("serve") && text.contains("import"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("faceclique.toml");
    fs::write(&config, "[jobs]\nmax_queu_size = 3\n").unwrap();
    let refused = program(&["serve", "--config", config.to_str().unwrap()]).output().unwrap();
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(message.contains("max_queu_size") && message.contains("max_queue_size"), "{message}");
}

#[test]
fn what_is_imported_offline_comes_back_and_clusters_offline_as_it_does_online() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let output = program(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    fs::write(path("crowd.csv"), crowd(400, 16)).unwrap();
    let said = run(&["import", "--data", &path("data"), "--database", "crowd", &path("crowd.csv")]);
    assert!(said.contains("400 images of 50 new identities into 'crowd'"), "{said}");
    let said = run(&["export", "--data", &path("data"), "--database", "crowd", &path("crowd.jsonl")]);
    assert!(said.contains("400 images"), "{said}");
    let offline = |from: &str, to: &str| {
        let said = run(&["cluster", &path(from), "--threshold", "75", "--verify", "--out", &path(to)]);
        assert!(said.contains("verified"), "{said}");
        fs::read_to_string(path(to)).unwrap()
    };
    assert_eq!(offline("crowd.csv", "a.csv"), offline("crowd.jsonl", "b.csv"));
    let written = offline("crowd.csv", "a.xml");
    assert_eq!(offline("crowd.jsonl", "a.json").lines().count(), 400);
    let server = Server::start(&folder.path().join("data"));
    let online = server.cluster("database=crowd&clusterthreshold=75");
    assert_eq!(clusters(&online), clusters(&written));
}
