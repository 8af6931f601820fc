//! Pictures in, embeddings out.
//!
//! ```text
//! bytes -> decode -> Picture -> detect -> faces -> choose -> face -> align -> crop -> embed -> embedding
//!            |                                        |                |                 |
//!            +-- unreadable, toolarge, nodata         |                +---- facts ------+-> warnings
//!                                                     +-- noface, severalfaces, toosmall
//! ```
//!
//! **Promises.** Same picture, same pack, same machine: the same bits, whatever runs beside it, for a picture is looked
//! at alone and on one thread. The number of pixels is judged from the header, before room is made for them. No bytes
//! make it panic. What is wrong with a picture is said as an [`Unusable`]; what is wrong with a model shows when its
//! pack is opened.
//!
//! **Not here.** Where pictures are stored, which images are trained and when: the jobs that do that call
//! [`Pipeline::look`] from as many threads as they were allowed.
//!
//! **Why five points.** An embedder was trained on faces turned, scaled and shifted so that eyes, nose and mouth corners
//! come to lie on a template; shown anything else it answers, and answers badly.
//!
//! ```
//! use std::path::Path;
//! use faceclique::face::FailReason;
//! use faceclique::vision::{LookError, MAX_IMAGE_PIXELS, Pack, Pipeline};
//!
//! let pipeline = Pipeline::open(Pack::open(Path::new("fixtures/packs/tiny"))?, MAX_IMAGE_PIXELS)?;
//! match pipeline.look(b"not a picture") {
//!     Ok(seen) => println!("{} numbers", seen.embedding.dimension()),
//!     Err(LookError::Unusable(unusable)) => assert_eq!(unusable.reason, FailReason::Unreadable),
//!     Err(broken) => return Err(broken.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod align;
mod apart;
mod choose;
mod decode;
mod depthwise;
mod detect;
mod embed;
mod facts;
mod install;
mod jpeg;
mod pack;
mod picture;
mod ready;
mod runtime;
mod shortcut;
mod unusable;

pub use apart::Apart;
pub use choose::Choice;
pub use detect::{Face, Landmarks, Point, Region};
pub use facts::{Facts, LowQuality, Quality, Warning};
pub use install::{InstallError, Namesake, install};
pub use pack::{ColourOrder, Description, DetectorPart, EmbedderPart, Pack, PackError};
pub use picture::Picture;
pub use ready::READY_PACKS;
pub use unusable::{LookError, Unusable};

use crate::confidence::ConfidenceScale;
use crate::face::Embedding;
use detect::Detector;
use embed::Embedder;
use runtime::{Lane, Lanes};

/// The most pixels of a picture that are decoded, if nothing else was said (contract R156).
pub const MAX_IMAGE_PIXELS: u64 = 100_000_000;

/// What was seen in a picture: one face.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What the model says of the face.
    pub embedding: Embedding,
    /// What can be measured of it.
    pub facts: Facts,
    /// What is weak about it, if the pack says that weak faces are trained.
    pub warnings: Vec<Warning>,
    /// The face as the embedder saw it.
    pub crop: Picture,
}

/// The way from a picture to an embedding, by the models of one [`Pack`]. Shared between threads; a call uses one.
#[derive(Debug)]
pub struct Pipeline {
    detector: Detector,
    embedder: Embedder,
    choice: Choice,
    quality: Quality,
    name: String,
    scale: ConfidenceScale,
    fingerprint: [u8; 32],
    max_pixels: u64,
    lanes: Lanes,
}

impl Pipeline {
    /// Loads the models and runs each once, so that one of the wrong shape is refused here and not in a job.
    pub fn open(pack: Pack, max_pixels: u64) -> Result<Self, PackError> {
        let lanes = Lanes::default();
        let lane = lanes.enter();
        let detector = Detector::open(&pack.detector, &pack.detector_model, &lane)?;
        let embedder = Embedder::open(&pack.embedder, &pack.embedder_model, &lane)?;
        drop(lane);
        let fingerprint = pack.fingerprint();
        let Pack { choice, quality, name, scale, .. } = pack;
        Ok(Self { detector, embedder, choice, quality, name, scale, fingerprint, max_pixels, lanes })
    }

    /// The name of the pack, which is the name of the embedding model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Equal for packs that make the same embedding of the same face; see [`Pack::fingerprint`].
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// How many numbers its embeddings have.
    pub fn dimension(&self) -> usize {
        self.embedder.dimension()
    }

    /// The scale from cosine to confidence for its embeddings.
    pub fn scale(&self) -> &ConfidenceScale {
        &self.scale
    }

    /// Where the landmarks lie in the square that the embedder is shown, and the side of that square in pixels.
    pub fn template(&self) -> (Landmarks, usize) {
        (*self.embedder.template(), self.embedder.side())
    }

    /// The one usable face of a picture (contract R148).
    pub fn look(&self, bytes: &[u8]) -> Result<Seen, LookError> {
        let picture = Picture::decode(bytes, self.max_pixels)?;
        let lane = self.lanes.enter();
        let faces = self.detector.faces(&picture, &lane)?;
        let face = self.choice.one(&faces)?;
        self.see(&picture, face, faces.len(), &lane)
    }

    /// Each face of a picture, the largest first; a face that is not usable with its reason. Empty if there are none.
    pub fn look_at_all(&self, bytes: &[u8]) -> Result<Vec<Result<Seen, Unusable>>, LookError> {
        let picture = Picture::decode(bytes, self.max_pixels)?;
        let lane = self.lanes.enter();
        self.see_all(&picture, &lane)
    }

    fn see_all(&self, picture: &Picture, lane: &Lane<'_>) -> Result<Vec<Result<Seen, Unusable>>, LookError> {
        let faces = self.detector.faces(picture, lane)?;
        let see = |face| match self.see(picture, face, faces.len(), lane) {
            Ok(seen) => Ok(Ok(seen)),
            Err(LookError::Unusable(unusable)) => Ok(Err(unusable)),
            Err(broken) => Err(broken),
        };
        faces.iter().map(see).collect()
    }

    fn see(&self, picture: &Picture, face: &Face, n_faces: usize, lane: &Lane<'_>) -> Result<Seen, LookError> {
        self.quality.large_enough(face)?;
        let crop = align::crop(picture, &face.landmarks, self.embedder.template(), self.embedder.side())?;
        let (embedding, norm) = self.embedder.embed(&crop, lane)?;
        let facts = Facts::measure(face, n_faces, &crop, norm);
        let warnings = self.quality.judge(&facts)?;
        Ok(Seen { embedding, facts, warnings, crop })
    }
}
