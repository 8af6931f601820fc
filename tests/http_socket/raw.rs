//! A client that knows nothing: it sends bytes and reads what comes.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use flate2::read::GzDecoder;

use crate::server::PATIENCE;

/// Bytes in both directions, plain or through TLS.
pub(crate) trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

/// One connection.
pub(crate) struct Raw {
    reader: BufReader<Box<dyn Duplex>>,
    socket: TcpStream,
}

/// An answer as it was on the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Of the body, before it was unpacked.
    pub(crate) bytes: usize,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The lines that the service echoed.
    pub(crate) fn echo(&self) -> Vec<&str> {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.body.contains("<response>SUCCESS</response>"), "{self:?}");
        self.body.split("<echo>").skip(1).map(|rest| rest.split("</echo>").next().unwrap()).collect()
    }

    /// The number of an ERROR answer.
    pub(crate) fn error(&self) -> u16 {
        assert_eq!(self.status, 200, "{self:?}");
        let raw = self.body.split("<rawerrorid>0x").nth(1).expect("an ERROR answer");
        u16::from_str_radix(raw.split('<').next().unwrap(), 16).unwrap()
    }
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::connect_through(address, |socket| Box::new(socket))
    }

    /// With something between the client and its socket.
    pub(crate) fn connect_through(address: SocketAddr, through: impl FnOnce(TcpStream) -> Box<dyn Duplex>) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(through(socket.try_clone().unwrap())), socket }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
        self.reader.get_mut().flush().unwrap();
        self
    }

    /// Sends as long as the server takes it; whether it took everything.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.reader.get_mut().write_all(bytes).is_ok()
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).answer()
    }

    pub(crate) fn post(&mut self, target: &str, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
        let (body, length) = (body.as_ref(), body.as_ref().len());
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.send(head).send(body).answer()
    }

    pub(crate) fn close_sending(&mut self) -> &mut Self {
        self.socket.shutdown(Shutdown::Write).unwrap();
        self
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("a broken line: {line:?}")).to_owned()
    }

    /// The status and headers of the next answer.
    pub(crate) fn head(&mut self) -> Answer {
        let status_line = self.line();
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Answer { status, headers, body: String::new(), bytes: 0 }
    }

    /// The next chunk of a chunked body; empty at its end.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let length = usize::from_str_radix(&self.line(), 16).unwrap();
        let bytes = self.bytes(length);
        assert_eq!(self.line(), "");
        bytes
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next answer, whole.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let body = if let Some(length) = answer.header("content-length") {
            let length = length.parse().unwrap();
            self.bytes(length)
        } else if answer.header("transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let chunk = self.chunk();
                if chunk.is_empty() {
                    break body;
                }
                body.extend(chunk);
            }
        } else {
            self.rest()
        };
        answer.bytes = body.len();
        answer.body = match answer.header("content-encoding") {
            None => String::from_utf8(body).unwrap(),
            Some(coding) => {
                assert_eq!((coding, answer.header("vary")), ("gzip", Some("accept-encoding")));
                let mut text = String::new();
                GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
                text
            }
        };
        answer
    }

    /// Everything until the server closes the connection properly.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The same, or nothing if the connection ends in another way.
    pub(crate) fn try_rest(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).ok().map(|_| bytes)
    }

    /// Asserts that the server closes the connection without another byte.
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest()), "");
    }
}
