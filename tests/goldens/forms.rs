//! What the row of an action says of its parameters, asked of the action itself.

use faceclique::aci::actions::offered;
use faceclique::aci::{Form, Need, Parameter};

use crate::world::{World, between};

/// A value that is not of this form, and the number of the error; none if every text is.
fn malformed(form: Form) -> Option<(String, u16)> {
    let (value, number) = match form {
        Form::Name => ("x".repeat(255), 12),
        Form::Names | Form::Paths => ("a,,b".to_owned(), 11),
        Form::Pairs => ("no-colon".to_owned(), 11),
        Form::Boolean => ("maybe".to_owned(), 11),
        Form::Integer(0, _) => ("-1".to_owned(), 11),
        Form::Integer(from, _) => ((from - 1).to_string(), 11),
        Form::Threshold => ("100.5".to_owned(), 11),
        Form::Score => ("1.5".to_owned(), 11),
        Form::Choice(_) | Form::Choices(_) => ("frobnicate".to_owned(), 11),
        Form::Date => ("soon".to_owned(), 11),
        Form::Token => ("no-token".to_owned(), 51),
        Form::Text | Form::Texts | Form::Upload | Form::Uploads | Form::Path => return None,
    };
    Some((value, number))
}

/// A request like `example`, without the parameter or with another value of it.
fn changed(example: &str, name: &str, value: Option<&str>) -> String {
    let is_other = |pair: &&str| !pair.starts_with(&format!("{name}="));
    let mut pairs: Vec<&str> = example.trim_start_matches('/').split('&').filter(is_other).collect();
    let new = value.map(|value| format!("{name}={value}"));
    pairs.extend(new.as_deref());
    format!("/{}", pairs.join("&"))
}

fn number(answer: &str) -> u16 {
    let raw = between(answer, "<rawerrorid>0x", "</rawerrorid>");
    u16::from_str_radix(&raw, 16).unwrap()
}

#[test]
fn r10_r11_r12_every_parameter_is_checked_as_its_row_says() {
    let world = World::new();
    let listed = || {
        let answer = world.get("/action=ListFaces&database=people&imagestatus=true&metadata=true");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned() // the head says what time it is
    };
    let before = listed();
    let mut wrong = Vec::new();
    for action in offered() {
        let example = action.example.request;
        let mut expect = |parameter: &Parameter, value: Option<&str>, expected: u16| {
            let target = changed(example, parameter.name, value);
            let answer = world.get(&target);
            let is_named = answer.contains(&format!("'{}", parameter.name));
            if !answer.contains("<response>ERROR") || number(&answer) != expected || !is_named {
                wrong.push(format!("{target}: error {expected} naming the parameter was expected\n{answer}"));
            }
        };
        for parameter in action.all_parameters() {
            if parameter.need == Need::Required {
                expect(parameter, None, 10);
                expect(parameter, Some(""), 10);
            }
            if let Some((value, number)) = malformed(parameter.form) {
                expect(parameter, Some(&value), number);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(listed(), before, "R57");
}
