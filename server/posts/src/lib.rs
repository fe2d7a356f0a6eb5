//! What public posts are about: language, topics, tone and place. Pure functions of a text.

pub mod places;
pub mod tone;
pub mod topics;
mod words;

use whatlang::Lang;

pub use places::{Found, Gazetteer, Source};
pub use topics::{Taxonomy, Topic};

/// Letters that a text must have before its language is told from them alone.
const ENOUGH: usize = 20;
/// Bytes of a text that tone is told by: posts are short, and articles say what they are about first.
const TONE: usize = 5_000;

/// What was read of a post.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// ISO 639-1 where there is such a code, else ISO 639-3.
    pub language: Option<String>,
    /// Ids of topics, in the order of the taxonomy.
    pub topics: Vec<String>,
    /// From -1 (hostile) to 1 (friendly): the compound score of Hutto and Gilbert (2014). English only.
    pub tone: Option<f64>,
    pub place: Option<Found>,
}

/// A post, as far as it is read here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Post<'a> {
    pub text: &'a str,
    /// Language that the author states, as a BCP 47 tag.
    pub stated_language: Option<&'a str>,
    /// Place that the author states.
    pub stated_place: Option<&'a str>,
}

/// Reads posts.
pub struct Reader {
    taxonomy: Taxonomy,
}

impl Reader {
    pub fn new(taxonomy: Taxonomy) -> Reader {
        Reader { taxonomy }
    }

    pub fn taxonomy(&self) -> &Taxonomy {
        &self.taxonomy
    }

    /// Reads one post, with the places that are known.
    pub fn read(&self, post: &Post, places: &Gazetteer) -> Reading {
        let language = language(post.text, post.stated_language);
        let tone = (language.as_deref() == Some("en")).then(|| tone::tone(beginning(post.text)));
        let place = post.stated_place.and_then(|stated| places.stated(stated));
        let place = place.or_else(|| places.mentioned(post.text));
        Reading { topics: self.taxonomy.of(post.text), language, tone, place }
    }
}

/// The beginning of a text that its tone is told by.
fn beginning(text: &str) -> &str {
    let end = (0..=text.len().min(TONE)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// The language of a text: told from the text where that is sure, else as it is stated.
fn language(text: &str, stated: Option<&str>) -> Option<String> {
    let letters = text.chars().filter(|c| c.is_alphabetic()).take(ENOUGH).count();
    let told = (letters >= ENOUGH).then(|| whatlang::detect(text)).flatten();
    let stated = stated.map(|tag| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase());
    let stated = stated.filter(|tag| (2..=3).contains(&tag.len()));
    match told {
        Some(told) if told.is_reliable() => Some(code(told.lang()).to_string()),
        _ => stated,
    }
}

/// The two-letter code of a language, where it has one.
fn code(language: Lang) -> &'static str {
    match language {
        Lang::Epo => "eo",
        Lang::Eng => "en",
        Lang::Rus => "ru",
        Lang::Cmn => "zh",
        Lang::Spa => "es",
        Lang::Por => "pt",
        Lang::Ita => "it",
        Lang::Ben => "bn",
        Lang::Fra => "fr",
        Lang::Deu => "de",
        Lang::Ukr => "uk",
        Lang::Kat => "ka",
        Lang::Ara => "ar",
        Lang::Hin => "hi",
        Lang::Jpn => "ja",
        Lang::Heb => "he",
        Lang::Yid => "yi",
        Lang::Pol => "pl",
        Lang::Amh => "am",
        Lang::Jav => "jv",
        Lang::Kor => "ko",
        Lang::Nob => "nb",
        Lang::Dan => "da",
        Lang::Swe => "sv",
        Lang::Fin => "fi",
        Lang::Tur => "tr",
        Lang::Nld => "nl",
        Lang::Hun => "hu",
        Lang::Ces => "cs",
        Lang::Ell => "el",
        Lang::Bul => "bg",
        Lang::Bel => "be",
        Lang::Mar => "mr",
        Lang::Kan => "kn",
        Lang::Ron => "ro",
        Lang::Slv => "sl",
        Lang::Hrv => "hr",
        Lang::Srp => "sr",
        Lang::Mkd => "mk",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Est => "et",
        Lang::Tam => "ta",
        Lang::Vie => "vi",
        Lang::Urd => "ur",
        Lang::Tha => "th",
        Lang::Guj => "gu",
        Lang::Uzb => "uz",
        Lang::Pan => "pa",
        Lang::Aze => "az",
        Lang::Ind => "id",
        Lang::Tel => "te",
        Lang::Pes => "fa",
        Lang::Mal => "ml",
        Lang::Ori => "or",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Sin => "si",
        Lang::Khm => "km",
        Lang::Tuk => "tk",
        Lang::Aka => "ak",
        Lang::Zul => "zu",
        Lang::Sna => "sn",
        Lang::Afr => "af",
        Lang::Lat => "la",
        Lang::Slk => "sk",
        Lang::Cat => "ca",
        Lang::Tgl => "tl",
        Lang::Hye => "hy",
        other => other.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_read_whole() {
        let taxonomy = Taxonomy::parse(
            r#"{"topics": [{"id": "health", "name": "Health", "terms": {"en": ["health care"], "es": ["salud"]}}]}"#,
        );
        let reader = Reader::new(taxonomy.expect("a taxonomy"));
        let places = Gazetteer::new(&[("Denver".into(), "CO".into(), 400_000)], &[]);
        let read = |text, stated_language, stated_place| {
            reader.read(&Post { text, stated_language, stated_place }, &places)
        };
        let reading = read(
            "I love our health care system, it is wonderful for everyone who lives here and for those who work in it!",
            None,
            Some("Denver, Colorado"),
        );
        assert_eq!(
            (reading.language.as_deref(), &reading.topics[..]),
            (Some("en"), &["health".to_string()][..])
        );
        assert!(reading.tone > Some(0.5));
        assert_eq!(reading.place.expect("a place").place, "Denver, CO");
        let spanish = read(
            "La salud de nuestros hijos es lo más importante para todos nosotros, y por eso queremos que los médicos tengan el tiempo que necesitan",
            None,
            None,
        );
        assert_eq!((spanish.language.as_deref(), spanish.topics.len(), spanish.tone), (Some("es"), 1, None));
        // Too short to tell: what the author states.
        assert_eq!(read("ok", Some("pt-BR"), None).language.as_deref(), Some("pt"));
        assert_eq!(read("", None, None), Reading::default());
    }
}
