//! Which page a path is.

use super::frame::View;
use super::made::{HTML, JSON, Made, Oops};
use super::{
    Asked, Held, act, assets, audit, cluster, compare, done, export, home, job, picture, report, result, sweep,
    threshold,
};
use crate::aci::Service;
use hyper::{Method, StatusCode};
use maud::Markup;

/// A page, or why there is none.
pub(super) type Paged = Result<Markup, Oops>;

/// Makes what is asked for.
pub(super) fn make(mut asked: Asked, service: &dyn Service, held: &Held) -> Made {
    let path = std::mem::take(&mut asked.path);
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    if let [name] = steps[..]
        && let Some(asset) = assets::asset(name, asked.known.as_deref())
    {
        return asset;
    }
    let desk = match service.desk(&asked.client) {
        Ok(desk) => desk,
        Err(fault) => return Oops::of(&fault).page(None),
    };
    if asked.method == Method::POST {
        let is_script = asked.is_script;
        let may_change = desk.may_change();
        let cookie = asked.visit.cookie.clone();
        let done = if steps == ["act"] { act::act(asked, service, may_change) } else { Err(no_form()) };
        return done.unwrap_or_else(|oops| if is_script { oops.json() } else { oops.page(None).cookie(cookie) });
    }
    let view = View { desk, asked: &asked, service, held };
    let made = match steps[..] {
        ["jobs.json"] => Ok(Made::new(JSON, job::live(&view))),
        ["image", token, face] => picture::picture(&view, token, face),
        ["result", token, "export.csv"] => export::csv(&view, token),
        ["result", token, "export.json"] => export::json(&view, token),
        ["result", token, "report.html"] => report::file(&view, token),
        ["result", token, "threshold.json"] => threshold::live(&view, token),
        _ => page(&view, &steps).map(|page| Made::new(HTML, page.into_string())),
    };
    made.unwrap_or_else(|oops| oops.page(Some(&view))).cookie(asked.visit.cookie.clone())
}

fn page(view: &View<'_>, steps: &[&str]) -> Paged {
    match *steps {
        [] => home::page(view),
        ["decisions"] => done::page(view),
        ["job", token] => job::page(view, token),
        ["result", token] => result::page(view, token),
        ["result", token, "cluster", number] => cluster::page(view, token, number),
        ["result", token, "audit"] => audit::page(view, token),
        ["result", token, "threshold"] => threshold::page(view, token),
        ["result", token, "sweep"] => sweep::page(view, token),
        ["result", token, "changes"] => compare::page(view, token),
        _ => Err(Oops::not_found("The address leads nowhere; it may be mistyped, or of another version.")),
    }
}

fn no_form() -> Oops {
    Oops::new(StatusCode::METHOD_NOT_ALLOWED, "Nothing is changed here", "Forms are sent to /review/act only.")
}
