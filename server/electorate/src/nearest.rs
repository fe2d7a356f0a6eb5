//! Which of the known names was meant.

/// The known names nearest to `asked` by edit distance, at most three, none that is altogether different.
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let folded = asked.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (distance(&folded, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + folded.len().max(name.len()) / 2)
        .collect();
    near.sort();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from one text to the other.
fn distance(one: &str, other: &str) -> usize {
    // Names are short; what is longer than any of them is as far as it is long.
    let (one, other): (Vec<char>, Vec<char>) =
        (one.chars().take(64).collect(), other.chars().take(64).collect());
    let mut rows = [vec![0; other.len() + 1], (0..=other.len()).collect(), vec![0; other.len() + 1]];
    for (i, a) in one.iter().enumerate() {
        let [before, last, next] = &mut rows;
        next[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut best = replaced.min(last[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            next[j + 1] = best;
        }
        rows.rotate_left(1);
    }
    rows[1][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_strangers_not_at_all() {
        let known = ["party", "age", "gender", "zip"];
        assert_eq!(nearest("parti", known).first(), Some(&"party"));
        assert_eq!(nearest("gendre", known).first(), Some(&"gender"));
        assert!(nearest("favourite_colour_of_the_house", known).is_empty());
        assert_eq!(nearest("", [] as [&str; 0]), [] as [&str; 0]);
    }
}
