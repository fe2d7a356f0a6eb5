//! Feeds of papers, blogs and offices: RSS of every version, Atom, JSON Feed; and posts in a table. Each entry becomes a
//! `social.post`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::social::{plain, post};
use super::van::local_time;
use super::{Events, Unfit};

/// The entries of a feed.
pub fn feed(body: &[u8]) -> Result<Events, Unfit> {
    let feed =
        feed_rs::parser::parse(body).map_err(|error| Unfit(format!("the body is no feed: {error}")))?;
    let name = feed.title.as_ref().map(|title| plain(&title.content)).unwrap_or_default();
    let entries = feed.entries.iter().map(|entry| {
        let mut data = Map::new();
        let said = entry.content.as_ref().and_then(|content| content.body.as_deref());
        let said = entry.summary.as_ref().map(|summary| summary.content.as_str()).or(said);
        let title = entry.title.as_ref().map(|title| title.content.as_str());
        let text: Vec<String> =
            title.into_iter().chain(said).map(plain).filter(|text| !text.is_empty()).collect();
        data.insert("text".into(), text.join(" — ").into());
        if let Some(link) = entry.links.first() {
            data.insert("url".into(), link.href.clone().into());
        }
        let person = entry.authors.first().or(feed.authors.first());
        let author = person.and_then(|person| person.name.as_deref()).unwrap_or(&name);
        if !name.is_empty() {
            data.insert("author_name".into(), name.clone().into());
        }
        if let Some(language) = entry.language.as_ref().or(feed.language.as_ref()) {
            data.insert("languages".into(), json!([language]));
        }
        let tags: Vec<Value> = entry.categories.iter().map(|category| category.term.clone().into()).collect();
        if !tags.is_empty() {
            data.insert("hashtags".into(), tags.into());
        }
        let time = entry.published.or(entry.updated).map(|time| time.to_rfc3339());
        let version = entry.updated.map(|time| time.timestamp().to_string()).unwrap_or_default();
        post("feed", author, &entry.id, "create", &version, time.map(Value::from), data)
    });
    Ok(entries.collect())
}

/// A row of a table of posts: `id`, `text`, `created_at` (UTC), and `author` or the one that is said to be of all rows.
pub fn row(row: &HashMap<String, String>, author: Option<&str>) -> Result<Vec<u8>, Unfit> {
    let of = |name: &str| {
        let found = row.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let need = |names: [&str; 3]| {
        names.into_iter().find_map(of).ok_or_else(|| Unfit(format!("{} is missing", names[0])))
    };
    let id = need(["id", "Tid", "tweet_id"])?;
    let mut data = Map::new();
    data.insert("text".into(), need(["text", "full_text", "content"])?.into());
    let time = of("created_at").and_then(|text| match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_rfc3339()),
        Err(_) => local_time(text, 0),
    });
    let author = of("author").or(of("author_id")).or(author).unwrap_or_default();
    Ok(post("x", author, id, "create", "", time.map(Value::from), data))
}
