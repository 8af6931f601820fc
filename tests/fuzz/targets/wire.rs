//! The request decoder behind a real socket, with a service that answers what it was asked.

use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use faceclique::aci::{Client, Envelope, Fault, Health, Limits, Outcome, Refused, Reply, Request, Service};
use faceclique::http;
use tokio::net::TcpListener;

use super::answer::{self, Bodied, NoAnswer};
use super::judge::judge;

/// The server owes an answer, or the end of the connection, within this time.
const SILENCE: Duration = Duration::from_secs(10);

/// A panic of the server ends a task, not the process; so it is remembered.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Repeats what it was asked.
struct Echo;

impl Service for Echo {
    fn admit(&self, _: &Client) -> Result<(), Fault> {
        Ok(())
    }

    fn answer(&self, request: Result<Request, Refused>, _: &Client, reply: &mut dyn Reply) -> io::Result<Outcome> {
        let now = "01 Jan 26 00:00:00";
        match request {
            Err(refused) => Envelope::new(reply, refused.format).refuse(&refused.action, &refused.fault, now),
            Ok(request) => match request.parameters.read(|_| Ok(())) {
                Err(fault) => Envelope::new(reply, request.format).refuse(&request.action, &fault, now),
                Ok(()) => {
                    let mut answer = Envelope::new(reply, request.format).begin(&request.action)?;
                    answer.open("parameters")?;
                    for (name, value) in request.parameters.own() {
                        answer.open("parameter")?;
                        answer.text("name", &name)?;
                        answer.text("value", &value)?;
                        answer.close("parameter")?;
                    }
                    answer.close("parameters")?;
                    answer.finish()
                }
            },
        }
    }

    fn health(&self, _: &Client) -> Health {
        Health::Well
    }
}

/// The server, begun with the first request.
fn server() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            hook(panic);
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            max_input_string: 500,
            max_file_upload_size: 1000,
            max_request_size: 20_000,
            max_parts: 20,
            max_request_text: 5000,
            spool_from: 64,
            max_upload_memory: 500,
            ..Limits::default()
        };
        let settings = http::Settings { limits, max_header_size: 8 << 10, ..http::Settings::default() };
        std::thread::spawn(move || {
            runtime.block_on(http::run(listener, Arc::new(Echo), settings, std::future::pending())).unwrap();
        });
        address
    })
}

/// Whatever is sent, what comes back is HTTP, and ACI where it has status 200.
pub(crate) fn request(bytes: &[u8]) {
    let mut stream = TcpStream::connect(server()).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let _ = stream.write_all(bytes); // the server may have heard enough before
    let _ = stream.shutdown(Shutdown::Write);
    let mut reader = BufReader::new(stream);
    let bodied = if bytes.windows(5).any(|five| five == b"HEAD ") { Bodied::No } else { Bodied::Yes };
    loop {
        match answer::read(&mut reader, bodied) {
            Ok(answer) if bodied == Bodied::Yes => {
                judge(&answer).unwrap_or_else(|why| panic!("{why}: {answer:?}"));
            }
            // Not every answer is one to HEAD, so the rest cannot be told apart.
            Ok(_) | Err(NoAnswer::Ended | NoAnswer::CutOff(_)) => break,
            Err(why) => panic!("{why:?}"),
        }
    }
    assert!(!PANICKED.load(Ordering::SeqCst), "the server has panicked");
}

/// A multipart body with the boundary `b`; chunked, so that a cut can stand anywhere, if its first byte is odd.
pub(crate) fn multipart(bytes: &[u8]) {
    let (odd, body) = bytes.split_first().map_or((false, bytes), |(first, rest)| (first % 2 == 1, rest));
    let head = "POST /a=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n";
    let mut message = head.as_bytes().to_vec();
    if odd {
        message.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        for piece in body.chunks(7) {
            message.extend(format!("{:x}\r\n", piece.len()).bytes());
            message.extend([piece, b"\r\n"].concat());
        }
        message.extend(b"0\r\n\r\n");
    } else {
        message.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
        message.extend(body);
    }
    request(&message);
}
