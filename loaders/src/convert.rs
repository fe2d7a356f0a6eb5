//! Text to typed values, without allocation: these run once for every field of a voter file.

/// Days since 1970-01-01 of a proleptic Gregorian day. Algorithm: Howard Hinnant, "chrono-compatible low-level
/// date algorithms".
pub fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i32> {
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1..=12).contains(&month)
        || day == 0
        || day > lengths[month as usize - 1]
        || !(1..=9999).contains(&year)
    {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = (month as i32 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn is_leap(year: i32) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// Parses a day by a pattern of %Y (four digits), %m and %d (one or two digits) and literal characters; the
/// value may go on behind a blank (a time of day).
pub fn parse_date(text: &str, pattern: &str) -> Option<i32> {
    let (mut year, mut month, mut day) = (None, 1, 1);
    let bytes = text.as_bytes();
    let pattern = pattern.as_bytes();
    let (mut at, mut p) = (0, 0);
    while p < pattern.len() {
        if pattern[p] == b'%' && p + 1 < pattern.len() {
            let width = if pattern[p + 1] == b'Y' { 4 } else { 2 };
            let (value, used) = number(&bytes[at..], width)?;
            match pattern[p + 1] {
                b'Y' if used == 4 => year = Some(value as i32),
                b'm' => month = value,
                b'd' => day = value,
                _ => return None,
            }
            at += used;
            p += 2;
        } else {
            if bytes.get(at) != Some(&pattern[p]) {
                return None;
            }
            at += 1;
            p += 1;
        }
    }
    if at != bytes.len() && bytes[at] != b' ' {
        return None;
    }
    days_from_civil(year?, month, day)
}

fn number(bytes: &[u8], width: usize) -> Option<(u32, usize)> {
    let mut value = 0;
    let mut used = 0;
    while used < width && used < bytes.len() && bytes[used].is_ascii_digit() {
        value = value * 10 + u32::from(bytes[used] - b'0');
        used += 1;
    }
    (used > 0).then_some((value, used))
}

/// `YYYY-MM-DD` of a day number.
pub fn date_text(days: i32) -> String {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A count of people: digits, with thousands separators, a decimal part, or an exponent as written by
/// spreadsheets. Negative, infinite or other text is none.
pub fn parse_count(text: &str) -> Option<f64> {
    parse_votes(text).filter(|value| *value >= 0.0)
}

/// A count of votes, which may be negative where a source corrects an earlier figure.
pub fn parse_votes(text: &str) -> Option<f64> {
    let parse = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    if !text.starts_with(|first: char| first.is_ascii_digit() || "-+.".contains(first)) {
        return None;
    }
    if text.contains(',') { parse(&text.replace(',', "")) } else { parse(text) }
}

/// First Tuesday after the first Monday of November, as a day number.
pub fn general_election_day(year: i32) -> Option<i32> {
    let first = days_from_civil(year, 11, 1)?;
    // 1970-01-01 was a Thursday: day 4 (a Monday) has remainder 4.
    let monday = (0..7).map(|offset| first + offset).find(|day| day.rem_euclid(7) == 4)?;
    Some(monday + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_five_centuries_reads_as_it_is_written() {
        for days in -150_000..60_000 {
            let text = date_text(days);
            assert_eq!(parse_date(&text, "%Y-%m-%d"), Some(days), "{text}");
        }
        assert_eq!(date_text(0), "1970-01-01");
    }

    #[test]
    fn impossible_and_masked_days_are_refused() {
        for text in ["02/30/2020", "13/01/2020", "XX-XX-XXXX", "", "1/1/20", "01/01/20201"] {
            assert_eq!(parse_date(text, "%m/%d/%Y"), None, "{text}");
        }
        assert_eq!(parse_date("1/2/2020", "%m/%d/%Y"), parse_date("2020-01-02", "%Y-%m-%d"));
        assert_eq!(parse_date("01/02/2020 13:00", "%m/%d/%Y"), parse_date("2020-01-02", "%Y-%m-%d"));
    }

    #[test]
    fn general_elections_fall_on_their_published_days() {
        for day in ["2016-11-08", "2018-11-06", "2020-11-03", "2022-11-08", "2024-11-05"] {
            let year = day[..4].parse().unwrap_or_default();
            assert_eq!(general_election_day(year).map(date_text).as_deref(), Some(day));
        }
    }

    #[test]
    fn counts_are_never_negative_or_words() {
        for (text, value) in
            [("37,410", Some(37410.0)), ("736.5", Some(736.5)), ("-3", None), ("NA", None), ("inf", None)]
        {
            assert_eq!(parse_count(text), value);
        }
    }
}
