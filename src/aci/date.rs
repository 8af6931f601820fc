//! Dates in answers and in parameters (contract R18, R48, R49).
//!
//! **Promises.** What [`job_date`] prints, [`parse`] reads back in the same zone.
//!
//! **Not here.** The clock: the time is always an argument. Durations: they are differences of instants.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date of a job: `2021-Jan-13 12:08:31` (R48).
pub fn job_date(at: Timestamp, zone: &TimeZone) -> String {
    let at = at.to_zoned(zone.clone());
    let month = MONTHS[usize::from(at.month().unsigned_abs()) - 1];
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{:04}-{month}-{:02} {hour:02}:{minute:02}:{second:02}", at.year(), at.day())
}

/// The time of an error: `13 Jan 21 12:08:31` (R48).
pub fn error_time(at: Timestamp, zone: &TimeZone) -> String {
    let at = at.to_zoned(zone.clone());
    let month = MONTHS[usize::from(at.month().unsigned_abs()) - 1];
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{:02} {month} {:02} {hour:02}:{minute:02}:{second:02}", at.day(), at.year().rem_euclid(100))
}

/// Reads a date parameter (R18): `YYYY-MM-DD hh:mm:ss`, a `T` in place of the blank, the month as three letters, or
/// only `hh:mm:ss` for the day of `now`; optionally followed by `GMT`, `UTC`, `Z` or an offset such as `+01:00`.
/// Without a zone it is a local time of `zone`.
pub fn parse(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim_matches(' ');
    let (local, zone) = match split_zone(text)? {
        (local, Some(offset)) => (local, TimeZone::fixed(offset)),
        (local, None) => (local, zone.clone()),
    };
    let local = match local.len() {
        8 => DateTime::from_parts(now.to_zoned(zone.clone()).date(), time(local)?),
        19 | 20 => {
            let (day, rest) = local.split_at_checked(local.len() - 9)?;
            let clock = rest.strip_prefix([' ', 'T', 't'])?;
            DateTime::from_parts(date(day)?, time(clock)?)
        }
        _ => return None,
    };
    zone.to_timestamp(local).ok()
}

/// Splits the zone off: what stands before it, and its offset.
fn split_zone(text: &str) -> Option<(&str, Option<Offset>)> {
    for name in ["GMT", "UTC", "Z"] {
        let Some(at) = text.len().checked_sub(name.len()) else { continue };
        if text.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
            return Some((text[..at].trim_end_matches(' '), Some(Offset::UTC)));
        }
    }
    let Some(at) = text.len().checked_sub("+hh:mm".len()) else { return Some((text, None)) };
    let Some(offset) = text.get(at..).filter(|offset| offset.starts_with(['+', '-'])) else {
        return Some((text, None));
    };
    let [hours, minutes] = fields(&offset[1..], b':')?;
    let seconds = hours * 3600 + minutes * 60;
    let seconds = if offset.starts_with('-') { -seconds } else { seconds };
    let offset = Offset::from_seconds(seconds).ok().filter(|_| hours < 24 && minutes < 60)?;
    Some((text[..at].trim_end_matches(' '), Some(offset)))
}

fn date(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let year = i16::try_from(digits(year, 4)?).ok()?;
    let month = match MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month)) {
        Some(index) => index as i8 + 1,
        None => i8::try_from(digits(month, 2)?).ok()?,
    };
    Date::new(year, month, i8::try_from(digits(day, 2)?).ok()?).ok()
}

fn time(text: &str) -> Option<Time> {
    let [hour, minute, second] = fields(text, b':')?;
    Time::new(hour as i8, minute as i8, second as i8, 0).ok()
}

/// `N` numbers of two digits, separated by `separator`.
fn fields<const N: usize>(text: &str, separator: u8) -> Option<[i32; N]> {
    let mut numbers = [0; N];
    let mut pieces = text.split(char::from(separator));
    for number in &mut numbers {
        *number = digits(pieces.next()?, 2)?;
    }
    pieces.next().is_none().then_some(numbers)
}

/// A number of exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<i32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_610_539_711; // 2021-01-13 12:08:31 UTC

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn east() -> TimeZone {
        TimeZone::fixed(Offset::from_seconds(7200).unwrap())
    }

    #[test]
    fn r48_the_two_forms_of_dates() {
        assert_eq!(job_date(at(NOON), &TimeZone::UTC), "2021-Jan-13 12:08:31");
        assert_eq!(error_time(at(NOON), &TimeZone::UTC), "13 Jan 21 12:08:31");
        assert_eq!(job_date(at(0), &TimeZone::UTC), "1970-Jan-01 00:00:00");
        assert_eq!(error_time(at(951_782_399), &TimeZone::UTC), "28 Feb 00 23:59:59");
    }

    #[test]
    fn r49_dates_are_in_the_zone_of_the_server() {
        assert_eq!(job_date(at(NOON), &east()), "2021-Jan-13 14:08:31");
        assert_eq!(error_time(at(NOON), &east()), "13 Jan 21 14:08:31");
    }

    #[test]
    fn r18_every_form_of_a_date_is_read() {
        for text in [
            "2021-01-13 12:08:31",
            "2021-01-13T12:08:31",
            "2021-Jan-13 12:08:31",
            " 2021-JAN-13 12:08:31 ",
            "12:08:31",
            "2021-01-13 12:08:31 GMT",
            "2021-01-13T12:08:31Z",
            "2021-01-13 12:08:31 utc",
            "2021-01-13 14:08:31 +02:00",
            "2021-01-13T11:38:31-00:30",
            "14:08:31+02:00",
        ] {
            assert_eq!(parse(text, &TimeZone::UTC, at(NOON + 3600)), Some(at(NOON)), "{text}");
        }
        assert_eq!(parse("2021-01-13 14:08:31", &east(), at(0)), Some(at(NOON)));
        assert_eq!(parse("00:00:01", &east(), at(NOON)), Some(at(NOON - 50_910)));
    }

    #[test]
    fn r18_anything_else_is_no_date() {
        for text in [
            "",
            "Z",
            "soon",
            "2021-01-13",
            "2021-1-13 12:08:31",
            "2021-02-30 12:08:31",
            "2021-01-13 24:00:00",
            "2021-01-13 12:08",
            "2021-01-13 12:08:31.5",
            "2021-01-13 12:08:31 CET",
            "2021-01-13 12:08:31 +2:00",
            "2021-01-13 12:08:31 +25:00",
            "+021-01-13 12:08:31",
            "2021-Jän-13 12:08:31",
            "ééééé",
            "éé:é",
            "-1:00:00",
        ] {
            assert_eq!(parse(text, &TimeZone::UTC, at(NOON)), None, "{text}");
        }
    }

    #[test]
    fn r18_what_the_server_prints_is_read_back() {
        for second in [0, NOON, 1_709_208_000, 4_102_444_799] {
            assert_eq!(parse(&job_date(at(second), &east()), &east(), at(0)), Some(at(second)));
        }
    }
}
