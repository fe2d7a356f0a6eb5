//! Single values of a voter file: codes, flags, blanks, and answers that recur from row to row.

use std::borrow::Cow;
use std::collections::HashMap;

use bellwether_schema::layout::CodeTable;

/// Answers by text: distinct values are few, and often the same as in the row before.
#[derive(Default, Clone)]
pub struct Memo<T> {
    known: HashMap<String, T>,
    last: Option<(String, T)>,
}

impl<T: Clone> Memo<T> {
    /// Answers kept: a column of surprises must not make the memory grow.
    const MOST: usize = 50_000;

    pub fn get(&mut self, key: &str, make: impl FnOnce() -> T) -> &T {
        if self.last.as_ref().is_none_or(|(last, _)| last != key) {
            let answer = match self.known.get(key) {
                Some(answer) => answer.clone(),
                None => {
                    let answer = make();
                    if self.known.len() == Self::MOST {
                        self.known.clear();
                    }
                    self.known.insert(key.to_string(), answer.clone());
                    answer
                }
            };
            match &mut self.last {
                Some((last, of_last)) => {
                    last.clear();
                    last.push_str(key);
                    *of_last = answer;
                }
                None => self.last = Some((key.to_string(), answer)),
            }
        }
        &self.last.as_ref().expect("the answer was just put there").1
    }
}

/// The normalised code of a raw value; none for an empty one that the table does not name.
pub fn code_of(codes: &CodeTable, value: &str, after_date: bool) -> Option<String> {
    let word = match after_date {
        true => value.trim_start_matches(|c: char| c.is_ascii_digit() || "/- ".contains(c)),
        false => value,
    };
    let other = || if word.is_empty() { None } else { codes.get("*") };
    codes.get(word).or_else(other).cloned()
}

/// Runs of blanks as one.
pub fn fold_blanks(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.contains("  ") {
        Cow::Owned(value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        value
    }
}

/// True or false for the words that states use; none for others.
pub fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "Y" | "y" | "Yes" | "YES" | "T" | "TRUE" | "True" | "1" => Some(true),
        "N" | "n" | "No" | "NO" | "F" | "FALSE" | "False" | "0" => Some(false),
        _ => None,
    }
}
