//! Texts as words: letters and digits with apostrophes and hyphens between them. Addresses of pages and of people are no
//! words; the sign before a hashtag is no part of it.

/// A word and how it stands in its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Word<'a> {
    pub text: &'a str,
    /// What stands between it and the word before: a comma parts what spaces join.
    pub parted: bool,
}

/// The words of a text, as they are written.
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut parted = true;
    for chunk in text.split_whitespace() {
        if chunk.starts_with('@') || chunk.contains("://") || chunk.starts_with("www.") {
            parted = true;
            continue;
        }
        let mut rest = chunk;
        while let Some(start) = rest.find(char::is_alphanumeric) {
            parted |= rest[..start].contains(is_parting);
            rest = &rest[start..];
            let end = end_of_word(rest);
            words.push(Word { text: &rest[..end], parted });
            (rest, parted) = (&rest[end..], false);
        }
        parted |= rest.contains(is_parting);
    }
    words
}

fn is_parting(c: char) -> bool {
    !matches!(c, '\'' | '’' | '-' | '#' | '"' | '“' | '”')
}

/// Where the word that a text begins with ends: apostrophes and hyphens belong to it where letters follow.
fn end_of_word(text: &str) -> usize {
    let mut letters = text.char_indices().peekable();
    let mut end = 0;
    while let Some((at, c)) = letters.next() {
        let joins =
            matches!(c, '\'' | '’' | '-') && letters.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        if !c.is_alphanumeric() && !joins {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_words() {
        let of = |text| words(text).iter().map(|word| word.text.to_string()).collect::<Vec<String>>();
        assert_eq!(
            of("It's #MedicareForAll-time, @someone: see https://a.b/c!"),
            ["It's", "MedicareForAll-time", "see"]
        );
        assert_eq!(of("seguro médico… ‘ok’"), ["seguro", "médico", "ok"]);
        assert!(of("-- ' --").is_empty());
        let parted: Vec<bool> = words("Denver, CO and on").iter().map(|word| word.parted).collect();
        assert_eq!(parted, [true, true, false, false]);
    }
}
