//! Instants to the second, in UTC. Time is a parameter everywhere in this crate: only `main` reads a clock.

use std::{fmt::Write as _, time::Duration};

use time::{Date, Month, OffsetDateTime, format_description::well_known::Rfc3339};

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant from seconds since the epoch.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0
    }

    /// An instant of the Gregorian calendar in UTC; `None` where it does not exist. Leap seconds do not.
    #[must_use]
    pub fn from_civil(
        year: i32,
        month: u8,
        day: u8,
        hour: u8,
        minute: u8,
        second: u8,
    ) -> Option<Self> {
        let month = Month::try_from(month).ok()?;
        let date = Date::from_calendar_date(year, month, day).ok()?;
        let instant = date.with_hms(hour, minute, second).ok()?.assume_utc();
        Some(Self(instant.unix_timestamp()))
    }

    /// Reads an RFC 3339 time; fractions of a second are cut off.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        Some(Self(instant.unix_timestamp()))
    }

    /// This instant, `seconds` later (or, negative, earlier); stays at the ends of the range.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// How many seconds have passed since `earlier`; negative where it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A duration in whole seconds, the rest cut off, as instants are counted.
#[must_use]
pub fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        Self(OffsetDateTime::from(time).unix_timestamp())
    }
}

/// RFC 3339 in UTC, such as `2026-11-21T08:00:00Z`.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ok(instant) = OffsetDateTime::from_unix_timestamp(self.0) else {
            return write!(f, "@{}", self.0);
        };
        let (date, time) = (instant.date(), instant.time());
        let mut text = String::with_capacity("2026-11-21T08:00:00Z".len());
        match (u8::try_from(date.year() / 100), u8::try_from(date.year() % 100)) {
            (Ok(century @ 0..=99), Ok(year)) => {
                push_two_digits(&mut text, century);
                push_two_digits(&mut text, year);
            }
            _ => write!(text, "{:05}", date.year())?,
        }
        for (separator, number) in [
            ('-', u8::from(date.month())),
            ('-', date.day()),
            ('T', time.hour()),
            (':', time.minute()),
            (':', time.second()),
        ] {
            text.push(separator);
            push_two_digits(&mut text, number);
        }
        text.push('Z');
        f.write_str(&text)
    }
}

fn push_two_digits(text: &mut String, number: u8) {
    text.push(char::from(b'0' + number / 10));
    text.push(char::from(b'0' + number % 10));
}
