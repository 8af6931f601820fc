//! What differs from run to run, replaced: tokens, dates, the process and the machine.

/// The token that stands for every other.
pub(crate) const TOKEN: &str = "0176fba5-bbb9-7852-afa3-1cf7a302e404";

/// Elements whose text is the run's or the machine's, and what stands for it.
const ELEMENTS: [(&str, &str); 21] = [
    ("pid", "1234"),
    ("time_in_queue", "0"),
    ("time_processing", "0"),
    ("estimated_time_remaining", "1"),
    ("aciport", "14000"),
    ("serviceport", "14001"),
    ("port", "14000"),
    ("directory", "/opt/faceclique"),
    ("cpuinstructionsets", "SSE2,AVX,FMA,AVX2"),
    ("acithreads", "256"),
    ("uptimeseconds", "7"),
    ("version", "0.1.0"),
    ("build", "0"),
    ("operatingsystem", "linux"),
    ("epoch", "1610539711"),
    ("queries", "3"),
    ("requests", "3"),
    ("period", "7"),
    ("seconds", "7"),
    ("qps", "0.429"),
    ("uptime", "7 seconds"),
];

/// The answer with all that replaced, and its length put right.
pub(crate) fn masked(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    if head.contains("content-type: image/") {
        return masked_head(head, "(the bytes of the picture)");
    }
    let mut body = tokens(&dates(body));
    for (name, value) in ELEMENTS {
        for name in [name.to_owned(), format!("autn:{name}")] {
            for (begin, end) in
                [(format!("<{name}>"), "<"), (format!("\"{name}\":{{\"$\":\""), "\""), (format!("\"{name}\":\""), "\"")]
            {
                body = replaced(&body, &begin, end, value);
            }
        }
    }
    masked_head(head, &body)
}

/// The answer with what differs even where a test's own clock stands: tokens, each by what stands for it and others by
/// [`TOKEN`], and the moments that the server takes from the system.
pub(crate) fn named(answer: &str, names: &[(String, &str)]) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    let place = |number: usize| format!("\u{1}{number}\u{1}"); // no answer has this character
    let numbered = names.iter().enumerate();
    let body = numbered.clone().fold(body.to_owned(), |body, (i, (token, _))| body.replace(token, &place(i)));
    let body = shaped(&tokens(&body), "99 Aaa 99 99:99:99", "13 Jan 21 12:08:31");
    masked_head(head, &numbered.fold(body, |body, (i, (_, name))| body.replace(&place(i), name)))
}

fn masked_head(head: &str, body: &str) -> String {
    let lines = head.split("\r\n").map(|line| match line.split_once(": ") {
        Some(("date", _)) => "date: Wed, 13 Jan 2021 12:08:31 GMT".to_owned(),
        Some(("content-length", _)) => format!("content-length: {}", body.len()),
        _ => line.to_owned(),
    });
    format!("{}\r\n\r\n{body}", lines.collect::<Vec<_>>().join("\r\n"))
}

/// Every text between `begin` and `end` replaced by `value`, an element that holds elements excepted.
fn replaced(text: &str, begin: &str, end: &str, value: &str) -> String {
    let mut pieces = text.split(begin);
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        whole.push_str(begin);
        let at = piece.find(end).unwrap_or(0);
        if at > 0 {
            whole.push_str(value);
        }
        whole.push_str(&piece[at..]);
    }
    whole
}

/// Replaces every stretch of the shape `shape`, in which `9` stands for a digit, `x` for a hexadecimal digit, `A` and
/// `a` for letters.
fn shaped(text: &str, shape: &str, by: &str) -> String {
    let fits = |candidate: &str| {
        candidate.bytes().zip(shape.bytes()).all(|(byte, place)| match place {
            b'9' => byte.is_ascii_digit(),
            b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            other => byte == other,
        })
    };
    let mut whole = String::new();
    let mut at = 0;
    while at < text.len() {
        match text.get(at..at + shape.len()) {
            Some(candidate) if fits(candidate) => {
                whole.push_str(by);
                at += shape.len();
            }
            _ => {
                let next = text[at..].chars().next().map_or(1, char::len_utf8);
                whole.push_str(&text[at..at + next]);
                at += next;
            }
        }
    }
    whole
}

fn tokens(text: &str) -> String {
    shaped(text, "xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx", TOKEN)
}

fn dates(text: &str) -> String {
    let text = shaped(text, "9999-Aaa-99 99:99:99", "2021-Jan-13 12:08:31");
    shaped(&text, "99 Aaa 99 99:99:99", "13 Jan 21 12:08:31")
}

#[test]
fn what_differs_is_replaced_and_nothing_else() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ndate: x\r\n\r\n<pid>77</pid><x>2026-Nov-24 01:02:03</x>";
    let expected = "HTTP/1.1 200 OK\r\ncontent-length: 42\r\ndate: Wed, 13 Jan 2021 12:08:31 GMT\r\n\r\n\
                    <pid>1234</pid><x>2021-Jan-13 12:08:31</x>";
    assert_eq!(masked(answer), expected);
}

#[test]
fn tokens_that_have_a_name_keep_it_and_times_of_a_job_stand() {
    let (known, other) = ("0176fba5-bbb9-7852-afa3-1cf7a302e400", "0176fba5-bbb9-7852-afa3-1cf7a302e401");
    let answer = format!("HTTP/1.1 200 OK\r\ndate: x\r\n\r\n<a>{known}{other}</a><b>2026-Nov-24 01:02:03</b>");
    let name = "0176fba5-0001-7000-8000-000000000001";
    let expected = format!(
        "HTTP/1.1 200 OK\r\ndate: Wed, 13 Jan 2021 12:08:31 GMT\r\n\r\n<a>{name}{TOKEN}</a><b>2026-Nov-24 01:02:03</b>"
    );
    assert_eq!(named(&answer, &[(known.to_owned(), name)]), expected);
}
