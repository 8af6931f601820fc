//! Multipart bodies: parts into an intake (contract R22-R25).
//!
//! **Promises.** A part is read as it comes; of the body no more than a piece and the head of a part is in memory,
//! though multer would take in the whole of it before it gives back the first part: see [`Meter`].

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt as _;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap};
use multer::{Field, Multipart};

use super::body::{BodyError, on_disk};
use super::header::Tagged;
use crate::aci::intake::Intake;
use crate::aci::{Alphabet, Base64, Fault, Kind};

/// The bytes between two parts, headers included, are at most so many.
const MAX_HEAD: usize = 64 << 10;

/// Reads the parts of `stream` into `intake`.
pub(crate) async fn receive<S>(stream: S, boundary: String, intake: &mut Intake) -> Result<(), BodyError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
{
    let meter = Arc::new(Meter::default());
    let mut multipart = Multipart::new(Metered { stream, meter: Arc::clone(&meter) }, boundary);
    while let Some(field) = multipart.next_field().await.map_err(unwrapped)? {
        meter.progress();
        let head = Head::of(field.headers());
        let disposition = field.headers().get(CONTENT_DISPOSITION).map(|value| Tagged::parse(value.as_bytes()));
        let name = disposition.as_ref().and_then(|disposition| disposition.parameter("name"));
        let name = name.ok_or_else(|| Fault::undecodable("a part of the body has no name"))?.to_vec();
        let kind = Kind::of(&String::from_utf8_lossy(&name).to_ascii_lowercase());
        match &head.media {
            Some(media) if kind == Kind::Picture && media.word == "multipart/mixed" => {
                let boundary = self::boundary(media)?;
                let pieces = pieces(field, &meter);
                receive_mixed(pieces, boundary, &name, intake).await?;
            }
            _ => receive_part(pieces(field, &meter), head, name, intake).await?,
        }
    }
    Ok(())
}

/// Reads the parts of a nested `multipart/mixed`, each a value of `name`.
async fn receive_mixed<S>(stream: S, boundary: String, name: &[u8], intake: &mut Intake) -> Result<(), BodyError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
{
    let meter = Arc::new(Meter::default());
    let mut multipart = Multipart::new(Metered { stream, meter: Arc::clone(&meter) }, boundary);
    while let Some(field) = multipart.next_field().await.map_err(unwrapped)? {
        meter.progress();
        let head = Head::of(field.headers());
        if head.media.as_ref().is_some_and(|media| media.word.starts_with("multipart/")) {
            return Err(Fault::undecodable("a multipart body inside a nested multipart body is not understood").into());
        }
        receive_part(pieces(field, &meter), head, name.to_vec(), intake).await?;
    }
    Ok(())
}

async fn receive_part<S>(mut pieces: S, head: Head, name: Vec<u8>, intake: &mut Intake) -> Result<(), BodyError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Unpin,
{
    let not_base64 = || Fault::undecodable("a part with Content-Transfer-Encoding base64 is not base64");
    let mut decoder = match head.encoding.as_str() {
        "" | "binary" | "8bit" | "7bit" => None,
        "base64" => Some(Base64::new(Alphabet::Mime)),
        other => return Err(Fault::not_understood("a part with Content-Transfer-Encoding", other).into()),
    };
    intake.begin(name, head.content_type)?;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        match &mut decoder {
            None => on_disk(intake, piece.len(), |intake| intake.push(&piece))?,
            Some(decoder) => {
                let bytes = decoder.push(&piece).map_err(|_| not_base64())?;
                on_disk(intake, bytes.len(), |intake| intake.push(&bytes))?;
            }
        }
    }
    if let Some(decoder) = decoder {
        intake.push(&decoder.finish().map_err(|_| not_base64())?)?;
    }
    Ok(intake.end()?)
}

/// The boundary that a Content-Type names.
pub(crate) fn boundary(media: &Tagged) -> Result<String, Fault> {
    let missing = || Fault::undecodable("the Content-Type of a multipart body names no boundary");
    let boundary = media.parameter("boundary").filter(|boundary| !boundary.is_empty()).ok_or_else(missing)?;
    String::from_utf8(boundary.to_vec()).map_err(|_| missing())
}

/// What the headers of a part say.
struct Head {
    content_type: Option<String>,
    media: Option<Tagged>,
    /// The Content-Transfer-Encoding in lower case, or nothing.
    encoding: String,
}

impl Head {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let content_type = text(CONTENT_TYPE.as_str());
        let media = content_type.as_ref().map(|value| Tagged::parse(value.as_bytes()));
        let encoding = text("content-transfer-encoding").unwrap_or_default().trim().to_ascii_lowercase();
        Self { content_type, media, encoding }
    }
}

/// The content of a part; each piece is reported to the meter.
fn pieces<'f>(
    field: Field<'f>,
    meter: &Arc<Meter>,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + use<'f> {
    let meter = Arc::clone(meter);
    field.map(move |piece| {
        meter.progress();
        piece.map_err(unwrapped)
    })
}

/// How far the reader of a multipart body has come.
///
/// Whenever it is asked for a part, multer takes in what its stream has ready, before it looks at what it has
/// already; and it looks for the end of a head for as long as there is a body. So the stream pauses once whenever
/// something was found, and fails when nothing is found for too long.
#[derive(Debug, Default)]
struct Meter {
    /// Bytes given since something was found.
    since: AtomicUsize,
    pause: AtomicBool,
}

impl Meter {
    fn progress(&self) {
        self.since.store(0, Ordering::Relaxed);
        self.pause.store(true, Ordering::Relaxed);
    }
}

struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
}

impl<S: Stream<Item = Result<Bytes, BodyError>> + Unpin> Stream for Metered<S> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.meter.pause.swap(false, Ordering::Relaxed) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.meter.since.load(Ordering::Relaxed) > MAX_HEAD {
            let reason = format!("between two parts of the body are more than {MAX_HEAD} bytes");
            return Poll::Ready(Some(Err(Fault::undecodable(reason).into())));
        }
        let piece = ready!(self.stream.poll_next_unpin(cx));
        if let Some(Ok(piece)) = &piece {
            self.meter.since.fetch_add(piece.len(), Ordering::Relaxed);
            self.meter.pause.store(true, Ordering::Relaxed);
        }
        Poll::Ready(piece)
    }
}

/// What went wrong, taken out of the wrapping of one or two multipart readers.
fn unwrapped(error: multer::Error) -> BodyError {
    let reason = match error {
        multer::Error::StreamReadFailed(inner) => match inner.downcast::<BodyError>() {
            Ok(error) => return *error,
            Err(_) => return BodyError::Broken,
        },
        multer::Error::IncompleteFieldData { .. } | multer::Error::IncompleteStream => "its end is missing",
        _ => "the head of a part is not understood",
    };
    Fault::undecodable(format!("the multipart body cannot be read: {reason}")).into()
}
