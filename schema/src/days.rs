//! Days of the week as sheets of spots write them: `M-F`, `MTuWThF`, `Sat/Sun`, `MTWTF--`, `Daily`.

/// Days of a week, Monday the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Days(u8);

/// How days are told, Monday first.
const NAMES: [&str; 7] = ["M", "Tu", "W", "Th", "F", "Sa", "Su"];
/// How days are read, the longest words first; `T` and `S` are told apart by what came before.
const WORDS: [(&str, u32); 30] = [
    ("WEDNESDAY", 2),
    ("THURSDAY", 3),
    ("SATURDAY", 5),
    ("TUESDAY", 1),
    ("MONDAY", 0),
    ("FRIDAY", 4),
    ("SUNDAY", 6),
    ("THURS", 3),
    ("TUES", 1),
    ("THUR", 3),
    ("MON", 0),
    ("TUE", 1),
    ("WED", 2),
    ("THU", 3),
    ("FRI", 4),
    ("SAT", 5),
    ("SUN", 6),
    ("MO", 0),
    ("TU", 1),
    ("WE", 2),
    ("TH", 3),
    ("FR", 4),
    ("SA", 5),
    ("SU", 6),
    ("M", 0),
    ("W", 2),
    ("R", 3),
    ("H", 3),
    ("F", 4),
    ("U", 6),
];

impl Days {
    pub const ALL: Days = Days(0x7F);

    /// Whether a sheet leaves the days to the station: run of schedule, various, to be determined.
    pub fn are_open(text: &str) -> bool {
        let text: String = text.to_uppercase().chars().filter(|c| c.is_alphanumeric()).collect();
        ["", "ROS", "VARIOUS", "VAR", "VARIES", "TBD", "TBA", "ANY", "ANYDAY", "NA"].contains(&text.as_str())
    }

    /// Days of a sheet; none where they are not understood, or may be taken for others: an S behind a dash.
    pub fn parse(text: &str) -> Option<Days> {
        let words = text.to_uppercase().replace(['\u{2013}', '\u{2014}'], "-");
        let words = words.split_whitespace().map(|word| match word {
            "TO" | "THRU" | "THROUGH" => "-",
            "AND" => ",",
            word => word,
        });
        let text: String = words.collect();
        match text.as_str() {
            "DAILY" | "ALL" | "EVERYDAY" | "ALLWEEK" | "ALLDAYS" => return Some(Days::ALL),
            "WEEKDAYS" | "WEEKDAY" => return Some(Days(0b001_1111)),
            "WEEKEND" | "WEEKENDS" => return Some(Days(0b110_0000)),
            _ => {}
        }
        if let Some(days) = by_place(&text) {
            return Some(days);
        }
        let (mut days, mut last, mut ranged) = (0u8, None::<u32>, false);
        // A bare S is a day among single letters only.
        let mut letters = true;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('-') {
                (rest, ranged) = (after, last.is_some() && !ranged);
                if !ranged {
                    return None;
                }
                continue;
            }
            if let Some(after) = rest.strip_prefix([',', '/', '&', '+', ';', '.']) {
                if ranged {
                    return None;
                }
                rest = after;
                continue;
            }
            let (day, long) = word(rest, last)?;
            if rest[..long] == *"S" && (ranged || !letters) {
                return None;
            }
            letters = long == 1;
            if ranged {
                // From the day before the dash to this one, over Sunday where it comes later in the week.
                let from = last?;
                (0..7)
                    .map(|step| (from + step) % 7)
                    .take_while(|at| *at != day)
                    .for_each(|at| days |= 1 << at);
                ranged = false;
            }
            days |= 1 << day;
            last = Some(day);
            rest = &rest[long..];
        }
        (days != 0 && !ranged).then_some(Days(days))
    }

    /// Whether a day is among them, 0 a Monday.
    pub fn has(self, day: u32) -> bool {
        self.0 >> day & 1 == 1
    }

    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether all of them are among others.
    pub fn are_among(self, others: Days) -> bool {
        self.0 & !others.0 == 0
    }

    /// Those of them between two days of the week, 0 a Monday; none where none is.
    pub fn between(self, from: u32, to: u32) -> Option<Days> {
        let kept =
            (0..7).filter(|day| (from..=to).contains(day) && self.has(*day)).fold(0, |sum, at| sum | 1 << at);
        (kept != 0).then_some(Days(kept))
    }
}

impl std::fmt::Display for Days {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        let mut parts = Vec::new();
        let mut day = 0;
        while day < 7 {
            if !self.has(day) {
                day += 1;
                continue;
            }
            let ends = (day..7).take_while(|at| self.has(*at)).last().unwrap_or(day);
            let name = |at: u32| NAMES[at as usize];
            parts.push(match ends - day {
                0 => name(day).to_string(),
                1 => format!("{},{}", name(day), name(ends)),
                _ => format!("{}-{}", name(day), name(ends)),
            });
            day = ends + 1;
        }
        out.write_str(&parts.join(","))
    }
}

/// Seven places, Monday first or Sunday first: the day's letter, or a sign for no; or signs for yes and no alone.
fn by_place(text: &str) -> Option<Days> {
    if text.chars().count() != 7 {
        return None;
    }
    let marks = text.chars().all(|sign| "X-._".contains(sign));
    let read = |letters: [&str; 7], first: usize| -> Option<u8> {
        let of = text.chars().zip(letters).enumerate();
        let days = of.map(|(at, (sign, letters))| match sign {
            'X' if marks => Some(1 << at),
            '-' | '.' | '_' | 'X' | 'N' | '0' => Some(0),
            'Y' | '1' => Some(1 << at),
            sign if letters.contains(sign) => Some(1 << at),
            _ => None,
        });
        let days = days.sum::<Option<u8>>()?;
        // Where Sunday comes first all others are one place on.
        Some(if first == 0 { days } else { days >> 1 | (days & 1) << 6 })
    };
    let monday_first = read(["M", "T", "W", "TRH", "F", "S", "SU"], 0);
    let days = monday_first.or_else(|| read(["SU", "M", "T", "W", "TRH", "F", "S"], 1))?;
    (days != 0).then_some(Days(days))
}

/// The day that a text begins with, and how many letters name it. A second T is a Thursday, a second S a Sunday.
fn word(text: &str, last: Option<u32>) -> Option<(u32, usize)> {
    if let Some((word, day)) = WORDS.iter().find(|(word, _)| text.starts_with(word)) {
        // Sundays, Weds.
        let whole = word.ends_with("DAY") || *word == "WED";
        let many = whole
            && text[word.len()..].starts_with('S')
            && !text[word.len()..].starts_with("SA")
            && !text[word.len()..].starts_with("SU");
        return Some((*day, word.len() + usize::from(many)));
    }
    match text.chars().next()? {
        'T' => Some((if last.is_some_and(|last| last >= 1) { 3 } else { 1 }, 1)),
        'S' => Some((if last == Some(5) { 6 } else { 5 }, 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Days;

    #[test]
    fn days_are_read_as_sheets_write_them() {
        for (text, told) in [
            ("M-F", "M-F"),
            ("Mon-Fri", "M-F"),
            ("m - su", "M-Su"),
            ("MTuWThF", "M-F"),
            ("MTWTF", "M-F"),
            ("MTWTF--", "M-F"),
            ("-----SS", "Sa,Su"),
            (".T.T...", "Tu,Th"),
            ("Sa-Su", "Sa,Su"),
            ("SaSu", "Sa,Su"),
            ("Sat/Sun", "Sa,Su"),
            ("M,W,F", "M,W,F"),
            ("MWF", "M,W,F"),
            ("TuTh", "Tu,Th"),
            ("Th-Su", "Th-Su"),
            ("Sa-M", "M,Sa,Su"),
            ("Daily", "M-Su"),
            ("weekdays", "M-F"),
            ("Sunday", "Su"),
            ("M-W,Sa", "M-W,Sa"),
            ("M\u{2013}F", "M-F"),
            ("Mon thru Fri", "M-F"),
            ("Saturday and Sunday", "Sa,Su"),
            ("Saturdays", "Sa"),
            ("Sundays", "Su"),
            ("Mondays, Fridays", "M,F"),
            ("Weds", "W"),
            ("MTWHF", "M-F"),
            ("MTWTFSS", "M-Su"),
            ("SMTWTFS", "M-Su"),
            ("-MTWTF-", "M-F"),
            ("S-----S", "Sa,Su"),
            ("XXXXX--", "M-F"),
            ("MTWTFXX", "M-F"),
            ("All week", "M-Su"),
        ] {
            assert_eq!(Days::parse(text).map(|days| days.to_string()).as_deref(), Some(told), "{text}");
            assert_eq!(Days::parse(told), Days::parse(text), "{told} is read as it was told");
        }
        for text in ["", "-", "M-", "-F", "ROS", "M-F 6p", "M--F", "8", "M-S", "Sat S"] {
            assert_eq!(Days::parse(text), None, "{text}");
        }
        for text in ["", "ROS", "r.o.s.", "Various", "TBD"] {
            assert!(Days::are_open(text), "{text}");
        }
    }

    #[test]
    fn days_are_cut_to_a_flight() {
        let days = |text: &str| Days::parse(text).expect("days");
        assert_eq!(days("M-F").between(2, 6), Some(days("W-F")));
        assert_eq!(days("Sa-Su").between(0, 4), None);
        assert_eq!(Days::ALL.between(0, 6).map(Days::count), Some(7));
    }
}
