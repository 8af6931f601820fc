//! What was decided of faces and images (beyond the contract).

use super::faces::face_names;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, cut, fault, nothing};
use crate::aci::parameter::{depending, optional, required};
use crate::aci::{Answer, Code, Fault, Form, Parameters, Role};
use crate::engine::{DecisionInfo, NewDecision, Sequence, Subject, Verdict, Wanted};
use crate::face::{DatabaseName, Identifier, ImageLabel};

/// Decisions read at a time while a list is written.
const PER_PAGE: usize = 1_000;
/// The most bytes of a comment.
const COMMENT_BYTES: usize = 1_000;

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "AddDecision",
        about: "Keeps what somebody has decided: that two faces or images are not the same person, that they are, or that an image is filed rightly. It takes the place of an earlier decision on the same two.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            required("decision", Form::Choice(&["notsame", "same", "labelright"]), "What was decided."),
            required("database", Form::Name, "The database."),
            required("identifier", Form::Name, "The face."),
            depending("imagelabel", Form::Name, "all of the face; labelright needs it", "One image of it."),
            optional("otherdatabase", Form::Name, "that of the first", "The database of the other."),
            depending("otheridentifier", Form::Name, "required by notsame and same", "The other face."),
            optional("otherimagelabel", Form::Name, "all of the face", "One image of the other face."),
            optional("comment", Form::Text, "none", "Why, at most 1,000 bytes."),
        ],
        answer: "id, (replaced)",
        example: example!(
            "AddDecision",
            "/action=AddDecision&decision=notsame&database=people&identifier=JohnSmith&otheridentifier=JamesBond&comment=brothers"
        ),
        prepare: Prepare::Elements(add_decision),
    },
    Action {
        name: "ListDecisions",
        about: "Lists decisions, in the order in which they were made or the last first.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[
            optional("database", Form::Name, "all", "Only those about this database."),
            optional("identifier", Form::Name, "all", "Only those about this face of the database and its images."),
            optional("after", Form::Integer(0, u64::MAX), "0", "Only those with higher numbers than this."),
            optional("before", Form::Integer(1, u64::MAX), "all", "Only those with lower numbers than this."),
            optional("lastfirst", Form::Boolean, "false", "The last first."),
            optional("maxresults", Form::Integer(0, u64::MAX), "all", "At most so many."),
        ],
        answer: "decision with, for each: id, time, kind, database, identifier, (imagelabel), (otherdatabase, otheridentifier, (otherimagelabel)), (comment)",
        example: example!("ListDecisions", "/action=ListDecisions&database=people"),
        prepare: Prepare::Elements(list_decisions),
    },
    Action {
        name: "RemoveDecision",
        about: "Forgets a decision.",
        needs: Needs::Role(Role::Admin),
        way: Way::AtOnce,
        parameters: &[required("id", Form::Integer(1, u64::MAX), "Its number.")],
        answer: "nothing",
        example: example!("RemoveDecision", "/action=RemoveDecision&id=1"),
        prepare: Prepare::Elements(remove_decision),
    },
];

/// The decision that is asked for.
fn decision(p: &Parameters) -> Result<NewDecision, Fault> {
    let verdicts = Verdict::ALL.map(|verdict| (verdict.as_str(), verdict));
    let verdict = p.choice("decision", &verdicts)?.ok_or_else(|| Fault::missing("decision"))?;
    let (database, identifier) = face_names(p)?;
    let label = p.name("imagelabel", ImageLabel::new)?;
    let other = (
        p.name("otherdatabase", DatabaseName::new)?,
        p.name("otheridentifier", Identifier::new)?,
        p.name("otherimagelabel", ImageLabel::new)?,
    );
    let comment = p.text("comment").unwrap_or_default().to_owned();
    if comment.len() > COMMENT_BYTES {
        let why = format!("has {} bytes, at most {COMMENT_BYTES} are kept", comment.len());
        return Err(Fault::new(Code::ValueNotValid, format!("'comment' {why}")));
    }
    let second = match (verdict, other) {
        (Verdict::LabelRight, (None, None, None)) if label.is_none() => return Err(Fault::missing("imagelabel")),
        (Verdict::LabelRight, (None, None, None)) => None,
        (Verdict::LabelRight, _) => {
            let text = "'decision=labelright' is about one image; there is no other";
            return Err(Fault::new(Code::Contradiction, text));
        }
        (_, (_, None, _)) => return Err(Fault::missing("otheridentifier")),
        (_, (other, Some(identifier), label)) => {
            Some(Subject { database: other.unwrap_or_else(|| database.clone()), identifier, label })
        }
    };
    let first = Subject { database, identifier, label };
    if second.as_ref() == Some(&first) {
        let text = format!("'decision={}' is about two, and both are the same", verdict.as_str());
        return Err(Fault::new(Code::Contradiction, text));
    }
    Ok(NewDecision { verdict, first, second, comment })
}

fn add_decision<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let new = parameters.read(decision)?;
    let decided = actions.engine.decide(new).map_err(|error| fault(&error))?;
    Ok(Box::new(move |answer| {
        answer.value("id", decided.id)?;
        decided.replaced.map_or(Ok(()), |replaced| answer.value("replaced", replaced))
    }))
}

fn remove_decision<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let id = parameters.read(id)?;
    actions.engine.remove_decision(id).map_err(|error| fault(&error))?;
    Ok(nothing())
}

/// The number of a decision or a change.
pub(super) fn id(p: &Parameters) -> Result<u64, Fault> {
    p.integer("id", 1..=u64::MAX)?.ok_or_else(|| Fault::missing("id"))
}

fn list_decisions<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let (names, mut range, order, max) = parameters.read(|p| {
        let names = (p.name("database", DatabaseName::new)?, p.name("identifier", Identifier::new)?);
        if let (None, Some(_)) = names {
            return Err(Fault::missing("database"));
        }
        let after = p.integer("after", 0..=u64::MAX)?.unwrap_or(0);
        let range = (after, p.integer("before", 1..=u64::MAX)?);
        let is_last_first = p.boolean("lastfirst")?.unwrap_or(false);
        let order = if is_last_first { Sequence::LastToFirst } else { Sequence::FirstToLast };
        Ok((names, range, order, p.integer("maxresults", 0..=u64::MAX)?.unwrap_or(u64::MAX)))
    })?;
    let page = move |(after, before), max: u64| {
        let limit = PER_PAGE.min(usize::try_from(max).unwrap_or(usize::MAX));
        let wanted = Wanted { database: names.0.as_ref(), identifier: names.1.as_ref(), after, before, order };
        actions.engine.list_decisions(&wanted, limit)
    };
    let mut shown = page(range, max).map_err(|error| fault(&error))?;
    Ok(Box::new(move |answer| {
        let mut left = max;
        while let Some(last) = shown.last().map(|info| info.id) {
            shown.iter().try_for_each(|info| write_decision(actions, answer, info))?;
            left -= shown.len() as u64;
            match order {
                Sequence::FirstToLast => range.0 = last,
                Sequence::LastToFirst => range.1 = Some(last),
            }
            shown = page(range, left).map_err(cut)?;
        }
        Ok(())
    }))
}

fn write_decision(actions: &Actions, answer: &mut Answer<'_>, info: &DecisionInfo) -> std::io::Result<()> {
    let NewDecision { verdict, first, second, comment } = &info.decision;
    answer.open("decision")?;
    answer.value("id", info.id)?;
    answer.text("time", &actions.date(info.at))?;
    answer.text("kind", verdict.as_str())?;
    let names = ["database", "identifier", "imagelabel"];
    write_subject(answer, names, first)?;
    if let Some(second) = second {
        write_subject(answer, ["otherdatabase", "otheridentifier", "otherimagelabel"], second)?;
    }
    if !comment.is_empty() {
        answer.text("comment", comment)?;
    }
    answer.close("decision")
}

fn write_subject(answer: &mut Answer<'_>, names: [&'static str; 3], subject: &Subject) -> std::io::Result<()> {
    let [database, identifier, label] = names;
    answer.text(database, subject.database.as_str())?;
    answer.text(identifier, subject.identifier.as_str())?;
    subject.label.as_ref().map_or(Ok(()), |text| answer.text(label, text.as_str()))
}
