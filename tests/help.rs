//! What the command line says of itself: help with examples that hold, exit codes, completions, manual pages, colour.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/server.rs"]
mod server;

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use faceclique::cli::Arguments;
use server::program;

const PEOPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/people.jsonl");

/// Exit code, standard output, standard error.
fn ran(command: &mut Command) -> (i32, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The program and every command of it, with the words that name it.
fn commands() -> Vec<(String, clap::Command)> {
    fn add(command: &clap::Command, above: &str, all: &mut Vec<(String, clap::Command)>) {
        let words = format!("{above} {}", command.get_name()).trim().to_owned();
        command.get_subcommands().for_each(|below| add(below, &words, all));
        all.push((words, command.clone()));
    }
    let mut program = Arguments::command();
    program.build();
    let mut all = Vec::new();
    add(&program, "", &mut all);
    all
}

/// The command lines below `Examples:`, each up to where a remark, another program or a file begins.
fn examples(help: &str) -> Vec<Vec<String>> {
    let Some((_, behind)) = help.split_once("Examples:\n") else { return Vec::new() };
    let lines = behind.lines().take_while(|line| line.starts_with("  ")).map(str::trim);
    let ends = ["  ", " | ", " > ", " >> "];
    let command = |line: &str| -> Vec<String> {
        let end = ends.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
        line[..end].split_whitespace().map(str::to_owned).collect()
    };
    lines.flat_map(|line| line.split(" && ")).map(command).filter(|words| words[0] == "faceclique").collect()
}

#[test]
fn every_command_has_examples_and_they_are_understood() {
    let mut faults = Vec::new();
    for (words, mut command) in commands() {
        for help in [command.render_help().to_string(), command.render_long_help().to_string()] {
            let examples = examples(&help);
            if examples.is_empty() {
                faults.push(format!("{words}: no examples"));
            }
            for example in examples {
                if let Err(error) = Arguments::command().try_get_matches_from(&example) {
                    faults.push(format!("{words}: {}: {error}", example.join(" ")));
                }
            }
        }
        let named: Vec<_> = words.split(' ').collect();
        let own = examples(&command.render_long_help().to_string());
        if named.len() > 1
            && !own
                .iter()
                .any(|example| example.starts_with(&named.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()))
        {
            faults.push(format!("{words}: no example is of it"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_definition_of_the_arguments_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn exit_codes_are_as_help_and_manual_say() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    for (arguments, expected) in [
        (&["cluster", PEOPLE][..], 0),
        (&["cluster", "missing.npz"], 1),
        (&["help", "NoAction"], 1),
        (&["cluster"], 2),
        (&["cluster", PEOPLE, "--threshold", "101"], 2),
        (&["fsck", "--data", nowhere], 2),
        (&["status", "--server", "http://127.0.0.1:1"], 2),
    ] {
        let (code, _, err) = ran(&mut program(arguments));
        assert_eq!(code, expected, "{arguments:?}: {err}");
        assert_eq!(err.is_empty(), code == 0, "{arguments:?}: {err}");
    }
    let (_, help, _) = ran(&mut program(&["--help"]));
    let (_, manual, _) = ran(&mut program(&["man"]));
    for code in ["0", "1", "2", "75", "141"] {
        assert!(help.lines().any(|line| line.trim_start().split(' ').next() == Some(code)), "{code}: {help}");
        assert!(manual.contains(&format!("\\fB{code}\\fR\n")), "{code}: {manual}");
    }
}

#[test]
fn output_that_nobody_reads_ends_a_command_without_a_word() {
    for arguments in [
        &["help"][..],
        &["cluster", PEOPLE],
        &["audit", PEOPLE, "--csv"],
        &["sweep", PEOPLE, "--csv"],
        &["models"],
        &["completions", "bash"],
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut child = program(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!((code, err.as_str()), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn there_are_completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, err) = ran(&mut program(&["completions", shell]));
        assert!(code == 0 && err.is_empty(), "{shell}: {err}");
        for word in ["sweep", "output-threshold", "priority"] {
            assert!(script.contains(word), "{shell} completes no {word}");
        }
    }
    let (_, script, _) = ran(&mut program(&["completions", "bash"]));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &script).unwrap();
    let ask = format!(
        "source {}; COMP_WORDS=(faceclique sw); COMP_CWORD=1; _faceclique faceclique sw faceclique; echo ${{COMPREPLY[@]}}",
        file.path().display()
    );
    let (code, completed, err) = ran(Command::new("bash").args(["--norc", "-c", &ask]));
    assert_eq!((code, completed.trim()), (0, "sweep"), "{err}");
}

#[test]
fn every_command_has_a_manual_page_with_examples_and_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("share/man1");
    let (code, out, err) = ran(program(&["man", folder.to_str().unwrap()]).env("FACECLIQUE_BEARER_TOKEN", "s3cret"));
    assert_eq!(code, 0, "{err}");
    let all = commands();
    assert!(out.contains(&format!("{} pages", all.len())), "{out}");
    for (words, _) in all {
        let page = fs::read_to_string(folder.join(format!("{}.1", words.replace(' ', "-")))).unwrap();
        for heading in [".TH", ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", ".SH EXAMPLES", ".SH \"EXIT STATUS\""] {
            assert!(page.contains(heading), "{words} has no {heading}: {page}");
        }
        assert!(!page.contains("s3cret") && !page.contains('\u{1b}'), "{words}: {page}");
    }
}

#[test]
fn colour_is_where_it_is_asked_for_and_nowhere_else() {
    let escape = '\u{1b}';
    let failing = ["cluster", "missing.npz"];
    for (more, no_color, expected) in [
        (&[][..], None, false),
        (&["--color", "always"], None, true),
        (&["--color=always"], Some("1"), true),
        (&["--color=never"], None, false),
        (&["--color=auto"], Some("1"), false),
    ] {
        for arguments in [&["--help"][..], &["help"], &["models"], &failing, &["cluster"]] {
            let mut command = program(&[more, arguments].concat());
            command.env_remove("NO_COLOR").envs(no_color.map(|value| ("NO_COLOR", value)));
            let (_, out, err) = ran(&mut command);
            assert_eq!((out + &err).contains(escape), expected, "{more:?} {arguments:?} {no_color:?}");
        }
    }
}

#[test]
fn no_color_holds_on_a_terminal_too() {
    if !Path::new("/usr/bin/script").exists() {
        return; // it makes the terminal
    }
    for (name, value, expected) in [("NO_COLOR", "1", false), ("NO_COLOR", "", true)] {
        let line = format!("{} models", env!("CARGO_BIN_EXE_faceclique"));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env_remove("FACECLIQUE_DATA").env(name, value);
        let (_, out, err) = ran(&mut command);
        assert_eq!(out.contains('\u{1b}'), expected, "{name}={value}: {out} {err}");
    }
}
