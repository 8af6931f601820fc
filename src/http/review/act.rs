//! What a form does: it asks for an action, as any client does.
//!
//! **Promises.** Only the actions of the page can be asked for, only by who has the role Admin (the action judges that
//! again), and only by a form of this process (`guard`).

use hyper::StatusCode;
use serde_json::{Value, json};

use super::Asked;
use super::made::{JSON, Made, Oops, find};
use crate::aci::{Outcome, ResponseFormat, Service};

/// The actions of the page.
const ACTIONS: [&str; 10] = [
    "FaceClustering",
    "QueueInfo",
    "AddDecision",
    "RemoveDecision",
    "MoveFaceImage",
    "MergeFaces",
    "SplitFace",
    "SetAsideFace",
    "SetAsideFaceImages",
    "UndoChange",
];

/// Does what a form asks for.
pub(super) fn act(asked: Asked, service: &dyn Service, may_change: bool) -> Result<Made, Oops> {
    let Asked { mut request, client, visit, is_script, .. } = asked;
    if !may_change {
        let text = "Changes need the role Admin, which this address lacks.";
        return Err(Oops::new(StatusCode::FORBIDDEN, "You may look, not change", text));
    }
    if !request.parameters.text("visit").is_some_and(|given| visit.knows(given)) {
        let text = "The form is not one that this server gave to this browser since it was started. \
                    Go back, load the page again, and repeat what you did.";
        return Err(Oops::new(StatusCode::FORBIDDEN, "This form is out of date", text));
    }
    let name = ACTIONS.into_iter().find(|name| name.eq_ignore_ascii_case(&request.action));
    let Some(name) = name else {
        return Err(Oops::new(StatusCode::BAD_REQUEST, "This is not possible", "The page has no such action."));
    };
    let back = request.parameters.text("back").filter(|back| is_here(back)).unwrap_or("/review").to_owned();
    request.format = ResponseFormat::SimpleJson;
    let mut answer = Vec::new();
    let outcome = service.answer(Ok(request), &client, &mut answer);
    let told: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let data = &told["autnresponse"]["responsedata"];
    match outcome {
        Ok(Outcome::Success) if is_script => {
            Ok(Made::new(JSON, json!({ "ok": true, "undo": undo(name, data) }).to_string()))
        }
        Ok(Outcome::Success) => {
            let job = data["token"].as_str().filter(|_| name == "FaceClustering");
            Ok(Made::elsewhere(&job.map_or(back, |token| format!("/review/job/{token}"))))
        }
        Ok(Outcome::Error(code)) => Err(Oops::refused(code, data)),
        Err(error) => {
            tracing::error!(%error, "an action asked for by the page has failed");
            Err(Oops::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "The action has failed."))
        }
    }
}

/// What takes an action back, if it can be taken back.
fn undo(action: &str, data: &Value) -> Option<Value> {
    let undoes = match action {
        "AddDecision" => "RemoveDecision",
        "MoveFaceImage" | "MergeFaces" | "SplitFace" | "SetAsideFace" | "SetAsideFaceImages" => "UndoChange",
        _ => return None,
    };
    let id = find(data, "id")?;
    Some(json!({ "action": undoes, "id": id }))
}

/// Whether a place to go back to is on this page, and nothing that a browser takes for elsewhere.
fn is_here(place: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._?&=%#".contains(&byte);
    (place == "/review" || place.starts_with("/review/")) && place.bytes().all(is_plain)
}
