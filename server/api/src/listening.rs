//! Public posts as they land: what they are about, by the taxonomy in use and the places of the voters that are loaded.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

use bellwether_delivery::Filler;
use bellwether_delivery::reading::{Event, Value};
use bellwether_posts::{Gazetteer, Post, Reader, Taxonomy};
use bellwether_schema::events::EventType;
use bellwether_schema::ids::Kind;
use bellwether_warehouse::questions;

use crate::error::ApiError;
use crate::serving::Serving;

/// The type of posts.
pub const POSTS: &str = "social.post";

/// Reads posts.
pub struct Listening {
    /// A campaign's own taxonomy; looked at again when it changes.
    file: Option<PathBuf>,
    reader: RwLock<(Arc<Reader>, Option<SystemTime>)>,
    places: RwLock<Arc<Places>>,
    /// The places are known, or there are none yet.
    settled: AtomicBool,
}

/// The places of a release.
#[derive(Default)]
struct Places {
    gazetteer: Gazetteer,
    /// The release whose counties points are located in.
    serving: Option<Arc<Serving>>,
}

impl Listening {
    pub fn new(file: Option<PathBuf>) -> Result<Listening, String> {
        let taxonomy = Taxonomy::shipped().map_err(|error| error.to_string())?;
        let reader = RwLock::new((Arc::new(Reader::new(taxonomy)), None));
        let listening =
            Listening { file, reader, places: RwLock::default(), settled: AtomicBool::new(false) };
        listening.refresh()?;
        Ok(listening)
    }

    /// Reads the campaign's taxonomy again where its file has changed. One with a fault leaves the one before in use.
    pub fn refresh(&self) -> Result<(), String> {
        let Some(path) = &self.file else { return Ok(()) };
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let changed =
            std::fs::metadata(path).and_then(|data| data.modified()).map_err(|error| told(&error))?;
        if self.reader.read().is_ok_and(|reader| reader.1 == Some(changed)) {
            return Ok(());
        }
        let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
        let parsed = Taxonomy::parse(&text).map_err(|error| told(&error));
        let Ok(mut reader) = self.reader.write() else { return Ok(()) };
        // A fault is told once, not every time that it is looked at.
        reader.1 = Some(changed);
        reader.0 = Arc::new(Reader::new(parsed?));
        Ok(())
    }

    pub fn reader(&self) -> Option<Arc<Reader>> {
        self.reader.read().ok().map(|reader| reader.0.clone())
    }

    /// Posts need wait no longer.
    pub fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }

    /// Knows the places of a release from now on.
    pub fn know(&self, serving: &Arc<Serving>) -> Result<(), ApiError> {
        let answer = questions::places(&serving.copy)?;
        let (mut cities, mut counties) = (Vec::new(), Vec::new());
        let texts = |name: &str| answer.texts(name).into_iter().map(Option::unwrap_or_default);
        let rows = texts("sort").zip(texts("name")).zip(texts("state")).zip(answer.integers("voters"));
        for (((sort, name), state), voters) in rows {
            let place = (name, state, voters.unwrap_or(0) as u64);
            if sort == "city" { cities.push(place) } else { counties.push(place) }
        }
        let gazetteer = Gazetteer::new(&cities, &counties);
        if let Ok(mut places) = self.places.write() {
            *places = Arc::new(Places { gazetteer, serving: Some(serving.clone()) });
        }
        Ok(())
    }
}

impl Places {
    /// The county in which a point lies, as a place.
    fn county_of(&self, longitude: f64, latitude: f64) -> Option<String> {
        let locators = self.serving.as_ref()?.locators().ok()?;
        let counties = locators.iter().find(|locator| locator.kind == Kind::County)?;
        let at = counties.layer.locate(longitude, latitude)?;
        let state = bellwether_schema::ids::state_of_fips(counties.ids[at].get(..2)?)?;
        let name = &counties.names[at];
        let name = name.strip_suffix(" County").unwrap_or(name);
        Some(format!("{name} County, {state}"))
    }
}

impl Filler for Listening {
    fn fills(&self, event_type: &str) -> bool {
        event_type == POSTS
    }

    fn is_ready(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    fn fill(&self, event_type: &EventType, event: &mut Event) {
        let place = |name: &str| event_type.fields.iter().position(|field| field.name == name);
        let (Some(reader), Ok(places)) = (self.reader(), self.places.read().map(|places| places.clone()))
        else {
            return;
        };
        fn text<'a>(event: &'a Event, at: Option<usize>) -> Option<&'a str> {
            match &event.values[at?] {
                Value::Text(text) => Some(text),
                _ => None,
            }
        }
        let number = |name: &str| match event.values[place(name)?] {
            Value::Number(number) => Some(number),
            Value::Integer(number) => Some(number as f64),
            _ => None,
        };
        let Some(written) = text(event, place("text")) else { return };
        let languages: Vec<String> = text(event, place("languages"))
            .and_then(|list| serde_json::from_str(list).ok())
            .unwrap_or_default();
        let post = Post {
            text: written,
            stated_language: languages.first().map(String::as_str),
            stated_place: text(event, place("author_place")),
        };
        let authored = text(event, place("author")).is_some_and(|author| !author.is_empty());
        let mut reading = reader.read(&post, &places.gazetteer);
        let posted = number("longitude").zip(number("latitude"));
        let posted = posted.and_then(|(longitude, latitude)| places.county_of(longitude, latitude));
        let (from, found) = match (posted, reading.place.take()) {
            (Some(place), _) => ("posted", Some((place, 1.0))),
            (None, Some(found)) => (found.from.name(), Some((found.place, found.confidence))),
            (None, None) => ("", None),
        };
        let mut set = |name: &str, value: Value<'static>| {
            if let Some(at) = place(name) {
                event.values[at] = value;
            }
        };
        let own = |text: String| Value::Text(Cow::Owned(text));
        set("authored", Value::Boolean(authored));
        set("language", reading.language.map_or(Value::None, own));
        set("topics", own(serde_json::json!(reading.topics).to_string()));
        set("tone", reading.tone.map_or(Value::None, Value::Number));
        if let Some((place, confidence)) = found {
            set("place", own(place));
            set("place_from", Value::Text(Cow::Borrowed(from)));
            set("place_confidence", Value::Number((confidence * 1e4).round() / 1e4));
        }
    }
}
