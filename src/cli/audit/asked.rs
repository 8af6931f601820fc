//! The audit of a job, asked for page by page, so that an answer stays short however much was found.

use serde_json::Value;

use super::super::client::Trouble;
use super::super::progress::Counter;
use crate::aci::actions::{Answered, Listed};
use crate::cluster::audit::Kind;
use crate::engine::Done;

/// So many findings of each kind are asked for at a time.
const PAGE: u64 = 500;

/// Asks for an action with these parameters.
type Ask<'a> = &'a dyn Fn(&str, &[(&str, &str)]) -> Result<Value, Trouble>;

/// The whole answer of GetIdentityAudit, put together of its pages.
pub(super) fn whole(ask: Ask<'_>, token: &str, listed: &Listed) -> Result<Value, Trouble> {
    let kinds: Vec<&str> = listed.kinds.iter().map(|kind| kind.name()).collect();
    let (kinds, least) = (kinds.join(","), listed.least.to_string());
    let names_decisions = (listed.decided == Answered::Named).to_string();
    let mut counter = Counter::new("reading", "findings");
    let (mut whole, mut n_read) = (Value::Null, 0);
    loop {
        let n = PAGE.min(listed.most - n_read);
        let (first, most) = ((n_read + 1).to_string(), n.to_string());
        let asked =
            [("token", token), ("kinds", &kinds), ("minscore", &least), ("firstresult", &first), ("maxresults", &most)];
        let page =
            ask("GetIdentityAudit", &[&asked[..], &[("decided", &*names_decisions), ("totals", "true")]].concat())?;
        n_read += n;
        let total = |kind: &Kind| page["identityaudit"][kind.name()]["total"].as_str().and_then(|n| n.parse().ok());
        let totals: Vec<u64> = listed.kinds.iter().filter_map(total).collect();
        let (done, all) = (totals.iter().map(|total| n_read.min(*total)).sum(), totals.iter().sum());
        counter.show(Done { n: done, total: Some(all) });
        append(&mut whole, page);
        if n_read >= listed.most || totals.iter().all(|total| *total <= n_read) {
            return Ok(whole);
        }
    }
}

/// Adds the lists of a page to those before.
fn append(whole: &mut Value, mut page: Value) {
    if whole.is_null() {
        *whole = page;
        return;
    }
    for (kind, list) in page["identityaudit"].as_object_mut().into_iter().flatten() {
        for (name, more) in list.as_object_mut().into_iter().flatten() {
            let before = &mut whole["identityaudit"][kind][name.as_str()];
            match (before.as_array_mut(), more.as_array_mut()) {
                (Some(before), Some(more)) => before.append(more),
                _ => *before = more.take(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    /// A server that knows so many findings of two kinds.
    fn answer(parameters: &[(&str, &str)], n: [u64; 2]) -> Value {
        let number = |name: &str| -> u64 {
            parameters.iter().find(|(it, _)| *it == name).map_or(0, |(_, value)| value.parse().unwrap())
        };
        let list = |n: u64| {
            let end = number("firstresult").saturating_add(number("maxresults")).min(n + 1);
            let ranks: Vec<_> = (number("firstresult")..end).map(|rank| json!({ "rank": rank })).collect();
            let mut list = json!({ "total": n.to_string() });
            if !ranks.is_empty() {
                list["image"] = ranks.into();
            }
            list
        };
        json!({ "identityaudit": { "misfiled": list(n[0]), "nobody": list(n[1]) } })
    }

    #[test]
    fn pages_are_put_together_and_no_more_is_asked_than_is_there() {
        let kinds = vec![Kind::Misfiled, Kind::Nobody];
        for (n, most, pages) in [
            ([0, 0], u64::MAX, 1),
            ([PAGE, 3], u64::MAX, 1),
            ([2, PAGE + 1], u64::MAX, 2),
            ([3 * PAGE, 2 * PAGE + 7], u64::MAX, 3),
            ([3 * PAGE, 9], PAGE + 4, 2),
            ([3 * PAGE, 9], 5, 1),
        ] {
            let asked = RefCell::new(Vec::new());
            let ask = |action: &str, parameters: &[(&str, &str)]| {
                asked.borrow_mut().push(action.to_owned());
                assert!(parameters.contains(&("kinds", "misfiled,nobody")) && parameters.contains(&("token", "t")));
                Ok(answer(parameters, n))
            };
            let listed = Listed { kinds: kinds.clone(), most, ..Listed::default() };
            let whole = whole(&ask, "t", &listed).unwrap();
            assert_eq!(asked.into_inner().len(), pages, "{n:?}");
            for (kind, n) in [("misfiled", n[0]), ("nobody", n[1])] {
                let list = &whole["identityaudit"][kind];
                let ranks = list["image"].as_array().into_iter().flatten().map(|it| it["rank"].as_u64().unwrap());
                assert!(ranks.eq(1..=n.min(most)), "{kind} of {n}: {list}");
                assert_eq!(list["total"], n.to_string());
            }
        }
    }
}
