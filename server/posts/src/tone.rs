//! The tone of English texts by the rules of VADER (Hutto and Gilbert 2014), as the authors' own program 3.3.2 works them
//! out, on the lexicons that `vader_sentiment` carries. That crate's rules are those of an older version, with faults of
//! their own; `tests/oracles/tone.py` holds these to the authors' program.

use std::collections::HashMap;
use std::sync::OnceLock;

const BOOST: f64 = 0.293;
const CAPITALS: f64 = 0.733;
const NEGATED: f64 = -0.74;
/// Scales a sum of valences to -1 to 1.
const ALPHA: f64 = 15.0;

const NEGATIONS: &str = "aint arent cannot cant couldnt darent didnt doesnt ain't aren't can't couldn't daren't didn't doesn't dont hadnt hasnt havent isnt mightnt mustnt neither don't hadn't hasn't haven't isn't mightn't mustn't neednt needn't never none nope nor not nothing nowhere oughtnt shant shouldnt uhuh wasnt werent oughtn't shan't shouldn't uh-uh wasn't weren't without wont wouldnt won't wouldn't rarely seldom despite";
const STRONGER: &str = "absolutely amazingly awfully completely considerable considerably decidedly deeply effing enormous enormously entirely especially exceptional exceptionally extreme extremely fabulously flipping flippin frackin fracking fricking frickin frigging friggin fully fuckin fucking fuggin fugging greatly hella highly hugely incredible incredibly intensely major majorly more most particularly purely quite really remarkably so substantially thoroughly total totally tremendous tremendously uber unbelievably unusually utter utterly very";
const WEAKER: &str = "almost barely hardly kinda kindof kind-of less little marginal marginally occasional occasionally partly scarce scarcely slight slightly somewhat sorta sortof sort-of";
/// Words that weaken only together.
const WEAKER_PAIRS: [&str; 3] = ["just enough", "kind of", "sort of"];
const SPECIAL: [(&str, f64); 9] = [
    ("the shit", 3.0),
    ("the bomb", 3.0),
    ("bad ass", 1.5),
    ("badass", 1.5),
    ("bus stop", 0.0),
    ("yeah right", -2.0),
    ("kiss of death", -1.5),
    ("to die for", 3.0),
    ("beating heart", 3.5),
];
/// Words that the crate's lexicon lacks.
const LACKING: [(&str, f64); 2] = [("heart", 3.2), ("hearts", 3.3)];

/// The lexicons, ready to be looked up by small letters.
struct Lexicon {
    valence: HashMap<String, f64>,
    emoji: HashMap<char, &'static str>,
    boost: HashMap<&'static str, f64>,
    negations: std::collections::HashSet<&'static str>,
}

fn lexicon() -> &'static Lexicon {
    static LEXICON: OnceLock<Lexicon> = OnceLock::new();
    LEXICON.get_or_init(|| {
        let words = vader_sentiment::LEXICON.iter().map(|(word, valence)| (word.to_lowercase(), *valence));
        let lacking = LACKING.iter().map(|(word, valence)| (word.to_string(), *valence));
        let emoji = vader_sentiment::EMOJI_LEXICON.iter().filter_map(|(emoji, told)| {
            let mut letters = emoji.chars();
            letters.next().filter(|_| letters.next().is_none()).map(|letter| (letter, *told))
        });
        let stronger = STRONGER.split(' ').map(|word| (word, BOOST));
        let weaker = WEAKER.split(' ').map(|word| (word, -BOOST));
        Lexicon {
            valence: words.chain(lacking).collect(),
            emoji: emoji.collect(),
            boost: stronger.chain(weaker).collect(),
            negations: NEGATIONS.split(' ').collect(),
        }
    })
}

/// A text's words with their small letters.
struct Words {
    written: Vec<String>,
    lower: Vec<String>,
    /// Some of them are in capitals, and some are not.
    mixed: bool,
}

impl Words {
    fn of(text: &str) -> Words {
        let strip = |token: &str| {
            let word = token.trim_matches(|c: char| c.is_ascii_punctuation());
            if word.chars().count() <= 2 { token.to_string() } else { word.to_string() }
        };
        let written: Vec<String> = text.split_whitespace().map(strip).collect();
        let capitals = written.iter().filter(|word| in_capitals(word)).count();
        let lower = written.iter().map(|word| word.to_lowercase()).collect();
        Words { mixed: capitals > 0 && capitals < written.len(), written, lower }
    }

    /// Some words that follow each other, joined.
    fn joined(&self, words: std::ops::Range<usize>) -> String {
        self.lower[words].join(" ")
    }
}

fn in_capitals(word: &str) -> bool {
    word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase)
}

/// The compound score, from -1, hostile, to 1, friendly.
pub fn tone(text: &str) -> f64 {
    let lexicon = lexicon();
    let mut plain = String::with_capacity(text.len());
    let mut space = true;
    for letter in text.chars() {
        match lexicon.emoji.get(&letter) {
            Some(told) => {
                if !space {
                    plain.push(' ');
                }
                plain.push_str(told);
                space = false;
            }
            None => {
                plain.push(letter);
                space = letter == ' ';
            }
        }
    }
    let words = Words::of(plain.trim());
    let mut valences: Vec<f64> = (0..words.lower.len()).map(|at| valence(lexicon, &words, at)).collect();
    contrast(&words, &mut valences);
    let sum: f64 = valences.iter().sum();
    let emphasis = emphasis(&plain);
    let sum = match sum {
        sum if sum > 0.0 => sum + emphasis,
        sum if sum < 0.0 => sum - emphasis,
        sum => sum,
    };
    let scaled = (sum / (sum * sum + ALPHA).sqrt()).clamp(-1.0, 1.0);
    (scaled * 10_000.0).round() / 10_000.0
}

/// What exclamation and question marks add.
fn emphasis(text: &str) -> f64 {
    let count = |mark: u8| text.bytes().filter(|byte| *byte == mark).count();
    let questions = match count(b'?') {
        0 | 1 => 0.0,
        few @ 2..=3 => few as f64 * 0.18,
        _ => 0.96,
    };
    count(b'!').min(4) as f64 * 0.292 + questions
}

/// What stands before "but" counts half, what stands behind it half as much again. Of equal valences the first is
/// changed each time, as the authors' program does.
fn contrast(words: &Words, valences: &mut [f64]) {
    let Some(but) = words.lower.iter().position(|word| word == "but") else { return };
    for at in 0..valences.len() {
        let value = valences[at];
        let first = valences.iter().position(|other| *other == value).unwrap_or(at);
        if first != but {
            valences[first] = value * if first < but { 0.5 } else { 1.5 };
        }
    }
}

fn is_negation(lexicon: &Lexicon, word: &str) -> bool {
    lexicon.negations.contains(word) || word.contains("n't")
}

/// The valence of one word among the others.
fn valence(lexicon: &Lexicon, words: &Words, at: usize) -> f64 {
    let (word, lower) = (&words.written[at], &words.lower);
    let own = &lower[at];
    let is = |place: usize, text: &str| lower[place] == text;
    if lexicon.boost.contains_key(own.as_str())
        || (own == "kind" && lower.get(at + 1).is_some_and(|next| next == "of"))
    {
        return 0.0;
    }
    let Some(known) = lexicon.valence.get(own).copied() else { return 0.0 };
    let mut valence = known;
    if own == "no" && lower.get(at + 1).is_some_and(|next| lexicon.valence.contains_key(next)) {
        valence = 0.0;
    }
    let no = |back: usize| at >= back && is(at - back, "no");
    if no(1) || no(2) || (no(3) && (is(at - 1, "or") || is(at - 1, "nor"))) {
        valence = known * NEGATED;
    }
    if in_capitals(word) && words.mixed {
        valence += if valence > 0.0 { CAPITALS } else { -CAPITALS };
    }
    for back in 1..=3 {
        if at < back || lexicon.valence.contains_key(&lower[at - back]) {
            continue;
        }
        let before = &lower[at - back];
        if let Some(boost) = lexicon.boost.get(before.as_str()) {
            let mut boost = if valence < 0.0 { -boost } else { *boost };
            if in_capitals(&words.written[at - back]) && words.mixed {
                boost += if valence > 0.0 { CAPITALS } else { -CAPITALS };
            }
            valence += boost * [1.0, 0.95, 0.9][back - 1];
        }
        let so = |place: usize| is(place, "so") || is(place, "this");
        valence *= match back {
            2 if is(at - 2, "never") && so(at - 1) => 1.25,
            2 if is(at - 2, "without") && is(at - 1, "doubt") => 1.0,
            3 if (is(at - 3, "never") && so(at - 2)) || so(at - 1) => 1.25,
            3 if is(at - 3, "without") && (is(at - 2, "doubt") || is(at - 1, "doubt")) => 1.0,
            _ if is_negation(lexicon, before) => NEGATED,
            _ => 1.0,
        };
        if back == 3 {
            valence = special(words, at, valence);
        }
    }
    let least = at > 0 && is(at - 1, "least") && !lexicon.valence.contains_key("least");
    match least {
        true if at > 1 && (is(at - 2, "at") || is(at - 2, "very")) => valence,
        true => valence * NEGATED,
        false => valence,
    }
}

/// Phrases that mean something of their own, and pairs of words that weaken.
fn special(words: &Words, at: usize, mut valence: f64) -> f64 {
    let known =
        |phrase: &str| SPECIAL.iter().find(|(special, _)| *special == phrase).map(|(_, value)| *value);
    let before = [at - 1..at + 1, at - 2..at + 1, at - 2..at, at - 3..at, at - 3..at - 1];
    if let Some(value) = before.into_iter().find_map(|range| known(&words.joined(range))) {
        valence = value;
    }
    for behind in [2, 3] {
        if at + behind <= words.lower.len()
            && let Some(value) = known(&words.joined(at..at + behind))
        {
            valence = value;
        }
    }
    for range in [at - 3..at, at - 3..at - 1, at - 2..at] {
        if WEAKER_PAIRS.contains(&words.joined(range).as_str()) {
            valence -= BOOST;
        }
    }
    valence
}
