//! What is printed of the settings: the documented file, what holds and where it was said, and never a secret.

use super::*;

#[test]
fn the_documented_file_is_what_the_table_says_and_means_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/faceclique.toml");
    let written = Print::Defaults.write(Form::Toml);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), written, "UPDATE_FIXTURES=1 writes it anew");
    assert_eq!(shown(&toml(&written).unwrap()), shown(&toml("").unwrap()));
}

#[test]
fn the_examples_of_the_documented_file_are_valid() {
    let is_example = |line: &str| {
        let example = line.strip_prefix("# ").is_some_and(|rest| {
            rest.starts_with("[[") || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', ',']))
        });
        example && !["bearer_token", "secret"].iter().any(|secret| line.contains(secret))
    };
    let text = Print::Defaults.write(Form::Toml);
    let lines = text.lines().map(|line| if is_example(line) { &line[2..] } else { line });
    let config = toml(&lines.collect::<Vec<_>>().join("\n")).unwrap().config;
    assert_eq!((config.engine.memory, config.engine.models.len(), config.access.rules().len()), (8 << 30, 1, 1));
    assert!(config.tls.is_some() && config.engine.base.is_some());
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    // those are masked, or name files that are read
    let is_left_out =
        |setting: &Setting| ["bearer_token", "secret", "ca_file"].iter().any(|begin| setting.key.starts_with(begin));
    let every = settings::all().filter(|setting| !is_left_out(setting));
    let lines = every.map(|setting| format!("{} = {}", setting.name(), sample_in_toml(setting)));
    let mut text = lines.collect::<Vec<_>>().join("\n") + "\n";
    text = text.replace("service_listen = '127.0.0.1:777'", "service_listen = 'off'");
    text = text.replace("'some/path'", r#""so'm\u00e9\\/\"pa\nth""#);
    text += "[[models]]\nname = 'm'\ndimension = 2\nknots = [[-1, 0], [0.43, 50], [1, 100]]\n";
    text += "[[security.roles]]\nname = \"o'per\\n\"\nstandard_roles = ['*']\nclients = ['10.1.*.*']\nidentities = ['*.x']\n";
    for text in [text.as_str(), "", "security.roles = []"] {
        let reading = toml(text).unwrap();
        let printed = Print::Effective(&reading).write(Form::Toml);
        let again = toml(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert_eq!(shown(&again), shown(&reading), "{printed}");
    }
}

#[test]
fn a_print_says_where_everything_was_said() {
    let variables = [("FACECLIQUE_JOBS_THREADS", "5")];
    let flags = [Flag { setting: "jobs.max_attempts", flag: "--attempts", value: "4".to_owned() }];
    let reading = read("a.toml", "[jobs]\nmax_queue_size = 7", &variables, &flags).unwrap();
    let text = Print::Effective(&reading).write(Form::Toml);
    for line in [
        "max_queue_size = 7 # a.toml:2",
        "threads = 5 # environment FACECLIQUE_JOBS_THREADS",
        "max_attempts = 4 # flag --attempts",
        "keep_pairs = true # default",
        "# tls_key = \"server.key\" # not set",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&Print::Effective(&reading).write(Form::Json)).unwrap();
    let threads = json["settings"].as_array().unwrap().iter().find(|one| one["name"] == "jobs.threads").unwrap();
    assert_eq!((&threads["value"], &threads["source"]), (&5.into(), &"environment FACECLIQUE_JOBS_THREADS".into()));
}

#[test]
fn a_secret_is_shown_nowhere() {
    let text = format!("[security]\nbearer_token = '{TOKEN}'");
    let reading = toml(&text).unwrap();
    assert!(reading.config.access.asks_for_token());
    let toml_print = Print::Effective(&reading).write(Form::Toml);
    let all = format!("{reading:?} {reading:#?} {toml_print} {}", Print::Effective(&reading).write(Form::Json));
    assert!(!all.contains("nobody-guesses") && all.contains("********"));
    assert!(
        toml_print.contains("# bearer_token = \"********\" # a.toml:2"),
        "in a comment, so that it is not read back"
    );
    for wrong in
        [format!("'{TOKEN} '"), format!("['{TOKEN}']"), format!("'''\n{TOKEN}\n\n'''"), "1234567890123456".to_owned()]
    {
        let faults = faults(&format!("[security]\nbearer_token = {wrong}"));
        assert!(faults[0].contains("********"), "{faults:?}");
        assert!(!faults.concat().contains("nobody-guesses") && !faults.concat().contains("1234"), "{faults:?}");
    }
    let error = read("a.toml", "", &[("FACECLIQUE_SECURITY_BEARER_TOKEN", "söcret-söcret-söcret")], &[]).unwrap_err();
    assert!(!error.to_string().contains("söcret"));
}

#[test]
fn the_settings_page_names_every_setting() {
    let page = settings_page();
    for setting in settings::all().filter(|setting| !setting.section.starts_with("jobs.queues")) {
        assert!(page.contains(&setting.variable()) && page.contains(setting.doc), "{}", setting.name());
    }
}
