//! One client after the other on a few connections: it sends, in better and worse manners, and judges what comes back.

use std::fmt;
use std::io::{self, BufReader, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::answer::{self, Answer, Bodied, NoAnswer};
use crate::judge::{Verdict, judge};
use crate::message::{Message, message};
use crate::plan::{Port, World};
use crate::random::Random;
use crate::spoil::spoil;
use crate::tally::Tally;

/// The longest silence of the server, while it owes an answer: R83, and what a busy machine adds.
const SILENCE: Duration = Duration::from_secs(15);
/// So long a job is waited for whose server shows that it lives; then the client goes.
const PATIENCE: Duration = Duration::from_secs(20);

/// So much of the beginning and of the end of what was sent and received is shown of a failure.
const SHOWN: usize = 4 << 10;

/// What went wrong, with all that is needed to see why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) sent: Vec<u8>,
    pub(crate) received: Vec<u8>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\r\\n", "\\r\\n\n");
        let shown = |bytes: &[u8]| match bytes.len() {
            len if len > 2 * SHOWN => format!("{} ... {}", text(&bytes[..SHOWN]), text(&bytes[len - SHOWN..])),
            _ => text(bytes),
        };
        write!(f, "{}\n--- sent\n{}\n--- received\n{}\n", self.what, shown(&self.sent), shown(&self.received))
    }
}

/// A stream that remembers what it gave since an answer began, and does not wait for ever.
struct Heard {
    stream: TcpStream,
    since: Instant,
    bytes: Vec<u8>,
}

impl Read for Heard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.elapsed() > PATIENCE {
            return Err(io::Error::other(OUT_OF_PATIENCE));
        }
        let read = self.stream.read(buffer)?;
        self.bytes.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

const OUT_OF_PATIENCE: &str = "out of patience";

/// A connection, and what was sent over it since it was known to be quiet.
struct Connection {
    reader: BufReader<Heard>,
    sent: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        let heard = Heard { stream, since: Instant::now(), bytes: Vec::new() };
        Ok(Self { reader: BufReader::new(heard), sent: Vec::new() })
    }

    fn stream(&mut self) -> &mut TcpStream {
        &mut self.reader.get_mut().stream
    }

    /// Sends bytes. That the server no longer listens is no fault if it has answered.
    fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        let _ = self.stream().write_all(bytes);
    }

    fn read(&mut self, bodied: Bodied) -> Result<Answer, NoAnswer> {
        let heard = self.reader.get_mut();
        heard.since = Instant::now();
        heard.bytes.clear();
        answer::read(&mut self.reader, bodied)
    }

    fn failure(&self, what: impl Into<String>) -> Failure {
        Failure { what: what.into(), sent: self.sent.clone(), received: self.reader.get_ref().bytes.clone() }
    }
}

/// How requests reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Whole,
    Pieces,
    /// Byte by byte, with pauses.
    Dribble,
    /// Several without waiting for the answers.
    Pipelined,
    /// The sending side is closed behind the request.
    HalfClose,
    /// The client is gone in the middle, or before it has read the answer.
    Abrupt,
}

/// Sends requests on the two ports, until it is told to stop.
pub(crate) struct Client<'w> {
    pub(crate) world: &'w World,
    pub(crate) ports: [SocketAddr; 2],
    pub(crate) random: Random,
    pub(crate) tally: Tally,
    connections: [Option<Connection>; 2],
}

impl<'w> Client<'w> {
    pub(crate) fn new(world: &'w World, ports: [SocketAddr; 2], random: Random) -> Self {
        Self { world, ports, random, tally: Tally::default(), connections: [None, None] }
    }

    fn message(&mut self) -> Message {
        let mut plan = self.world.plan(&mut self.random);
        if self.random.one_in(2) {
            spoil(&mut plan, &mut self.random);
        }
        message(&plan, &mut self.random)
    }

    /// Sends a request, or a few.
    pub(crate) fn step(&mut self) -> Result<(), Failure> {
        let first = self.message();
        let slot = usize::from(first.port == Port::Service);
        let mut connection = match self.connections[slot].take() {
            Some(connection) => connection,
            None => self.connect(slot)?,
        };
        connection.sent.clear();
        let manner = match self.random.below(200) {
            0 if first.bytes.len() < 400 => Manner::Dribble,
            1..=15 => Manner::Pipelined,
            16..=25 => Manner::Pieces,
            26..=31 => Manner::HalfClose,
            32..=37 => Manner::Abrupt,
            _ if first.is_framed => Manner::Whole,
            _ => Manner::HalfClose,
        };
        self.tally.count(format!("manner {manner:?}"));
        let kept = match manner {
            Manner::Abrupt => self.abrupt(&mut connection, &first),
            _ if manner == Manner::HalfClose || !first.is_framed => {
                self.send(&mut connection, &first, manner);
                let _ = connection.stream().shutdown(Shutdown::Write);
                self.rest(&mut connection, &first)?;
                false
            }
            Manner::Pipelined => self.pipelined(&mut connection, first)?,
            _ => {
                self.send(&mut connection, &first, manner);
                self.one(&mut connection, &first)?
            }
        };
        self.connections[slot] = kept.then_some(connection);
        Ok(())
    }

    fn connect(&mut self, slot: usize) -> Result<Connection, Failure> {
        self.tally.count("connections".to_owned());
        Connection::open(self.ports[slot]).map_err(|error| Failure {
            what: format!("no connection: {error}"),
            sent: Vec::new(),
            received: Vec::new(),
        })
    }

    fn send(&mut self, connection: &mut Connection, message: &Message, manner: Manner) {
        let pieces = match manner {
            Manner::Dribble => message.bytes.len(),
            Manner::Pieces => 2 + self.random.below(8),
            _ => 1,
        };
        for piece in message.bytes.chunks(message.bytes.len().div_ceil(pieces.max(1)).max(1)) {
            connection.send(piece);
            if manner == Manner::Dribble {
                std::thread::sleep(Duration::from_millis(2)); // being slow is what this client is for
            }
        }
    }

    /// Goes away in the middle of a request, or behind it.
    fn abrupt(&mut self, connection: &mut Connection, message: &Message) -> bool {
        let end = if self.random.one_in(2) { message.bytes.len() } else { self.random.below(message.bytes.len() + 1) };
        connection.send(&message.bytes[..end]);
        self.tally.n_requests += 1;
        false
    }

    fn pipelined(&mut self, connection: &mut Connection, first: Message) -> Result<bool, Failure> {
        let mut messages = vec![first];
        for _ in 0..self.random.below(6) {
            let next = self.message();
            if next.is_framed && next.port == messages[0].port && next.bytes.len() < 8 << 10 {
                messages.push(next);
            }
        }
        let bytes: Vec<u8> = messages.iter().flat_map(|message| message.bytes.iter().copied()).collect();
        connection.send(&bytes);
        for message in &messages {
            if !self.one(connection, message)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The one answer to a request whose end is known; whether the connection goes on.
    fn one(&mut self, connection: &mut Connection, message: &Message) -> Result<bool, Failure> {
        let begun = Instant::now();
        let answer = match connection.read(message.bodied) {
            Ok(answer) => answer,
            Err(NoAnswer::CutOff(why)) if why == OUT_OF_PATIENCE => {
                self.tally.count("a job was not waited for".to_owned());
                return Ok(false);
            }
            Err(why) => return Err(connection.failure(format!("no answer: {why:?}"))),
        };
        self.judge(connection, &answer, message, begun.elapsed())?;
        Ok(!answer.closes() && !message.is_last)
    }

    /// All answers until the server closes, to requests of which nobody can say how many they are.
    fn rest(&mut self, connection: &mut Connection, message: &Message) -> Result<(), Failure> {
        let mut is_owed = message.is_framed;
        loop {
            let begun = Instant::now();
            match connection.read(message.bodied) {
                Ok(answer) => {
                    is_owed = false;
                    self.judge(connection, &answer, message, begun.elapsed())?;
                }
                Err(NoAnswer::Ended) if is_owed => {
                    return Err(connection.failure("the connection has ended without an answer"));
                }
                // The server may leave a client that has left it in the middle of a request.
                Err(NoAnswer::Ended | NoAnswer::CutOff(_)) => return Ok(()),
                Err(why) => return Err(connection.failure(format!("no answer: {why:?}"))),
            }
        }
    }

    fn judge(
        &mut self,
        connection: &Connection,
        answer: &Answer,
        message: &Message,
        took: Duration,
    ) -> Result<(), Failure> {
        if message.bodied == Bodied::No && answer.status != 200 {
            self.tally.answer(&Verdict::Below(answer.status), None, took);
            return Ok(());
        }
        let verdict = judge(answer).map_err(|what| connection.failure(what))?;
        if let Verdict::Success { tokens, .. } = &verdict {
            self.world.learn(tokens);
        }
        if let (Some(sound), Verdict::Success { action, .. } | Verdict::Error { action, .. }) =
            (&message.sound, &verdict)
            && *action != sound.to_ascii_uppercase()
        {
            return Err(connection.failure(format!("the answer is to {action}, expected {sound}")));
        }
        self.tally.answer(&verdict, message.sound.as_deref(), took);
        Ok(())
    }
}
