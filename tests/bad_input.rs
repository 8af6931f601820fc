//! Bad input over the wire: a clear error that names value and limit, and nothing changed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/server.rs"]
mod server;

use std::fs;

use server::{Server, between};
use tempfile::TempDir;

/// Two people; everything below leaves them as they are.
const PEOPLE: &str = r#"{"identifier":"ann","imagelabel":"1","embedding":[1,0]}
{"identifier":"bob","imagelabel":"1","embedding":[0,1]}
"#;

/// A server with two people, which looks at the end whether they are as they were.
struct Untouched {
    server: Server,
    before: String,
    _data: TempDir,
}

impl Untouched {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start_with(data.path(), arguments);
        server.import("people", PEOPLE.as_bytes());
        let before = shown(&server);
        Self { server, before, _data: data }
    }

    /// Expects the request to be refused with this number and description.
    fn refuses(&self, target: &str, number: u16, description: &str) {
        is_refusal(&self.server.get(target), number, description);
        assert_eq!(shown(&self.server), self.before, "{target} changed something");
    }

    /// The same of AddFaceImages with one embedding.
    fn refuses_embedding(&self, kind: &str, content: &[u8], number: u16, description: &str) {
        let target = "/action=AddFaceImages&database=people&identifier=ann&imagelabels=new";
        is_refusal(&self.server.post(target, &[("embedding", kind, content)]), number, description);
        assert_eq!(shown(&self.server), self.before);
    }

    /// Expects an import of this content to end in this error.
    fn refuses_import(&self, parameters: &str, content: &[u8], error: &str) {
        let target = format!("/action=ImportFaceDatabase&database=people{parameters}");
        let token = server::token(&self.server.post(&target, &[("dbdata", "", content)]));
        let answer = self.server.ended("ImportFaceDatabase", &token);
        assert_eq!(between(&answer, "<error>", "</error>"), error);
        assert_eq!(shown(&self.server), self.before);
    }
}

fn is_refusal(answer: &str, number: u16, description: &str) {
    assert!(answer.contains("<response>ERROR</response>"), "{answer}");
    assert_eq!(between(answer, "<errordescription>", "</errordescription>"), description);
    assert_eq!(between(answer, "<rawerrorid>", "</rawerrorid>"), format!("0x{number:X}"), "{answer}");
}

/// Everything that the listing actions show.
fn shown(server: &Server) -> String {
    server.get("/action=ListFaceDatabases") + &server.get("/action=ListFaces&database=people&imagestatus=true")
}

#[test]
fn unknown_actions_and_missing_ones_are_named() {
    let data = Untouched::new();
    data.refuses("/action=FaceRain", 1, "'action=FaceRain' is not an action of this server");
    data.refuses("/action=FaceDetect", 2, "'action=FaceDetect' is not offered by this server");
    data.refuses("/nothing", 3, "neither 'action' nor 'a' is given");
    data.refuses("/action=NewFace", 10, "'database' is required and not given");
    data.refuses("/action=FaceClustering&synchronous=yes", 11, "'synchronous=yes' is not one of true, false");
}

#[test]
fn unknown_names_are_said_with_where_they_were_looked_for() {
    let data = Untouched::new();
    data.refuses("/action=ListFaces&database=LFW", 40, "'database=LFW' does not exist");
    let text = "'identifier=cid' does not exist in 'database=people'";
    data.refuses("/action=RemoveFace&database=people&identifier=cid", 41, text);
    data.refuses(
        "/action=NewFace&database=people&identifier=ann",
        46,
        "'identifier=ann' exists already in 'database=people'",
    );
    data.refuses("/action=CreateFaceDatabase&database=people", 45, "'database=people' exists already");
    let known = "'model=arc' is not configured; known are: cosine";
    data.refuses("/action=CreateFaceDatabase&database=new&model=arc", 61, known);
}

#[test]
fn thresholds_and_numbers_outside_their_range_are_refused_before_there_is_a_job() {
    let data = Untouched::new();
    for value in ["abc", "-1", "101", "NaN", "inf", "1e1", "100.001"] {
        for name in ["clusterthreshold", "outputthreshold"] {
            let text = format!("'{name}={value}' is not a number from 0 to 100");
            data.refuses(&format!("/action=FaceClustering&database=people&{name}={value}"), 11, &text);
        }
    }
    let text = "'maxresults=-1' is not a whole number of 1 to 18 digits from 0 on";
    data.refuses("/action=FaceClustering&maxresults=-1", 11, text);
    data.refuses("/action=FaceClustering&search=fast", 11, "'search=fast' is not one of auto, exact, hnsw");
    data.refuses("/action=FaceClustering&syncdatabase=1", 11, "'syncdatabase=1' is not one of true, false");
    let jobs = data.server.get("/action=QueueInfo&QueueName=FaceClustering&QueueAction=getStatus");
    assert!(jobs.contains("<responsedata><actions/></responsedata>"), "{jobs}");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let data = Untouched::new();
    let long = "x".repeat(300);
    let text = format!("'database={}' is not valid: a name has at most 254 bytes, this one has 300", "x".repeat(254));
    data.refuses(&format!("/action=CreateFaceDatabase&database={long}"), 12, &text);
    for (escape, number) in [("%C2%80", 12), ("%0A", 12), ("%00", 13), ("%EF%BF%BE", 13), ("%1F", 13)] {
        let answer = data.server.get(&format!("/action=CreateFaceDatabase&database=a{escape}b"));
        assert!(
            answer.contains(&format!("<errorid>FACECLIQUECREATEFACEDATABASE{number}</errorid>")),
            "{escape}: {answer}"
        );
    }
    for broken in ["%FF", "%C3", "%C3%28", "%zz", "%"] {
        let answer = data.server.get(&format!("/action=CreateFaceDatabase&database=a{broken}"));
        assert!(answer.contains("<rawerrorid>0xD</rawerrorid>"), "{broken}: {answer}");
    }
    assert_eq!(shown(&data.server), data.before);
}

#[test]
fn embeddings_that_cannot_be_are_refused() {
    let data = Untouched::new();
    let text = "'embedding' is not valid: number 2 of the embedding is NaN, not a finite number";
    data.refuses_embedding("text/plain", b"1, NaN", 11, text);
    let text = "'embedding' is not valid: number 1 of the embedding is inf, not a finite number";
    data.refuses_embedding("application/json", b"[inf, 1]", 11, text);
    let text = "'embedding' is not valid: all 2 numbers of the embedding are zero, so it has no direction";
    data.refuses_embedding("text/plain", b"0,0", 11, text);
    data.refuses_embedding("", &[0; 8], 11, text);
    let nan = [f32::NAN.to_le_bytes(), 1f32.to_le_bytes()].concat();
    let text = "'embedding' is not valid: number 1 of the embedding is NaN, not a finite number";
    data.refuses_embedding("", &nan, 11, text);
    data.refuses_embedding("", &[1; 7], 11, "'embedding' has 7 bytes, not a multiple of 4");
    data.refuses_embedding("text/plain", b"1,x", 11, "'embedding' has 'x' as number 2, not a number");
    let text = "an embedding of dimension 3 does not fit 'database=people': its model 'cosine' has dimension 2";
    data.refuses_embedding("text/plain", b"1,2,3", 61, text);
}

#[test]
fn labels_are_given_once_and_one_for_each_image() {
    let data = Untouched::new();
    let add = |labels: &str, number, text: &str| {
        let target = format!("/action=AddFaceImages&database=people&identifier=ann&imagelabels={labels}");
        let parts: [(&str, &str, &[u8]); 2] =
            [("embedding", "text/plain", b"1,0"), ("embedding", "text/plain", b"0,1")];
        is_refusal(&data.server.post(&target, &parts), number, text);
        assert_eq!(shown(&data.server), data.before);
    };
    add("a", 15, "the number of labels ('imagelabels') is 1, that of images 2");
    add("a,a", 15, "'imagelabels' names 'a' twice");
    add("new,1", 47, "'imagelabel=1' exists already in 'identifier=ann' of 'database=people'");
}

#[test]
fn a_bad_row_of_an_import_is_named_and_nothing_of_the_file_is_kept() {
    let data = Untouched::new();
    let id = "(FACECLIQUEIMPORTFACEDATABASE";
    let rows = |bad: &str| format!("{}\n{bad}\n", r#"{"identifier":"cid","imagelabel":"1","embedding":[0.6,0.8]}"#);
    let twice = rows(r#"{"identifier":"cid","imagelabel":"1","embedding":[0,1]}"#);
    data.refuses_import("", twice.as_bytes(), &format!("line 2: imagelabel '1' of 'cid' is there twice {id}65)"));
    let zero = rows(r#"{"identifier":"cid","imagelabel":"2","embedding":[0,0]}"#);
    let text = format!("line 2: all 2 numbers of the embedding are zero, so it has no direction {id}65)");
    data.refuses_import("", zero.as_bytes(), &text);
    let wide = rows(r#"{"identifier":"cid","imagelabel":"2","embedding":[1,0,0]}"#);
    let text = format!("line 2: the embedding has dimension 3, expected 2 like the first {id}65)");
    data.refuses_import("", wide.as_bytes(), &text);
    let other = rows(r#"{"identifier":"ann","imagelabel":"1","embedding":[0,1]}"#);
    let text = format!("'imagelabel=1' exists already in 'identifier=ann' of 'database=people' {id}47)");
    data.refuses_import("", other.as_bytes(), &text);
    let csv = b"identifier,imagelabel,e0,e1,e2\ncid,1,1,0,0\n";
    let text = "an embedding of dimension 3 does not fit 'database=people': its model 'cosine' has dimension 2";
    data.refuses_import("", csv, &format!("{text} {id}61)"));
    let said = rows(r#"{"identifier":"cid","imagelabel":"2","embedding":[0,1],"model":"arc"}"#);
    let text = format!("the file says model 'arc', the request says 'model=cosine' {id}61)");
    data.refuses_import("&model=cosine", said.as_bytes(), &text);
}

#[test]
fn r55_a_model_that_is_not_configured_is_refused_before_there_is_a_job() {
    let data = Untouched::new();
    let target = "/action=ImportFaceDatabase&database=people&model=arc";
    let answer = data.server.post(target, &[("dbdata", "", PEOPLE.as_bytes())]);
    is_refusal(&answer, 61, "'model=arc' is not configured; known are: cosine");
}

#[test]
fn a_file_that_only_begins_like_an_archive_is_refused() {
    let data = Untouched::new();
    let target = "/action=ImportFaceDatabase&database=people";
    let token = server::token(&data.server.post(target, &[("dbdata", "", b"PK\x03\x04 and then nothing")]));
    let answer = data.server.ended("ImportFaceDatabase", &token);
    let error = between(&answer, "<error>", "</error>");
    assert!(error.starts_with("not a whole zip archive") && error.ends_with("DATABASE65)"), "{error}");
    assert_eq!(shown(&data.server), data.before);
}

#[test]
fn a_truncated_archive_is_refused_wherever_it_is_cut() {
    let data = Untouched::new();
    let folder = tempfile::tempdir().unwrap();
    let jsonl = folder.path().join("faces.jsonl");
    fs::write(&jsonl, PEOPLE.replace("\"1\"", "\"2\"")).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for arguments in [
        ["import", "--data", &path("data"), "--database", "d", &path("faces.jsonl")],
        ["export", "--data", &path("data"), "--database", "d", &path("faces.npz")],
    ] {
        assert!(server::program(&arguments).output().unwrap().status.success());
    }
    let whole = fs::read(path("faces.npz")).unwrap();
    for cut in [whole.len() - 1, whole.len() / 2, 30] {
        let target = "/action=ImportFaceDatabase&database=people&format=npz";
        let token = server::token(&data.server.post(target, &[("dbdata", "", &whole[..cut])]));
        let answer = data.server.ended("ImportFaceDatabase", &token);
        assert!(answer.contains("FACECLIQUEIMPORTFACEDATABASE65"), "cut at {cut}: {answer}");
        assert_eq!(shown(&data.server), data.before);
    }
}

#[test]
fn r174_bad_rows_can_be_left_out_and_are_listed_then() {
    let data = Untouched::new();
    let rows = concat!(
        r#"{"identifier":"cid","imagelabel":"1","embedding":[0.6,0.8]}"#,
        "\nnonsense\n",
        r#"{"identifier":"cid","imagelabel":"2","embedding":[0,0]}"#,
    );
    let target = "/action=ImportFaceDatabase&database=people&onerror=skip";
    let token = server::token(&data.server.post(target, &[("dbdata", "", rows.as_bytes())]));
    let answer = data.server.ended("ImportFaceDatabase", &token);
    assert!(answer.contains("<numfaces>1</numfaces><numimages>1</numimages><numskipped>2</numskipped>"), "{answer}");
    assert!(answer.contains("<skipped><row><number>2</number>"), "{answer}");
    assert!(answer.contains("<row><number>3</number><reason>all 2 numbers"), "{answer}");
}

#[test]
fn r156_a_gigabyte_is_refused_from_its_header_or_when_it_has_passed_the_limit() {
    let data = Untouched::new();
    let head = |length: &str| {
        format!(
            "POST /action=ImportFaceDatabase&database=people HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        )
    };
    let (status, body) = data.server.raw(head("Content-Length: 1073741824").as_bytes());
    let body = String::from_utf8(body).unwrap();
    assert!(status.starts_with("HTTP/1.1 200") && body.contains("IMPORTFACEDATABASE20</errorid>"), "{status} {body}");
    assert!(body.contains("268435456") && body.contains("MaxRequestSize"), "{body}");
    let chunk = |content: &[u8]| [format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat();
    let part = chunk(b"--b\r\nContent-Disposition: form-data; name=\"dbdata\"\r\n\r\n");
    let megabytes = chunk(&vec![b'x'; 1 << 20]).repeat(300);
    let endless = [head("Transfer-Encoding: chunked").into_bytes(), part, megabytes].concat();
    let (_, body) = data.server.raw(&endless);
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("IMPORTFACEDATABASE20</errorid>"), "{body}");
    assert_eq!(shown(&data.server), data.before);
    assert!(data.server.peak_kib() < 200 << 10, "the upload was held in memory: {} KiB", data.server.peak_kib());
}

#[test]
fn unknown_queues_and_tokens_are_named_and_an_ended_job_stays_ended() {
    let data = Untouched::new();
    let queue = |queue: &str, rest: &str| format!("/action=QueueInfo&QueueName={queue}&QueueAction={rest}");
    let text = "'queuename=Encrypted' is not a queue; there are FaceClustering, TrainFace, BuildFace, BuildAllFaces, \
        ImportFaceDatabase, ExportFaceDatabase";
    data.refuses(&queue("Encrypted", "getStatus"), 50, text);
    let unknown = "0176fba5-bbb9-7852-afa3-1cf7a302e404";
    for token in [unknown, "nonsense"] {
        let text = format!("'token={token}' is not known to queue 'FaceClustering'");
        data.refuses(&queue("faceclustering", &format!("getStatus&Token={token}")), 51, &text);
    }
    let token = data.server.submit("/action=FaceClustering");
    data.server.ended("FaceClustering", &token);
    for action in ["cancel", "stop"] {
        let text = format!("'{action}' is not possible: the job's status is Finished");
        data.refuses(&queue("FaceClustering", &format!("{action}&Token={token}")), 52, &text);
    }
    data.refuses(&queue("FaceClustering", "cancel"), 10, "'token' is required and not given");
}

#[test]
fn limits_of_queue_and_memory_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("faceclique.toml");
    fs::write(&config, "[jobs]\nmax_queue_size = 3\nmax_job_memory = 200000\n").unwrap();
    let data = Untouched::with(&["--config", config.to_str().unwrap()]);
    let mut same = String::new();
    for i in 0..1_000 {
        same += &format!("{{\"identifier\":\"x\",\"imagelabel\":\"{i}\",\"embedding\":[1,0]}}\n");
    }
    data.server.import("copies", same.as_bytes());
    let answer = data.server.cluster("database=copies");
    let error = between(&answer, "<error>", "</error>");
    assert!(error.contains("the limit is 200000") && error.ends_with("(FACECLIQUEFACECLUSTERING63)"), "{error}");
    assert!(error.contains("maxresults") && error.contains("max_job_memory"), "{error}");
    same = same
        .repeat(4)
        .lines()
        .enumerate()
        .fold(String::new(), |all, (i, line)| all + &line.replace("\"x\"", &format!("\"x{i}\"")) + "\n");
    data.server.import("many", same.as_bytes());
    let answer = data.server.cluster("database=many");
    let error = between(&answer, "<error>", "</error>");
    assert!(error.contains("of memory, the limit is 200000 (setting max_job_memory)"), "{error}");
}

#[test]
fn r66_a_full_queue_refuses_the_next_job() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("faceclique.toml");
    fs::write(&config, "[jobs]\nmax_queue_size = 1\n").unwrap();
    let data = Untouched::with(&["--config", config.to_str().unwrap()]);
    let queue = |action: &str| {
        data.server.get(&format!("/action=QueueInfo&QueueName=ImportFaceDatabase&QueueAction={action}"));
    };
    queue("pause"); // or the first job might have ended before the next one comes
    let first = data.server.submit_import("first", PEOPLE.as_bytes());
    let target = "/action=ImportFaceDatabase&database=first";
    let text = "queue 'ImportFaceDatabase' is full: the limit of jobs that have not ended is 1 (max_queue_size)";
    is_refusal(&data.server.post(target, &[("dbdata", "", PEOPLE.as_bytes())]), 53, text);
    queue("resume");
    data.server.ended("ImportFaceDatabase", &first);
    data.server.import("people", PEOPLE.as_bytes());
}
