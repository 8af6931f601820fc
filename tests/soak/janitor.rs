//! Keeps the server usable while it is flooded, and asks at the end whether it still is.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::plan::{DATABASES, QUEUES, World};
use crate::server::Server;

/// At the end jobs have so long to end.
const LAST_JOBS: Duration = Duration::from_mins(1);
/// More databases than this are removed: the flood invents names.
const MOST_DATABASES: usize = 60;
const NOT_ENDED: &str = "Queued,Processing,Paused";

/// Percent-encoded, all of it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

/// The answer to a clean request in simple JSON: its `responsedata` if it is SUCCESS.
fn ask(server: &Server, request: &str) -> Result<Value, String> {
    let answer = server.get(&format!("/action={request}&responseformat=simplejson"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let value: Value = serde_json::from_str(body).map_err(|error| format!("{request}: {error}: {answer}"))?;
    match value["autnresponse"]["response"].as_str() {
        Some("SUCCESS") => Ok(value["autnresponse"]["responsedata"].clone()),
        _ => Err(format!("{request}: {body}")),
    }
}

fn texts<'v>(list: &'v Value, name: &str) -> Vec<&'v str> {
    list.as_array().into_iter().flatten().filter_map(|item| item[name].as_str()).collect()
}

/// Resumes what the flood has paused.
fn resume(server: &Server) -> Result<(), String> {
    for queue in QUEUES {
        ask(server, &format!("QueueInfo&queuename={queue}&queueaction=resume"))?;
        let paused = ask(server, &format!("QueueInfo&queuename={queue}&queueaction=getStatus&state=Paused"))?;
        for token in texts(&paused["actions"]["action"], "token") {
            // Another client may have been faster.
            let _ = ask(server, &format!("QueueInfo&queuename={queue}&queueaction=resume&token={token}"));
        }
    }
    Ok(())
}

/// One round.
pub(crate) fn tidy(server: &Server, world: &World) -> Result<(), String> {
    resume(server)?;
    let listed = ask(server, "ListFaceDatabases")?;
    let databases = texts(&listed["database"], "database");
    if databases.len() > MOST_DATABASES {
        for name in databases.iter().filter(|name| !DATABASES.contains(name)) {
            let _ = ask(server, &format!("RemoveFaceDatabase&database={}", encoded(name)));
        }
    }
    for name in DATABASES.iter().take(2).filter(|name| !databases.contains(name)) {
        let path = encoded(world.faces[0].path.to_str().unwrap());
        let _ = ask(server, &format!("ImportFaceDatabase&database={name}&format=jsonl&dbpath={path}"));
    }
    let exports: Vec<_> = std::fs::read_dir(&world.exports).map_err(|error| error.to_string())?.flatten().collect();
    if exports.len() > 80 {
        for entry in exports {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Waits until no job is left, and stops those that take long.
pub(crate) fn settle(server: &Server) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        resume(server)?;
        let mut left = Vec::new();
        for queue in QUEUES {
            let status = ask(server, &format!("QueueInfo&queuename={queue}&queueaction=getStatus&state={NOT_ENDED}"))?;
            left.extend(texts(&status["actions"]["action"], "token").into_iter().map(str::to_owned));
            if begun.elapsed() > LAST_JOBS / 2 {
                ask(server, &format!("QueueInfo&queuename={queue}&queueaction=stop"))?;
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > LAST_JOBS {
            return Err(format!("jobs neither end nor can be stopped: {left:?}"));
        }
        std::thread::sleep(Duration::from_millis(20)); // between two questions
    }
}

/// Whether a client that does nothing wrong is served as if nothing had happened.
pub(crate) fn still_right(server: &Server, world: &World) -> Result<(), String> {
    let health = server.get("/health")?;
    if !health.starts_with("HTTP/1.1 200 ") && !health.starts_with("HTTP/1.0 200 ") || !health.ends_with("\r\n\r\nok") {
        return Err(format!("/health says {health}"));
    }
    let _ = ask(server, "RemoveFaceDatabase&database=after");
    let path = encoded(world.faces[0].path.to_str().unwrap());
    let import = format!("ImportFaceDatabase&database=after&format=jsonl&synchronous=true&dbpath={path}");
    let imported = ask(server, &import)?;
    let clustered = ask(server, "FaceClustering&database=after&synchronous=true")?;
    let clusters: Vec<usize> = clustered["clusters"]["cluster"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cluster| cluster["face"].as_array().map_or(0, Vec::len))
        .collect();
    if imported["numimages"] != "4" || clusters != [3, 1] {
        return Err(format!("imported {imported}, clustered {clustered}"));
    }
    Ok(())
}
