//! Parameters made wrong: missing, doubled, empty, of another type, with values and names that break parsers.

use crate::plan::{Given, Plan};
use crate::random::{Random, mangle};

/// Values that somebody has regretted to accept.
const HOSTILE: [&[u8]; 46] = [
    b"<&>'\"]]>",
    b"<![CDATA[x]]>",
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    b"</responsedata></autnresponse>",
    b"{\"$\":\"x\"}",
    b"\\u0000\\\"",
    b"\0",
    b"a\0b",
    b"\x01\x02\x1f\x7f",
    b"a\tb\rc\nd",
    b"\xc2\x85\xc2\x9f",
    b"\r\nSet-Cookie: a=b\r\n\r\n<html>",
    b"2026-01-01T00:00:00Z ERROR a line of the log",
    b"\x1b[31mred\x1b[0m",
    b"\xff\xfe",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    "\u{FFFE}\u{FFFF}".as_bytes(),
    "\u{202E}gnp.exe\u{202C}".as_bytes(),
    "e\u{301}\u{301}\u{301}\u{200D}\u{FEFF}".as_bytes(),
    "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}".as_bytes(),
    "\u{10FFFF}".as_bytes(),
    "\u{2028}\u{2029}".as_bytes(),
    b" ",
    b"   a   ",
    b"+",
    b"%",
    b"%zz%00%",
    b"-1",
    b"0",
    b"18446744073709551616",
    b"999999999999999999",
    b"1000000000000000000",
    b"1e308",
    b"NaN",
    b"0x10",
    "\u{661}".as_bytes(),
    b"100.0000000000000000000000001",
    b"\"\"\"\\\"\\\\\",\"",
    b"\"a\",,\"b",
    b"a:b:c,\"d\"e:f",
    b"../../../../etc/passwd",
    b"/dev/zero",
    b"/proc/self/environ",
];

fn hostile(random: &mut Random) -> Vec<u8> {
    let one = random.choose(&HOSTILE);
    match random.below(16) {
        0 => vec![b'x'; 254 + random.below(2)],
        1 => "é".repeat(127 + random.below(2)).into_bytes(),
        2 => vec![b'9'; 17 + random.below(3)],
        3 => b"\"\\".repeat(1 + random.below(200)),
        4 => b"a,".repeat(1 + random.below(2000)),
        5 => one.repeat(1 + random.below(400)),
        6 => (0..random.below(300)).map(|_| random.next() as u8).collect(),
        7 => format!(
            "{:05}-{:02}-{:02} {:02}:{:02}:{:02}",
            random.below(20_000),
            random.below(14),
            random.below(33),
            random.below(26),
            random.below(62),
            random.below(62)
        )
        .into_bytes(),
        _ => one.to_vec(),
    }
}

/// Changes some parameters of a request.
pub(crate) fn spoil(plan: &mut Plan, random: &mut Random) {
    plan.is_sound = false;
    for _ in 0..=random.below(3) {
        if plan.given.is_empty() || random.one_in(10) {
            add(plan, random);
            continue;
        }
        let (at, other) = (random.below(plan.given.len()), random.below(plan.given.len()));
        let other = plan.given[other].clone();
        match random.below(14) {
            0 => drop(plan.given.remove(at)),
            1 => plan.given.push(other),
            2 => plan.given.push(Given { value: hostile(random), ..other }),
            3 => plan.given[at].value.clear(),
            4 => plan.given[at].value = other.value,
            5 => plan.given[at].name.make_ascii_uppercase(),
            6 => plan.given[at].name = hostile(random),
            7 => mangle(&mut plan.given[at].value, &other.value, random),
            8 => mangle(&mut plan.given[at].name, &other.name, random),
            9 => {
                let value = &mut plan.given[at].value;
                let place = random.below(value.len() + 1);
                value.splice(place..place, hostile(random));
            }
            10 => plan.given[at].is_upload = !plan.given[at].is_upload,
            _ => plan.given[at].value = hostile(random),
        }
    }
}

/// Adds what is not asked for, or another action.
fn add(plan: &mut Plan, random: &mut Random) {
    let value = hostile(random);
    match random.below(7) {
        0 => {
            let n = random.below(300);
            plan.given.extend((0..n).map(|i| Given::text(&format!("x{i}"), value.get(..8).unwrap_or_default())));
        }
        1 => {
            let name = random.choose(&["template", "output", "filename", "encryptresponse", "responseformat", "a"]);
            plan.given.push(Given::text(name, value));
        }
        2 => plan.action = String::from_utf8_lossy(&value).into_owned(),
        3 => plan.action.clear(),
        4 => {
            let name = random.choose(&["imagedata", "embedding", "dbdata", "ids"]);
            plan.given.push(Given { name: name.into(), value, is_upload: true });
        }
        5 => {
            let name = random.choose(&["Encrypted", "TrainFace", "Process", "getpid", "LISTFACES", "GetConfig", "x"]);
            name.clone_into(&mut plan.action);
        }
        _ => plan.given.push(Given { name: value.clone(), value, is_upload: false }),
    }
}
