//! What an audit finds: cases that a person should look at, each with its score and its evidence.
//!
//! Faces are spoken of by their index, identities by their number in image order ([`Identities`]), clusters by their
//! place in the output: names come in only where a finding is shown (`say`).
//!
//! [`Identities`]: super::Identities

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::confidence::{Confidence, Threshold};

/// How probable it is that a finding is an error, from 0 to 1 in ten-thousandths.
///
/// Calibrated on planted errors: of the findings with a score near s about a share s is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct Score(u16);

impl Score {
    /// 1.0000.
    pub const MAX: Self = Self(10_000);
    /// From here on a finding is more likely right than wrong: what is counted, and shown first.
    pub const LIKELY: Self = Self(5_000);

    /// The nearest to `probability`, which is cut to 0 and 1.
    pub fn of(probability: f64) -> Self {
        Self((probability.clamp(0.0, 1.0) * 10_000.0 + 0.5).floor() as u16)
    }

    /// In ten-thousandths, 0 to 10,000.
    pub fn ten_thousandths(self) -> u16 {
        self.0
    }
}

/// A text is not a [`Score`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is not a number from 0 to 1")]
pub struct ScoreError(String);

impl FromStr for Score {
    type Err = ScoreError;

    /// Reads digits, optionally with a point and more digits, at most 20 characters, blanks around them dropped (contract
    /// R15); from 0 to 1. What no score is equal to becomes the next higher one.
    fn from_str(text: &str) -> Result<Self, ScoreError> {
        let refuse = || ScoreError(text.to_owned());
        let number = text.trim_matches(' ');
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return Err(refuse()),
            parts => parts.unwrap_or((number, "")),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || number.len() > 20 || !all_digits(whole) || !all_digits(fraction) {
            return Err(refuse());
        }
        let digit = |at: usize| fraction.as_bytes().get(at).map_or(0, |byte| u64::from(byte - b'0'));
        let beyond = fraction.bytes().skip(4).any(|byte| byte != b'0');
        let part = (0..4).fold(0, |part, at| part * 10 + digit(at)) + u64::from(beyond);
        let whole: u64 = whole.parse().map_err(|_| refuse())?;
        let all = whole.saturating_mul(10_000).saturating_add(part);
        u16::try_from(all).ok().filter(|&all| all <= Self::MAX.0).map(Self).ok_or_else(refuse)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// A proven pair of faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct Evidence {
    /// One face.
    pub first: u32,
    /// The other.
    pub second: u32,
    /// The confidence of the pair.
    pub confidence: Confidence,
}

/// How an image fits the images of an identity other than itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct Fit {
    /// The identity.
    pub identity: u32,
    /// How many other images it has.
    pub images: u32,
    /// With how many of them the image was compared: all, unless they are more than [`MOST_COMPARED`].
    ///
    /// [`MOST_COMPARED`]: super::MOST_COMPARED
    pub compared: u32,
    /// How many of these reach the cluster threshold with it.
    pub reaching: u32,
    /// The highest confidence.
    pub best: Confidence,
    /// The mean of the better half of the confidences, which a few bad pictures of the identity do not lower.
    pub typical: Confidence,
}

impl Fit {
    /// The share that reaches the cluster threshold, in hundredths of a percent (contract R170).
    pub fn share(&self) -> u16 {
        share(u64::from(self.reaching), u64::from(self.compared))
    }
}

/// A share in hundredths of a percent, halves up; 0 of nothing.
pub fn share(part: u64, of: u64) -> u16 {
    if of == 0 { 0 } else { ((part * 20_000 + of) / (2 * of)) as u16 }
}

/// Pairs of images, one of one side and one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct Cross {
    /// How many pairs were compared: all, unless a side has more than [`MOST_COMPARED`] images.
    ///
    /// [`MOST_COMPARED`]: super::MOST_COMPARED
    pub compared: u64,
    /// How many of them reach the cluster threshold.
    pub reaching: u64,
    /// The highest confidence.
    pub best: Confidence,
    /// The mean confidence.
    pub mean: Confidence,
}

impl Cross {
    /// The share that reaches the cluster threshold, in hundredths of a percent.
    pub fn share(&self) -> u16 {
        share(self.reaching, self.compared)
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub enum Case {
    /// An image that is probably under the wrong identifier.
    Misfiled {
        /// The image.
        face: u32,
        /// How it fits the identity it is filed under.
        own: Fit,
        /// How it fits the one it probably belongs to.
        suggested: Fit,
    },
    /// Two identities that are probably one person.
    SamePerson {
        /// The smaller one.
        first: u32,
        /// The other.
        second: u32,
        /// Their pairs.
        cross: Cross,
    },
    /// An identity that probably holds several people.
    SeveralPersons {
        /// The identity.
        identity: u32,
        /// Its images by person, the largest part first.
        parts: Vec<Vec<u32>>,
        /// The pairs of its two largest parts.
        between: Cross,
    },
    /// Pictures that are one, or nearly.
    Duplicates {
        /// The images, in image order.
        faces: Vec<u32>,
        /// Whether their embeddings are equal, bit for bit.
        is_exact: bool,
    },
    /// Clusters that are probably one person, split because not every pair reaches the threshold.
    Fragments {
        /// The clusters, in output order, from 0.
        clusters: Vec<u32>,
        /// How many images they have together.
        images: u32,
        /// The pairs of images in different ones of them.
        between: Cross,
    },
    /// An image that fits neither its own identity nor another.
    Nobody {
        /// The image.
        face: u32,
        /// How it fits the identity it is filed under.
        own: Fit,
    },
    /// The only image of its identity, without a match: nothing speaks for its label, nothing against.
    Unsupported {
        /// The image.
        face: u32,
    },
}

impl Case {
    /// What kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Misfiled { .. } => Kind::Misfiled,
            Self::SamePerson { .. } => Kind::SamePerson,
            Self::SeveralPersons { .. } => Kind::SeveralPersons,
            Self::Duplicates { .. } => Kind::Duplicates,
            Self::Fragments { .. } => Kind::Fragments,
            Self::Nobody { .. } => Kind::Nobody,
            Self::Unsupported { .. } => Kind::Unsupported,
        }
    }
}

/// The kinds of findings, in the order of their lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`Case::Misfiled`].
    Misfiled,
    /// [`Case::SamePerson`].
    SamePerson,
    /// [`Case::SeveralPersons`].
    SeveralPersons,
    /// [`Case::Duplicates`].
    Duplicates,
    /// [`Case::Fragments`].
    Fragments,
    /// [`Case::Nobody`].
    Nobody,
    /// [`Case::Unsupported`].
    Unsupported,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Misfiled,
        Self::SamePerson,
        Self::SeveralPersons,
        Self::Duplicates,
        Self::Fragments,
        Self::Nobody,
        Self::Unsupported,
    ];

    /// The name of its list.
    pub fn name(self) -> &'static str {
        match self {
            Self::Misfiled => "misfiled",
            Self::SamePerson => "sameperson",
            Self::SeveralPersons => "severalpersons",
            Self::Duplicates => "duplicates",
            Self::Fragments => "fragments",
            Self::Nobody => "nobody",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A case with what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct Finding {
    /// How probable it is.
    pub score: Score,
    /// What it is.
    pub case: Case,
    /// The pairs that say so, the strongest first, at most [`MOST_EVIDENCE`](super::MOST_EVIDENCE).
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// How many faces, pairs and parts it names, about: what its size goes by.
    pub fn n_items(&self) -> usize {
        let named = match &self.case {
            Case::SeveralPersons { parts, .. } => parts.iter().map(Vec::len).sum(),
            Case::Duplicates { faces, .. } => faces.len(),
            Case::Fragments { clusters, .. } => clusters.len(),
            _ => 1,
        };
        named + self.evidence.len()
    }
}

/// What pairs of images of different identities show, most of which are different people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct Chance {
    /// How many such pairs there are.
    pub pairs: u64,
    /// How many of them reach the cluster threshold, as far as they were counted.
    pub reaching: u64,
}

impl Chance {
    /// How many of so many pairs of two different people are expected to reach the threshold.
    pub fn expected(&self, pairs: u64) -> f64 {
        if self.pairs == 0 { 0.0 } else { self.reaching as f64 / self.pairs as f64 * pairs as f64 }
    }
}

/// All findings of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The cluster threshold of the run.
    pub threshold: Threshold,
    /// What different people show by chance.
    pub chance: Chance,
    /// By kind, in the order of [`Kind::ALL`]; within a kind the highest score first.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// Those of a kind, the highest score first.
    pub fn of(&self, kind: Kind) -> &[Finding] {
        let start = self.findings.partition_point(|finding| finding.case.kind() < kind);
        let end = self.findings.partition_point(|finding| finding.case.kind() <= kind);
        &self.findings[start..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_read_as_it_is_shown() {
        for (text, expected) in
            [("0", 0), (" 1 ", 10_000), ("1.0000", 10_000), ("0.5", 5_000), ("0.00001", 1), ("00.9", 9_000)]
        {
            assert_eq!(text.parse(), Ok(Score(expected)), "{text}");
        }
        for at in [0, 1, 4_999, 9_999, 10_000] {
            assert_eq!(Score(at).to_string().parse(), Ok(Score(at)));
        }
        for text in [
            "",
            ".5",
            "1.",
            "1.00001",
            "2",
            "-0.1",
            "0,5",
            "1e-3",
            "NaN",
            "0.1234567890123456789",
            "99999999999999999999",
        ] {
            let refused = text.parse::<Score>().unwrap_err().to_string();
            assert_eq!(refused, format!("'{text}' is not a number from 0 to 1"));
        }
    }
}
