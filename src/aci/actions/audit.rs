//! GetIdentityAudit: what the audit of a clustering found, with its proof (contract R169-R172).
//!
//! **Beyond the contract.** The lists `severalpersons`, `duplicates`, `fragments`, `nobody` and `unsupported`; in every
//! finding `score`, `id` and `reason`; `owntypical`, `typical`, `mean` and `expected`. The order is that of the score.

use std::io;

use super::clustering::percent;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, cut, fault};
use crate::aci::parameter::{optional, required};
use crate::aci::{Answer, Code, Fault, Form, Parameters, Role};
use crate::cluster::audit::{Case, Chance, Cross, Evidence, Finding, Fit, Identities, Kind};
use crate::engine::{AuditReader, JobResult};
use crate::face::FaceId;
use crate::job::{Queue, State, Token};

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[Action {
    name: "GetIdentityAudit",
    about: "Lists the images that are probably under a wrong identifier, the identifiers that are probably one person or several, and the like, of a clustering with audit=true.",
    needs: Needs::Role(Role::Query),
    way: Way::AtOnce,
    parameters: &[
        required("token", Form::Token, "A FaceClustering job that has Finished."),
        optional("maxresults", Form::Integer(0, u64::MAX), "all", "At most so many findings in each list, the first."),
    ],
    answer: "identityaudit with misfiled: image, sameperson: pair, severalpersons: identity, duplicates: group, fragments: person, nobody: image, unsupported: image; each with rank, score (how probable it is, 0 to 1), id (the same in every run), reason, and the pairs that say so",
    example: example!("GetIdentityAudit", "/action=GetIdentityAudit&token={token}&maxresults=20"),
    prepare: Prepare::Elements(identity_audit),
}];

fn identity_audit<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (text, max) = parameters
        .read(|p| Ok((p.text("token").unwrap_or_default().to_owned(), p.integer("maxresults", 0..=u64::MAX)?)))?;
    let known = Token::parse(&text).and_then(|token| actions.engine.job(Queue::FaceClustering, token));
    let job = known.ok_or_else(|| Fault::token_not_known(&text, Queue::FaceClustering.name()))?;
    let token = job.token;
    let not_possible = |why: String| Fault::new(Code::StateNotPossible, format!("the job {token} {why}"));
    let (State::Finished, Some(JobResult::Clustering(outcome))) = (job.state, job.result()) else {
        return Err(not_possible(format!("has no audit: its status is {}", job.state)));
    };
    let reader = actions.engine.read_audit(token, outcome).map_err(|error| fault(&error))?;
    let mut reader =
        reader.ok_or_else(|| not_possible("has no audit: it was not asked for with audit=true".to_owned()))?;
    Ok(Box::new(move |answer| {
        let written = write_audit(answer, &mut reader, max.unwrap_or(u64::MAX));
        drop(job); // until here its result was not forgotten
        written
    }))
}

/// What findings speak of.
struct Names {
    ids: Vec<FaceId>,
    identities: Identities,
    chance: Chance,
}

fn write_audit(answer: &mut Answer<'_>, reader: &mut AuditReader<'_>, max: u64) -> io::Result<()> {
    let ids = reader.take_names();
    let names = Names { identities: Identities::new(&ids), ids, chance: reader.chance() };
    answer.open("identityaudit")?;
    let mut next = reader.next_finding().map_err(cut)?;
    for kind in Kind::ALL {
        answer.open(kind.name())?;
        let mut rank = 0;
        while let Some(finding) = next.take_if(|finding| finding.case.kind() == kind) {
            rank += 1;
            if rank <= max {
                names.write(answer, rank, &finding)?;
            }
            next = reader.next_finding().map_err(cut)?;
        }
        answer.close(kind.name())?;
    }
    answer.close("identityaudit")
}

/// The element of a finding in the list of its kind.
fn element(kind: Kind) -> &'static str {
    match kind {
        Kind::Misfiled | Kind::Nobody | Kind::Unsupported => "image",
        Kind::SamePerson => "pair",
        Kind::SeveralPersons => "identity",
        Kind::Duplicates => "group",
        Kind::Fragments => "person",
    }
}

impl Names {
    fn write(&self, answer: &mut Answer<'_>, rank: u64, finding: &Finding) -> io::Result<()> {
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
