//! The whole story, over the real server and the drawn database with its planted errors: a job with an audit, findings
//! decided by the forms of the page, one of them taken back, the job once more, and what has become of it.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;

use faceclique::demo::{DIMENSION, KNOTS, MODEL, Plan, SEED};

use crate::World;
use crate::forms::{Form, forms, ids, part};
use crate::server::{Server, wait_for};

/// Pixels of a side of a portrait.
const SIDE: usize = 96;

/// The drawn database behind a server that nobody has asked for anything.
pub(crate) fn world() -> (World, Plan) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::new(SEED);
    let file = folder.path().join("people.jsonl");
    plan.write(&file, SIDE, NonZeroUsize::new(2).unwrap(), &mut |_| {}).unwrap();
    let config = folder.path().join("faceclique.toml");
    let knots = KNOTS.map(|(cosine, confidence)| format!("[{cosine:?}, {confidence:?}]")).join(", ");
    let model = format!("[[models]]\nname = \"{MODEL}\"\ndimension = {DIMENSION}\nknots = [{knots}]\n");
    fs::write(&config, model).unwrap();
    let server = Server::start_with(&folder.path().join("data"), &["--config", config.to_str().unwrap()]);
    let target = "/action=ImportFaceDatabase&database=people&format=jsonl&synchronous=true";
    let answer = server.post(target, &[("dbdata", "", &fs::read(file).unwrap())]);
    assert!(answer.contains("SUCCESS"), "{answer}");
    (World { server, _folder: folder }, plan)
}

/// A person with a browser, but without its script.
struct Visitor<'w> {
    world: &'w World,
    cookie: String,
}

impl Visitor<'_> {
    /// Sends a form as the script does, with what was filled in; what takes it back, if something does.
    fn send(&self, form: &Form, filled: &[(&str, &str)]) -> Option<Form> {
        let (head, text) =
            self.world.post(&format!("{}Accept: application/json\r\n", self.cookie), &form.encoded(filled));
        assert!(head.starts_with("HTTP/1.1 200 "), "{form:?}: {head}{text}");
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        let undo = told["undo"].as_object()?;
        let text = |name: &str| (name.to_owned(), undo[name].as_str().unwrap().to_owned());
        Some(Form::of(vec![text("action"), text("id"), ("visit".to_owned(), form.value("visit").to_owned())]))
    }

    fn page(&self, target: &str) -> String {
        let (head, text) = self.world.ask("GET", target, &self.cookie, "");
        assert!(head.starts_with("HTTP/1.1 200 "), "{target}: {head}");
        text
    }

    /// Starts a clustering by a form and waits for its end; its token.
    fn run(&self, form: &Form, filled: &[(&str, &str)]) -> String {
        self.send(form, filled);
        let token = self.world.jobs().remove(0);
        wait_for(|| {
            let text = self.page(&format!("/review/job/{token}"));
            if text.contains("Look at the result") { Ok(()) } else { Err(text) }
        });
        token
    }
}

#[test]
fn what_is_decided_about_planted_errors_is_gone_in_the_next_run_and_what_is_taken_back_is_not() {
    let (world, plan) = world();
    let (cookie, _) = world.visit();
    let visitor = Visitor { world: &world, cookie };
    let home = forms(&visitor.page("/review"));
    let start = home.iter().find(|form| form.value("action") == "FaceClustering").unwrap();
    assert_eq!(start.value("audit"), "true", "the audit is offered as what one wants");
    let first = visitor.run(start, &[("clusterthreshold", "50"), ("outputthreshold", "40")]);
    let audit = |token: &str, kind: &str| format!("/review/result/{token}/audit?kind={kind}");

    // Two wrong identities are moved, one is called right, one pair is merged and one kept apart; the last is taken back.
    let page = visitor.page(&audit(&first, "misfiled"));
    let belongs: BTreeMap<(&str, &str), &str> = plan
        .planted()
        .misfiled
        .iter()
        .map(|it| ((&*it.place.identifier, &*it.place.imagelabel), &*it.belongs_to))
        .collect();
    let misfiled = ids(&page);
    let key = |page: &str, id: &str, key: &str| -> Form {
        let forms = forms(part(page, id));
        forms.into_iter().find(|form| form.key.as_deref() == Some(key)).unwrap()
    };
    let is_planted = |id: &&String| {
        let form = key(&page, id, "y");
        belongs.get(&(form.value("identifier"), form.value("imagelabel"))) == Some(&form.value("newidentifier"))
    };
    let found: Vec<&String> = misfiled.iter().filter(is_planted).collect();
    assert!(found.len() >= 7, "{} of {} planted are found: {misfiled:?}", found.len(), belongs.len());
    for id in &found[..2] {
        assert!(visitor.send(&key(&page, id, "y"), &[]).is_some());
    }
    visitor.send(&key(&page, found[2], "n"), &[]);
    let pairs = visitor.page(&audit(&first, "sameperson"));
    let same = ids(&pairs);
    assert!(same.len() >= 4, "{same:?}");
    visitor.send(&key(&pairs, &same[0], "y"), &[]);
    let undo = visitor.send(&key(&pairs, &same[1], "n"), &[]).unwrap();
    let decided = |page: &str, id: &str| part(page, id).starts_with("<article class=\"finding decided\"");
    assert!(decided(&visitor.page(&audit(&first, "sameperson")), &same[1]));
    visitor.send(&undo, &[]);
    let (page, pairs) = (visitor.page(&audit(&first, "misfiled")), visitor.page(&audit(&first, "sameperson")));
    let answered: Vec<&String> =
        misfiled.iter().filter(|id| decided(&page, id)).chain(same.iter().filter(|id| decided(&pairs, id))).collect();
    assert_eq!(answered, [found[0], found[1], found[2], &same[0]]);

    // Once more, as the page offers it.
    let again = forms(&page).into_iter().find(|form| form.value("respectdecisions") == "true").unwrap();
    assert_eq!((again.value("clusterthreshold"), again.value("outputthreshold")), ("50", "40"), "as before");
    let second = visitor.run(&again, &[]);
    let (page, pairs) = (visitor.page(&audit(&second, "misfiled")), visitor.page(&audit(&second, "sameperson")));
    let (misfiled, still) = (ids(&page), ids(&pairs));
    assert!(found[..3].iter().all(|id| !misfiled.contains(id)), "what was decided is asked again");
    assert!(found[3..].iter().all(|id| misfiled.contains(id)), "what was not is not asked");
    assert!(!still.contains(&same[0]) && still.contains(&same[1]), "{same:?} {still:?}");
    assert!(!page.contains("finding decided") && !pairs.contains("finding decided"));
    let changes = visitor.page(&format!("/review/result/{second}/changes"));
    assert!(changes.contains(&format!("/review/result/{first}")), "{changes}");
    assert!(changes.contains("under other names"), "{changes}");
    assert!(!changes.contains("Images that are gone"), "what was refiled is not gone: {changes}");
    let pictures: Vec<&str> =
        changes.split("src=\"/review/image/").skip(1).map(|it| it.split('"').next().unwrap()).collect();
    assert!(pictures.iter().any(|it| it.starts_with(&first)) && pictures.iter().any(|it| it.starts_with(&second)));
    for picture in pictures {
        let (head, _) = world.get(&format!("/review/image/{picture}"));
        assert!(head.contains("content-type: image/jpeg"), "{picture}, refiled since then, is not found: {head}");
    }
}
