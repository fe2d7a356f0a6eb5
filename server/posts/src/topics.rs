//! Topics: a taxonomy of campaign issues, and which of them a text touches.
//!
//! A topic holds where one of its terms occurs, or two different hints. A term is one word or some that follow each other,
//! in any case; `*` behind a word stands for any ending. What `unless` names is taken out first, for that topic.

use std::collections::HashMap;

use serde::Deserialize;

use crate::words::words;

/// Shortest beginning of a word that may stand for all its endings, in letters.
const LEAST_BEGINNING: usize = 3;

/// Why a taxonomy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not a taxonomy: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("topic {topic}: {what}")]
    Fault { topic: String, what: String },
}

/// A topic as its file describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Major topic of the Comparative Agendas Project.
    #[serde(default)]
    pub cap: Option<u32>,
    /// By language; each is looked for whatever the language of a text.
    #[serde(default)]
    terms: HashMap<String, Vec<String>>,
    #[serde(default)]
    hints: HashMap<String, Vec<String>>,
    #[serde(default)]
    unless: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default, rename = "version")]
    _version: u32,
    topics: Vec<Topic>,
}

/// What a found phrase says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    Term,
    /// One of the topic's hints, by number.
    Hint(usize),
    Unless,
}

#[derive(Debug)]
struct Phrase {
    /// Words behind the first; true where any ending will do.
    rest: Vec<(String, bool)>,
    topic: usize,
    says: Says,
}

/// Topics, ready to be looked for.
#[derive(Debug)]
pub struct Taxonomy {
    pub topics: Vec<Topic>,
    /// Phrases by their first word, and by its beginning.
    whole: HashMap<String, Vec<Phrase>>,
    beginning: HashMap<String, Vec<Phrase>>,
    /// Longest beginning, in bytes.
    longest: usize,
}

impl Taxonomy {
    /// The taxonomy that is shipped.
    pub fn shipped() -> Result<Taxonomy, Error> {
        Taxonomy::parse(include_str!("../../../schema/topics.json"))
    }

    /// Reads a taxonomy, as JSON.
    pub fn parse(text: &str) -> Result<Taxonomy, Error> {
        let document: Document = serde_json::from_str(text)?;
        let mut taxonomy = Taxonomy {
            topics: document.topics,
            whole: HashMap::new(),
            beginning: HashMap::new(),
            longest: 0,
        };
        for at in 0..taxonomy.topics.len() {
            let topic = taxonomy.topics[at].clone();
            let fail = |what: &str| Error::Fault { topic: topic.id.clone(), what: what.into() };
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if topic.id.is_empty() || topic.id.len() > 60 || !topic.id.chars().all(plain) {
                return Err(fail("an id has small letters, digits and hyphens, at most 60"));
            }
            if taxonomy.topics[..at].iter().any(|other| other.id == topic.id) {
                return Err(fail("this id is there twice"));
            }
            let terms = topic.terms.values().flatten().map(|term| (term, Says::Term));
            let hints = topic.hints.values().flatten().enumerate().map(|(at, hint)| (hint, Says::Hint(at)));
            let unless = topic.unless.iter().map(|term| (term, Says::Unless));
            for (term, says) in terms.chain(hints).chain(unless) {
                taxonomy.add(term, at, says).map_err(|what| fail(&format!("{term:?}: {what}")))?;
            }
        }
        Ok(taxonomy)
    }

    fn add(&mut self, term: &str, topic: usize, says: Says) -> Result<(), &'static str> {
        let mut phrase = Vec::new();
        for chunk in term.to_lowercase().split_whitespace() {
            let (word, any) = match chunk.strip_suffix('*') {
                Some(word) => (word, true),
                None => (chunk, false),
            };
            if words(word).len() != 1 || words(word)[0].text != word {
                return Err("a term is made of words");
            }
            if any && word.chars().count() < LEAST_BEGINNING {
                return Err("a beginning has three letters or more");
            }
            phrase.push((word.to_string(), any));
        }
        if phrase.is_empty() {
            return Err("a term has a word");
        }
        let (first, any) = phrase.remove(0);
        let phrases = if any { &mut self.beginning } else { &mut self.whole };
        if any {
            self.longest = self.longest.max(first.len());
        }
        phrases.entry(first).or_default().push(Phrase { rest: phrase, topic, says });
        Ok(())
    }

    /// Ids of the topics that a text touches, in the order of the taxonomy.
    pub fn of(&self, text: &str) -> Vec<String> {
        let lower = text.to_lowercase().replace('’', "'");
        let words: Vec<&str> = words(&lower).iter().map(|word| word.text).collect();
        // Topic, what was found of it, and the words where.
        let mut found: Vec<(usize, Says, std::ops::Range<usize>)> = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let mut take = |phrases: &Vec<Phrase>| {
                for phrase in phrases {
                    let end = at + 1 + phrase.rest.len();
                    let fits = words.get(at + 1..end).is_some_and(|words| {
                        words.iter().zip(&phrase.rest).all(|(word, (term, any))| {
                            if *any { word.starts_with(term.as_str()) } else { word == term }
                        })
                    });
                    if fits {
                        found.push((phrase.topic, phrase.says, at..end));
                    }
                }
            };
            self.whole.get(*word).into_iter().for_each(&mut take);
            let ends = word.char_indices().map(|(at, c)| at + c.len_utf8()).skip(LEAST_BEGINNING - 1);
            for end in ends.take_while(|end| *end <= self.longest) {
                self.beginning.get(&word[..end]).into_iter().for_each(&mut take);
            }
        }
        let out: Vec<(usize, std::ops::Range<usize>)> = found
            .iter()
            .filter(|(_, says, _)| *says == Says::Unless)
            .map(|(topic, _, words)| (*topic, words.clone()))
            .collect();
        let is_out = |topic: usize, words: &std::ops::Range<usize>| {
            out.iter().any(|(of, out)| *of == topic && words.start < out.end && out.start < words.end)
        };
        let holds = |topic: usize| {
            let mut hint = None;
            found.iter().filter(|(of, _, words)| *of == topic && !is_out(topic, words)).any(|(_, says, _)| {
                match says {
                    Says::Term => true,
                    Says::Hint(number) => *hint.get_or_insert(*number) != *number,
                    Says::Unless => false,
                }
            })
        };
        let mut touched: Vec<usize> = found.iter().map(|(topic, ..)| *topic).collect();
        touched.sort_unstable();
        touched.dedup();
        touched.into_iter().filter(|topic| holds(*topic)).map(|topic| self.topics[topic].id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"topics": [
        {"id": "health", "name": "Health", "terms": {"en": ["health care", "hospital*"]},
         "hints": {"en": ["doctor*", "insurance", "nurse"]}, "unless": ["doctor who"]},
        {"id": "guns", "name": "Guns", "terms": {"en": ["gun control", "gunviolence"], "es": ["armas de fuego"]}}]}"#;

    #[test]
    fn a_topic_holds_by_a_term_or_two_hints() {
        let taxonomy = Taxonomy::parse(SMALL).expect("a taxonomy");
        let of = |text: &str| taxonomy.of(text).join(" ");
        assert_eq!(of("HEALTH CARE now"), "health");
        assert_eq!(of("Hospitals need #GunViolence plans"), "health guns");
        assert_eq!(of("my doctor's bill"), "");
        assert_eq!(of("doctors and doctor"), "", "one hint twice is one hint");
        assert_eq!(of("the doctor wants insurance"), "health");
        assert_eq!(of("Doctor Who has insurance"), "");
        assert_eq!(of("health, care for it"), "health", "words follow each other over a comma");
        assert_eq!(of("control de armas de fuego"), "guns");
        assert_eq!(of(""), "");
    }

    #[test]
    fn what_is_no_taxonomy_is_refused_by_its_topic() {
        let refused = |from: &str, to: &str| {
            Taxonomy::parse(&SMALL.replacen(from, to, 1)).map(|_| ()).expect_err("a fault").to_string()
        };
        assert!(refused("\"guns\"", "\"health\"").contains("twice"));
        assert!(refused("\"guns\"", "\"Guns\"").contains("small letters"));
        assert!(refused("hospital*", "h*").contains("three letters"));
        assert!(refused("hospital*", "a/b").contains("made of words"));
        assert!(refused("\"unless\"", "\"but\"").contains("but"));
    }

    #[test]
    fn the_shipped_taxonomy_is_one() {
        let taxonomy = Taxonomy::shipped().expect("the shipped taxonomy");
        assert!(taxonomy.topics.len() >= 20);
        assert!(taxonomy.topics.iter().all(|topic| !topic.description.is_empty() && topic.cap.is_some()));
    }
}
