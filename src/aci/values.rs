//! Parameters as typed values (contract R13-R18).
//!
//! **Promises.** An accessor gives nothing for a parameter that is not given, and error 11 or 12, naming parameter,
//! value and range, for one that is not what it should be.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::date;
use super::fault::Fault;
use super::request::Parameters;
use super::text;
use crate::cluster::audit::Score;
use crate::confidence::Threshold;
use crate::face::NameError;

/// An integer has at most so many digits (R15).
const MAX_DIGITS: usize = 18;

impl Parameters {
    /// The text of `name`, which is required.
    pub fn required_text(&self, name: &str) -> Result<&str, Fault> {
        self.text(name).ok_or_else(|| Fault::missing(name))
    }

    /// A name, made by the constructor of its type: `parameters.name("database", DatabaseName::new)` (R13).
    pub fn name<N>(&self, name: &str, new: fn(&str) -> Result<N, NameError>) -> Result<Option<N>, Fault> {
        self.text(name).map(|text| new(text).map_err(|error| Fault::name(name, text, &error))).transpose()
    }

    /// A name that is required.
    pub fn required_name<N>(&self, name: &str, new: fn(&str) -> Result<N, NameError>) -> Result<N, Fault> {
        self.name(name, new)?.ok_or_else(|| Fault::missing(name))
    }

    /// A list of names (R16).
    pub fn names<N>(&self, name: &str, new: fn(&str) -> Result<N, NameError>) -> Result<Option<Vec<N>>, Fault> {
        let Some(texts) = self.list(name)? else { return Ok(None) };
        let made = texts.iter().map(|text| new(text).map_err(|error| Fault::name(name, text, &error)));
        made.collect::<Result<_, _>>().map(Some)
    }

    /// A comma-separated list (R16).
    pub fn list(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let split = |text| text::list(text).map_err(|reason| Fault::value(name, text, reason));
        self.text(name).map(split).transpose()
    }

    /// A comma-separated list of `key:value`, no key twice (R140).
    pub fn pairs(&self, name: &str) -> Result<Option<Vec<(String, String)>>, Fault> {
        let split = |text| text::pairs(text).map_err(|reason| Fault::value(name, text, reason));
        self.text(name).map(split).transpose()
    }

    /// `true` or `false`, in any letter case (R14).
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.choice(name, &[("true", true), ("false", false)])
    }

    /// One of these words, in any letter case (R6).
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|&(_, choice)| choice);
        let words = || choices.iter().map(|&(word, _)| word).collect::<Vec<_>>().join(", ");
        chosen.map(Some).ok_or_else(|| Fault::value(name, text, &format!("is not one of {}", words())))
    }

    /// A whole number of 1 to 18 digits within `range` (R15); a range up to `u64::MAX` has no upper end of its own.
    pub fn integer(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = text.trim_matches(' ');
        let well_formed = digits.len() <= MAX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = if well_formed { digits.parse().ok() } else { None };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None if *range.end() == u64::MAX => {
                let reason = format!("is not a whole number of 1 to {MAX_DIGITS} digits from {} on", range.start());
                Err(Fault::value(name, text, &reason))
            }
            None => {
                let reason = format!("is not a whole number from {} to {}", range.start(), range.end());
                Err(Fault::value(name, text, &reason))
            }
        }
    }

    /// A decimal from 0 to 100 (R15, R106).
    pub fn threshold(&self, name: &str) -> Result<Option<Threshold>, Fault> {
        let read = |text: &str| text.parse().map_err(|_| Fault::value(name, text, "is not a number from 0 to 100"));
        self.text(name).map(read).transpose()
    }

    /// A decimal from 0 to 1 (R15).
    pub fn score(&self, name: &str) -> Result<Option<Score>, Fault> {
        let read = |text: &str| text.parse().map_err(|_| Fault::value(name, text, "is not a number from 0 to 1"));
        self.text(name).map(read).transpose()
    }

    /// A date; without a zone of its own it is one of `zone`, and "today" is the day of `now` there (R18).
    pub fn date(&self, name: &str, zone: &TimeZone, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        let reason = "is not a date such as '2021-01-13 12:08:31' or '2021-01-13 12:08:31 UTC' or '12:08:31'";
        let read = |text| date::parse(text, zone, now).ok_or_else(|| Fault::value(name, text, reason));
        self.text(name).map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::request;
    use super::*;
    use crate::face::{DatabaseName, ImageLabel};

    fn parameters(name: &str, value: &str) -> Parameters {
        request(&[(name, value)]).unwrap().parameters
    }

    fn description<T: std::fmt::Debug>(result: Result<T, Fault>, number: u16) -> String {
        let fault = result.unwrap_err();
        assert_eq!(fault.code.number(), number);
        fault.description
    }

    #[test]
    fn r13_a_name_is_checked_and_kept() {
        let name = parameters("database", " Zoë").required_name("database", DatabaseName::new).unwrap();
        assert_eq!(name.as_str(), " Zoë");
        let fault = parameters("database", "a\tb").name("database", DatabaseName::new);
        assert!(
            description(fault, 12).starts_with(r"'database=a\tb' is not valid: a name holds no control characters")
        );
        let long = "x".repeat(255);
        let fault = parameters("database", &long).name("database", DatabaseName::new);
        let text = format!("'database={}' is not valid: a name has at most 254 bytes, this one has 255", &long[1..]);
        assert_eq!(description(fault, 12), text);
        assert_eq!(parameters("x", "1").name("database", DatabaseName::new).unwrap(), None);
        let fault = parameters("x", "1").required_name("database", DatabaseName::new);
        assert_eq!(description(fault, 10), "'database' is required and not given");
    }

    #[test]
    fn r14_a_boolean_is_true_or_false() {
        assert_eq!(parameters("b", "TRUE").boolean("b"), Ok(Some(true)));
        assert_eq!(parameters("b", "false").boolean("b"), Ok(Some(false)));
        assert_eq!(parameters("x", "y").boolean("b"), Ok(None));
        for text in ["1", "yes", " true", "truee"] {
            let fault = parameters("b", text).boolean("b");
            assert_eq!(description(fault, 11), format!("'b={text}' is not one of true, false"));
        }
    }

    #[test]
    fn r15_an_integer_is_1_to_18_digits_within_its_range() {
        let integer = |text, range| parameters("n", text).integer("n", range);
        assert_eq!(integer(" 007 ", 0..=10), Ok(Some(7)));
        assert_eq!(integer("999999999999999999", 0..=u64::MAX), Ok(Some(999_999_999_999_999_999)));
        assert_eq!(description(integer("101", 0..=100), 11), "'n=101' is not a whole number from 0 to 100");
        for text in ["-1", "+1", "1.0", "1e3", " ", "١", "1000000000000000000", "0x1"] {
            let text = description(integer(text, 0..=u64::MAX), 11);
            assert!(text.ends_with("is not a whole number of 1 to 18 digits from 0 on"), "{text}");
        }
    }

    #[test]
    fn r102_a_threshold_is_a_number_from_0_to_100() {
        let threshold = |text| parameters("clusterthreshold", text).threshold("clusterthreshold");
        assert_eq!(threshold(" 50.005 ").unwrap().unwrap().to_string(), "50.01");
        for text in ["abc", "101", "-1", "1e1", "NaN", "50,5", "100.001"] {
            let expected = format!("'clusterthreshold={text}' is not a number from 0 to 100");
            assert_eq!(description(threshold(text), 11), expected);
        }
    }

    #[test]
    fn r16_lists_and_lists_of_names() {
        let labels = parameters("l", r#"a, "b, c""#).names("l", ImageLabel::new).unwrap().unwrap();
        assert_eq!(labels.iter().map(ImageLabel::as_str).collect::<Vec<_>>(), ["a", "b, c"]);
        let fault = parameters("l", "a,,b").names("l", ImageLabel::new);
        assert_eq!(description(fault, 11), "'l=a,,b' is not a list: an element is empty");
        let fault = parameters("l", "a,b\tc").names("l", ImageLabel::new);
        assert!(description(fault, 12).starts_with(r"'l=b\tc' is not valid"));
    }

    #[test]
    fn r6_enumerated_values_are_compared_without_case() {
        let choices = [("descending", 1), ("ascending", 2)];
        assert_eq!(parameters("s", "ASCENDING").choice("s", &choices), Ok(Some(2)));
        let fault = parameters("s", "up").choice("s", &choices);
        assert_eq!(description(fault, 11), "'s=up' is not one of descending, ascending");
    }

    #[test]
    fn r18_a_date_that_is_none_is_error_11() {
        let fault = parameters("d", "soon").date("d", &TimeZone::UTC, Timestamp::UNIX_EPOCH);
        assert!(description(fault, 11).starts_with("'d=soon' is not a date such as"));
    }
}
