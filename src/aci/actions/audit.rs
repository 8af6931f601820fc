//! GetIdentityAudit: what the audit of a clustering found, with its proof (contract R169-R172).
//!
//! **Beyond the contract.** The lists `severalpersons`, `duplicates`, `fragments`, `nobody` and `unsupported`; in every
//! finding `score`, `id` and `reason`; `owntypical`, `typical`, `mean` and `expected`. The order is that of the score. The
//! parameters `kinds`, `minscore`, `firstresult` and `totals`, by which a long audit is read page by page, and `decided`.

mod write;

pub use write::{About, Answered, Listed, element, write_audit};

use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, cut, fault};
use crate::aci::parameter::{optional, required};
use crate::aci::{Code, Fault, Form, Parameters, Role};
use crate::cluster::audit::Kind;
use crate::engine::{EngineError, ErrorKind, JobResult, JobView};
use crate::job::{Queue, State, Token};

/// The names of the lists.
const KINDS: &[&str] =
    &["misfiled", "sameperson", "severalpersons", "duplicates", "fragments", "nobody", "unsupported"];

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[Action {
    name: "GetIdentityAudit",
    about: "Lists the images that are probably under a wrong identifier, the identifiers that are probably one person or several, and the like, of a clustering with audit=true.",
    needs: Needs::Role(Role::Query),
    way: Way::AtOnce,
    parameters: &[
        required("token", Form::Token, "A FaceClustering job that has Finished."),
        optional("maxresults", Form::Integer(0, u64::MAX), "all", "At most so many findings in each list, the first."),
        optional("firstresult", Form::Integer(1, u64::MAX), "1", "The rank of the first finding in each list."),
        optional("kinds", Form::Choices(KINDS), "all", "Only these lists."),
        optional("minscore", Form::Score, "0", "Only findings with at least this score."),
        optional(
            "decided",
            Form::Boolean,
            "listed like others",
            "Findings that somebody has decided upon: false leaves them out, true names the decision.",
        ),
        optional(
            "totals",
            Form::Boolean,
            "false",
            "Say in each list how many findings there are, and how many have a score of at least 0.5.",
        ),
    ],
    answer: "identityaudit with misfiled: image, sameperson: pair, severalpersons: identity, duplicates: group, fragments: person, nobody: image, unsupported: image; each with rank, score (how probable it is, 0 to 1), id (the same in every run), reason, and the pairs that say so, (decision: id, kind); (total, likely)",
    example: example!("GetIdentityAudit", "/action=GetIdentityAudit&token={token}&maxresults=20"),
    prepare: Prepare::Elements(identity_audit),
}];

/// The kinds that are asked for.
fn kinds(p: &Parameters) -> Result<Option<Vec<Kind>>, Fault> {
    let Some(words) = p.list("kinds")? else { return Ok(None) };
    let kind = |word: &String| {
        let known = Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(word));
        known.ok_or_else(|| Fault::value("kinds", word, &format!("is not one of {}", KINDS.join(", "))))
    };
    words.iter().map(kind).collect::<Result<_, _>>().map(Some)
}

fn listed(p: &Parameters) -> Result<Listed, Fault> {
    let all = Listed::default();
    Ok(Listed {
        kinds: kinds(p)?.unwrap_or(all.kinds),
        first: p.integer("firstresult", 1..=u64::MAX)?.unwrap_or(all.first),
        most: p.integer("maxresults", 0..=u64::MAX)?.unwrap_or(all.most),
        least: p.score("minscore")?.unwrap_or(all.least),
        decided: p.boolean("decided")?.map_or(
            all.decided,
            |names| {
                if names { Answered::Named } else { Answered::LeftOut }
            },
        ),
        totals: p.boolean("totals")?.unwrap_or(all.totals),
    })
}

fn identity_audit<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (text, listed) = parameters.read(|p| Ok((p.text("token").unwrap_or_default().to_owned(), listed(p)?)))?;
    let not_known = || Fault::token_not_known(&text, Queue::FaceClustering.name());
    let token = Token::parse(&text).ok_or_else(not_known)?;
    let job = match actions.engine.find_job(Queue::FaceClustering, token) {
        Ok(job) => job,
        Err(error) if error.kind() == ErrorKind::Storage => return Err(fault(&error)),
        Err(_) => return Err(not_known()), // in the client's own words
    };
    let not_possible = |why: String| Fault::new(Code::StateNotPossible, format!("the job {token} {why}"));
    let (State::Finished, Some(JobResult::Clustering(outcome))) = (job.state, job.result()) else {
        return Err(not_possible(format!("has no audit: its status is {}", job.state)));
    };
    let reader = actions.engine.read_audit(token, outcome).map_err(|error| fault(&error))?;
    let mut reader = match reader {
        Some(reader) => reader,
        None if was_asked_for(&job) => {
            let text = format!("the audit of the job {token} is lost; a new clustering with audit=true makes it again");
            return Err(fault(&EngineError::new(ErrorKind::Storage, text)));
        }
        None => return Err(not_possible("has no audit: it was not asked for with audit=true".to_owned())),
    };
    let mut about = About { ids: reader.take_names(), chance: reader.chance(), decisions: Vec::new() };
    if listed.decided != Answered::Listed {
        about.decisions = actions.engine.decisions_on(&about.ids).map_err(|error| fault(&error))?;
    }
    Ok(Box::new(move |answer| {
        let written = write_audit(answer, about, &listed, &mut || reader.next_finding().map_err(cut));
        drop(job); // until here its result was not forgotten
        written
    }))
}

/// Whether the client that submitted the job asked for an audit of it.
fn was_asked_for(job: &JobView) -> bool {
    job.parameters().iter().any(|(name, value)| name == "audit" && value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_the_names_of_the_kinds() {
        assert_eq!(KINDS, Kind::ALL.map(Kind::name));
    }
}
