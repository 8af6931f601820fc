//! A result at other thresholds, as a slider and as a sweep; and what was decided, page by page.

use crate::server::between;
use crate::{CSP, World, people};

/// The figures of a page about thresholds.
fn figures(page: &str) -> String {
    let shown = page.split("data-figures").nth(1).unwrap();
    between(shown, "<ul class=\"figures\">", "</ul>").to_owned()
}

/// The first cells of the rows of a sweep, from the threshold to the identities in several clusters.
fn rows(page: &str) -> Vec<Vec<String>> {
    let body = between(page.split("class=\"sweep\"").nth(1).unwrap(), "<tbody>", "</tbody>");
    let rows = body.split("<tr").skip(1).map(|row| {
        let cells = row.split(['<', '>']).filter(|piece| piece.starts_with(|c: char| c.is_ascii_digit()));
        cells.take(6).map(|cell| cell.trim_end_matches(" (this run)").to_owned()).collect()
    });
    rows.collect()
}

/// What the figures of a result say of itself, in the order of a row of a sweep behind the threshold.
fn own(world: &World, token: &str) -> Vec<String> {
    let figures = figures(&world.page(&format!("/review/result/{token}/threshold")));
    figures.split("<b>").skip(1).map(|piece| piece.split("</b>").next().unwrap().to_owned()).collect()
}

fn decide(world: &World, decision: &str, one: (&str, &str), other: (&str, &str)) {
    let about = |(face, label): (&str, &str), prefix: &str| {
        format!("&{prefix}identifier={}&{prefix}imagelabel={label}", face.replace(' ', "%20"))
    };
    let target =
        format!("/action=AddDecision&decision={decision}&database=people{}{}", about(one, ""), about(other, "other"));
    let (head, text) = world.get(&target);
    assert!(head.starts_with("HTTP/1.1 200 ") && text.contains("SUCCESS"), "{text}");
}

#[test]
fn other_thresholds_obey_what_the_run_obeyed() {
    let world = World::new();
    world.server.import("people", &people(6));
    decide(&world, "notsame", ("person 0", "0-0"), ("person 0", "0-1"));
    decide(&world, "same", ("person 2", "2-0"), ("person 3", "3-0"));
    decide(&world, "notsame", ("person 4", "4-0"), ("person 5", "5-0"));
    let run = |parameters: &str| world.clustered(&format!("database=people&outputthreshold=50&{parameters}"));
    let thresholds = ["51", "80", "97"];
    let obedient = thresholds.map(|at| run(&format!("clusterthreshold={at}&respectdecisions=true")));
    let free = thresholds.map(|at| run(&format!("clusterthreshold={at}")));
    for (tokens, words) in [(&obedient, Some("(3 decisions)")), (&free, None)] {
        for from in tokens {
            for (at, wanted) in thresholds.iter().zip(tokens) {
                let page = world.page(&format!("/review/result/{from}/threshold?at={at}"));
                let own = world.page(&format!("/review/result/{wanted}/threshold"));
                assert_eq!(figures(&page), figures(&own), "{at}");
                assert_eq!(page.contains("What was decided"), words.is_some(), "{page}");
                assert!(words.is_none_or(|words| page.contains(words)), "{page}");
            }
        }
    }
    let shown = [&obedient[1], &free[1]].map(|token| own(&world, token));
    assert_ne!(shown[0], shown[1], "the decisions matter");
}

#[test]
fn a_sweep_has_the_figures_of_runs_and_leads_to_a_new_one() {
    let world = World::new();
    world.server.import("people", &people(6));
    decide(&world, "notsame", ("person 0", "0-0"), ("person 0", "0-1"));
    let run = |at: &str| {
        world.clustered(&format!("database=people&outputthreshold=52&clusterthreshold={at}&respectdecisions=true"))
    };
    let token = run("80");
    let sweep = format!("/review/result/{token}/sweep");
    let (head, page) = world.get(&format!("{sweep}?from=53&to=98&step=9"));
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(CSP) && !page.contains(" style="), "{head}{page}");
    let rows = rows(&page);
    let thresholds: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(thresholds, ["53.00", "62.00", "71.00", "80.00", "89.00", "98.00"]);
    for row in &rows {
        let ran = own(&world, &run(&row[0]));
        // clusters, single images, images in the largest, several identities, identities in several
        assert_eq!(row[1..], ran, "{}", row[0]);
    }
    assert!(page.contains("80.00 (this run)") && page.matches("<svg").count() >= 3, "{page}");
    for figure in page.split("<figure class=\"curves\"").skip(1) {
        assert!(figure.contains("role=\"img\" aria-label=") && !figure.contains("NaN"), "{figure}");
    }

    let start = between(&page, "<td><a href=\"/review?", "\"").replace("&amp;", "&");
    let home = world.page(&format!("/review?{}", start.trim_end_matches("#new")));
    assert!(start.ends_with("#new") && home.contains("id=\"new\""), "{start}");
    assert!(home.contains("<option value=\"people\" selected>"), "{home}");
    for field in ["name=\"clusterthreshold\"", "name=\"outputthreshold\""] {
        let value = between(home.split(field).nth(1).unwrap(), "value=\"", "\"");
        assert_eq!(value, if field.contains("cluster") { "53.00" } else { "52" });
    }
    let job = world.page(&format!("/review/job/{token}"));
    assert!(job.contains(&format!("href=\"{sweep}\"")), "{job}");

    let (_, low) = world.get(&format!("{sweep}?from=10&to=60&step=5"));
    assert!(low.contains("Thresholds from 52.00 on") && self::rows(&low)[0][0] == "52.00", "{low}");
    for (query, says) in
        [("from=80&to=60", "no range"), ("step=0", "step=0"), ("step=0.01", "at most 101"), ("to=x", "to=x")]
    {
        let (head, text) = world.get(&format!("{sweep}?{query}"));
        assert!(head.starts_with("HTTP/1.1 400 ") && text.contains(says), "{query}: {head}{text}");
    }
}

#[test]
fn who_may_only_look_sees_a_sweep_and_starts_nothing() {
    let world = World::for_readers();
    let token = world.jobs().remove(0);
    let page = world.page(&format!("/review/result/{token}/sweep"));
    assert!(!rows(&page).is_empty() && !page.contains("/review?database="), "{page}");
}

#[test]
fn decisions_are_listed_from_the_last_to_the_first_page_by_page() {
    let world = World::new();
    world.server.import("people", &people(30));
    for at in 1..=120 {
        let (one, image) = ((at - 1) / 4, at % 4);
        let filed = if image == 3 { (one + 1) % 30 } else { one };
        let (_, text) = world.get(&format!(
            "/action=AddDecision&decision=labelright&database=people&identifier=person%20{filed}&imagelabel={one}-{image}&comment=no-{at}."
        ));
        assert!(text.contains("SUCCESS"), "{text}");
    }
    let (mut seen, mut target, mut n_pages) = (Vec::new(), "/review/decisions".to_owned(), 0);
    loop {
        let page = world.page(&target);
        n_pages += 1;
        assert!(page.len() <= 100_000, "{target} has {} bytes", page.len());
        seen.extend(page.split(">no-").skip(1).map(|text| text.split('.').next().unwrap().parse::<usize>().unwrap()));
        assert_eq!(page.contains("rel=\"prev\""), n_pages > 1, "{page}");
        if !page.contains("rel=\"next\"") {
            break;
        }
        target = between(page.split("rel=\"next\"").nth(1).unwrap(), "href=\"", "\"").replace("&amp;", "&");
        target.truncate(target.find('#').unwrap());
    }
    assert_eq!(seen, (1..=120).rev().collect::<Vec<_>>());
    assert_eq!(n_pages, 3);
    assert!(
        world.page("/review/decisions?decisions=x&changes=0").contains("no-120."),
        "what is no number is the beginning"
    );
}

#[test]
fn changes_are_listed_from_the_last_to_the_first_page_by_page() {
    let world = World::new();
    world.server.import("people", &people(3));
    for at in 0..60 {
        let (from, to) = if at % 2 == 0 { (0, 2) } else { (2, 0) };
        let (_, text) = world.get(&format!(
            "/action=MoveFaceImage&database=people&identifier=person%20{from}&imagelabel=0-0&newidentifier=person%20{to}&undoable=true"
        ));
        assert!(text.contains("SUCCESS"), "{text}");
    }
    let first = world.page("/review/decisions");
    let next = between(first.split("rel=\"next\"").nth(1).unwrap(), "href=\"", "#").replace("&amp;", "&");
    let second = world.page(&next);
    let ids = |page: &str| -> Vec<u64> {
        let pieces = page.split("name=\"id\" value=\"").skip(1);
        pieces.map(|piece| piece.split('"').next().unwrap().parse().unwrap()).collect()
    };
    let all = [ids(&first), ids(&second)].concat();
    assert_eq!((ids(&first).len(), all.len()), (50, 60));
    assert!(all.windows(2).all(|two| two[0] > two[1]), "{all:?}");
}
