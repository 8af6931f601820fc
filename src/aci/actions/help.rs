//! The reference: every action explained, from the rows that the dispatcher goes by.
//!
//! Three ways to read one text: the action Help, `faceclique help`, and the page in the docs.

use std::fmt::Write as _;

use super::offered::find;
use super::table::{Action, Way};
use super::{Actions, Caller, Write, offered, offered_on_service_port};
use crate::aci::{COMMON, Fault, Need, Parameter, Parameters, QUEUED};

/// Help: all actions in a line each, or one in full.
pub(super) fn help<'a>(_: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let asked = parameters.read(|p| Ok(p.text("helpaction").map(str::to_owned)))?;
    let Some(asked) = asked else {
        return Ok(Box::new(|answer| {
            answer.open("actions")?;
            for action in offered() {
                answer.open("action")?;
                answer.text("name", action.name)?;
                answer.text("about", action.about)?;
                answer.close("action")?;
            }
            answer.close("actions")
        }));
    };
    let action = find(&asked)?;
    Ok(Box::new(move |answer| {
        answer.text("name", action.name)?;
        answer.text("about", action.about)?;
        answer.value("needs", action.needs)?;
        if let Way::Queued(queue) = action.way {
            answer.text("queue", queue.name())?;
        }
        answer.open("parameters")?;
        for parameter in action.all_parameters() {
            answer.open("parameter")?;
            answer.text("name", parameter.name)?;
            answer.value("form", parameter.form)?;
            answer.text("need", &need(parameter))?;
            answer.text("about", parameter.about)?;
            answer.close("parameter")?;
        }
        answer.close("parameters")?;
        answer.text("answer", action.answer)?;
        answer.text("example", action.example.request)
    }))
}

fn need(parameter: &Parameter) -> String {
    match parameter.need {
        Need::Required => "required".to_owned(),
        Need::Default(default) => format!("default: {default}"),
        Need::Depends(when) => when.to_owned(),
    }
}

/// Every action in a line, for a terminal.
pub fn summary() -> String {
    let width = offered().map(|action| action.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (title, mut actions) in ports() {
        let _ = writeln!(text, "On the {title}:"); // writing to a String cannot fail
        actions.sort_by_key(|action| action.name);
        for action in actions {
            let _ = writeln!(text, "  {:width$}  {}", action.name, action.about);
        }
    }
    text
}

/// The actions of each port.
fn ports() -> [(&'static str, Vec<&'static Action>); 2] {
    [("ACI port", offered().collect()), ("service port", offered_on_service_port().collect())]
}

/// One action in full, for a terminal, or why there is none. A name on both ports is that of the ACI port.
pub fn shown(name: &str) -> Result<String, Fault> {
    let on_service_port = || offered_on_service_port().find(|action| action.name.eq_ignore_ascii_case(name));
    let action = find(name).or_else(|fault| on_service_port().ok_or(fault))?;
    let mut text = format!("{}\n\n{}\n\n", action.name, action.about);
    let way = match action.way {
        Way::AtOnce => "answered when it is done".to_owned(),
        Way::Queued(queue) => format!("a job of the queue {queue}; answered with its token"),
    };
    let _ = writeln!(text, "Needs the role {}; {way}.\n", action.needs);
    let width = action.all_parameters().map(|parameter| parameter.name.len()).max().unwrap_or(0);
    let mut list = |title: &str, parameters: &[Parameter]| {
        let _ = writeln!(text, "{title}");
        for parameter in parameters {
            let _ = writeln!(text, "  {:width$}  {} ({})", parameter.name, parameter.form, need(parameter));
            let _ = writeln!(text, "  {:width$}  {}", "", parameter.about);
        }
        let _ = writeln!(text);
    };
    if !action.parameters.is_empty() {
        list("Parameters", action.parameters);
    }
    if action.way != Way::AtOnce {
        list("Parameters of every queued action", &QUEUED);
    }
    list("Parameters of every action", &COMMON);
    let _ = writeln!(text, "Answer\n  {}\n", action.answer);
    let _ = writeln!(text, "Example\n  {}\n\n  {}", action.example.request, action.example.body());
    Ok(text)
}

/// The page in the docs: all actions, in Markdown.
pub fn page() -> String {
    let mut text = String::from(
        "This page is made from the table that the server goes by \
         (`make fixtures` writes it anew).\n\n",
    );
    text.push_str("Every action takes these parameters:\n\n");
    table(&mut text, &COMMON);
    text.push_str("Every queued action takes these besides:\n\n");
    table(&mut text, &QUEUED);
    for (title, mut actions) in ports() {
        let _ = writeln!(text, "# The {title}\n");
        actions.sort_by_key(|action| action.name);
        for action in actions {
            page_of(&mut text, action);
        }
    }
    text
}

/// An action in Markdown.
fn page_of(text: &mut String, action: &Action) {
    let _ = writeln!(text, "## {}\n\n{}\n", action.name, action.about);
    let way = match action.way {
        Way::AtOnce => String::new(),
        Way::Queued(queue) => format!(" A job of the queue `{queue}`: answered with its token."),
    };
    let _ = writeln!(text, "Needs the role {}.{way}\n", action.needs);
    if !action.parameters.is_empty() {
        table(text, action.parameters);
    }
    let _ = writeln!(text, "Answer: {}.\n", action.answer);
    let (request, answer) = (action.example.request, action.example.body());
    let _ = writeln!(text, "```text\n{request}\n```\n\n```text\n{answer}\n```\n");
}

/// Parameters as a table in Markdown.
fn table(text: &mut String, parameters: &[Parameter]) {
    text.push_str("| parameter | value | | |\n|---|---|---|---|\n");
    for parameter in parameters {
        let (name, form, about) = (parameter.name, parameter.form, parameter.about);
        let _ = writeln!(text, "| `{name}` | {form} | {} | {about} |", need(parameter));
    }
    text.push('\n');
}
