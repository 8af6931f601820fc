//! The findings of an audit as elements, kind by kind, for whoever has them: of a job, or of a run without one.

use std::io;

use super::super::clustering::percent;
use crate::aci::Answer;
use crate::cluster::audit::{Answers, Case, Chance, Cross, Evidence, Finding, Fit, Identities, Kind, Score};
use crate::engine::DecisionOn;
use crate::face::FaceId;

/// Which findings are listed, and what is said of them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The kinds that have a list.
    pub kinds: Vec<Kind>,
    /// The rank of the first one in each list, from 1.
    pub first: u64,
    /// At most so many in each list.
    pub most: u64,
    /// Only those with at least this score.
    pub least: Score,
    /// What becomes of those that somebody has decided upon.
    pub decided: Answered,
    /// Whether each list says how many there are with at least this score, listed or not, and how many of these are likely.
    pub totals: bool,
}

/// What becomes of a finding that somebody has decided upon, be it since it was made or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answered {
    /// It is listed as others are.
    #[default]
    Listed,
    /// It is left out.
    LeftOut,
    /// It is listed with the decision.
    Named,
}

/// What findings are about.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The faces, in image order.
    pub ids: Vec<FaceId>,
    /// What different people show by chance.
    pub chance: Chance,
    /// What is decided of the faces.
    pub decisions: Vec<DecisionOn>,
}

impl Default for Listed {
    fn default() -> Self {
        Self {
            kinds: Kind::ALL.to_vec(),
            first: 1,
            most: u64::MAX,
            least: Score::default(),
            decided: Answered::default(),
            totals: false,
        }
    }
}

/// What findings speak of.
struct Names {
    ids: Vec<FaceId>,
    identities: Identities,
    chance: Chance,
    decisions: Vec<DecisionOn>,
    answers: Answers,
}

/// Writes `identityaudit`. The findings are of these faces, and `next` gives them kind by kind, the highest score first.
pub fn write_audit(
    answer: &mut Answer<'_>,
    About { ids, chance, decisions }: About,
    listed: &Listed,
    next: &mut dyn FnMut() -> io::Result<Option<Finding>>,
) -> io::Result<()> {
    let on = |decision: &DecisionOn| (decision.first.clone(), decision.second.clone());
    let answers = Answers::new(decisions.iter().map(on).collect());
    let names = Names { identities: Identities::new(&ids), ids, chance, decisions, answers };
    answer.open("identityaudit")?;
    let mut following = next()?;
    for kind in Kind::ALL {
        let is_listed = listed.kinds.contains(&kind);
        if is_listed {
            answer.open(kind.name())?;
        }
        let (mut rank, mut likely, mut shown) = (0, 0, 0);
        while let Some(finding) = following.take_if(|finding| finding.case.kind() == kind) {
            let decision = if is_listed { names.decision(&finding, listed.decided) } else { None };
            let is_left_out = decision.is_some() && listed.decided == Answered::LeftOut;
            if is_listed && finding.score >= listed.least && !is_left_out {
                rank += 1;
                likely += u64::from(finding.score >= Score::LIKELY);
                if rank >= listed.first && shown < listed.most {
                    shown += 1;
                    names.write(answer, rank, &finding, decision)?;
                }
            }
            following = next()?;
        }
        if is_listed {
            if listed.totals {
                answer.value("total", rank)?;
                answer.value("likely", likely)?;
            }
            answer.close(kind.name())?;
        }
    }
    answer.close("identityaudit")
}

/// The element of a finding in the list of its kind.
pub fn element(kind: Kind) -> &'static str {
    match kind {
        Kind::Misfiled | Kind::Nobody | Kind::Unsupported => "image",
        Kind::SamePerson => "pair",
        Kind::SeveralPersons => "identity",
        Kind::Duplicates => "group",
        Kind::Fragments => "person",
    }
}

impl Names {
    /// The last decision upon a finding, if that matters.
    fn decision(&self, finding: &Finding, answered: Answered) -> Option<&DecisionOn> {
        if answered == Answered::Listed {
            return None;
        }
        self.answers.to(finding, &self.identities).map(|at| &self.decisions[at])
    }

    fn write(
        &self,
        answer: &mut Answer<'_>,
        rank: u64,
        finding: &Finding,
        decision: Option<&DecisionOn>,
    ) -> io::Result<()> {
        let name = element(finding.case.kind());
        answer.open(name)?;
        answer.value("rank", rank)?;
        match &finding.case {
            Case::Misfiled { face, own, suggested } => {
                self.image_with_own(answer, *face, Some(own))?;
                self.suggested(answer, suggested)?;
            }
            Case::Nobody { face, own } => self.image_with_own(answer, *face, Some(own))?,
            Case::Unsupported { face } => self.image_with_own(answer, *face, None)?,
            Case::SamePerson { first, second, cross } => {
                self.cross(answer, cross)?;
                for identity in [*first, *second] {
                    answer.open("identity")?;
                    self.identity(answer, identity)?;
                    answer.close("identity")?;
                }
            }
            Case::SeveralPersons { identity, parts, between } => {
                self.identity(answer, *identity)?;
                self.cross(answer, between)?;
                for part in parts {
                    answer.open("part")?;
                    self.images(answer, part)?;
                    answer.close("part")?;
                }
            }
            Case::Duplicates { faces, is_exact } => {
                answer.value("exact", is_exact)?;
                self.images(answer, faces)?;
            }
            Case::Fragments { clusters, images, between } => {
                answer.value("numimages", images)?;
                self.cross(answer, between)?;
                for cluster in clusters {
                    answer.value("cluster", u64::from(*cluster) + 1)?;
                }
            }
        }
        self.evidence(answer, finding)?;
        answer.value("score", finding.score)?;
        answer.text("id", &finding.id(&self.ids, &self.identities))?;
        answer.text("reason", &finding.reason(&self.ids, &self.identities))?;
        if let Some(DecisionOn { id, verdict, .. }) = decision {
            answer.open("decision")?;
            answer.value("id", id)?;
            answer.text("kind", verdict.as_str())?;
            answer.close("decision")?;
        }
        answer.close(name)
    }

    fn face(&self, answer: &mut Answer<'_>, face: u32) -> io::Result<()> {
        let id = &self.ids[face as usize];
        answer.text("database", id.database.as_str())?;
        answer.text("identifier", id.identifier.as_str())?;
        answer.text("imagelabel", id.label.as_str())
    }

    fn images(&self, answer: &mut Answer<'_>, faces: &[u32]) -> io::Result<()> {
        for &face in faces {
            answer.open("image")?;
            self.face(answer, face)?;
            answer.close("image")?;
        }
        Ok(())
    }

    fn identity(&self, answer: &mut Answer<'_>, identity: u32) -> io::Result<()> {
        let id = &self.ids[self.identities.faces(identity).start as usize];
        answer.text("database", id.database.as_str())?;
        answer.text("identifier", id.identifier.as_str())?;
        answer.value("numimages", self.identities.size(identity))
    }

    fn image_with_own(&self, answer: &mut Answer<'_>, face: u32, own: Option<&Fit>) -> io::Result<()> {
        self.face(answer, face)?;
        let Some(own) = own else { return Ok(()) };
        percent(answer, "ownshare", own.share())?;
        answer.value("ownimages", self.identities.size(own.identity))?;
        answer.value("ownbest", own.best)?;
        answer.value("owntypical", own.typical)
    }

    fn suggested(&self, answer: &mut Answer<'_>, fit: &Fit) -> io::Result<()> {
        answer.open("suggested")?;
        let id = &self.ids[self.identities.faces(fit.identity).start as usize];
        answer.text("database", id.database.as_str())?;
        answer.text("identifier", id.identifier.as_str())?;
        percent(answer, "share", fit.share())?;
        answer.value("numimages", self.identities.size(fit.identity))?;
        answer.value("best", fit.best)?;
        answer.value("typical", fit.typical)?;
        answer.close("suggested")
    }

    /// Pairs of two sides, and how many of them would reach the threshold if the two were different people.
    fn cross(&self, answer: &mut Answer<'_>, cross: &Cross) -> io::Result<()> {
        percent(answer, "share", cross.share())?;
        answer.value("best", cross.best)?;
        answer.value("mean", cross.mean)?;
        answer.value("matching", cross.reaching)?;
        answer.value("pairs", cross.compared)?;
        answer.value("expected", format_args!("{:.4}", self.chance.expected(cross.compared)))
    }

    /// The pairs that say so: of an image with others, or of two sides.
    fn evidence(&self, answer: &mut Answer<'_>, finding: &Finding) -> io::Result<()> {
        let subject = match finding.case {
            Case::Misfiled { face, .. } | Case::Nobody { face, .. } | Case::Unsupported { face } => Some(face),
            _ => None,
        };
        for &Evidence { first, second, confidence } in &finding.evidence {
            let name = if subject.is_some() { "match" } else { "link" };
            answer.open(name)?;
            answer.value("confidence", confidence)?;
            match subject {
                Some(subject) => self.face(answer, if first == subject { second } else { first })?,
                None => {
                    for face in [first, second] {
                        answer.open("face")?;
                        self.face(answer, face)?;
                        answer.close("face")?;
                    }
                }
            }
            answer.close(name)?;
        }
        Ok(())
    }
}
