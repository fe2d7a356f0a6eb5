//! Social networks: Bluesky's Jetstream (both versions, as it streams or as a file), Mastodon statuses (as its API and its
//! streams send them), X's posts (API v2). Each becomes a `social.post`; deletions do too.

use serde_json::{Map, Value, json};

use super::{Events, Unfit, event};

/// JSON documents one behind the other: lines, or one list, or one document.
fn documents(body: &[u8]) -> Result<Vec<Value>, Unfit> {
    let mut documents = Vec::new();
    for document in serde_json::Deserializer::from_slice(body).into_iter::<Value>() {
        match document {
            Ok(Value::Array(list)) => documents.extend(list),
            Ok(document) => documents.push(document),
            Err(error) => {
                return Err(Unfit(format!("not JSON: line {} column {}", error.line(), error.column())));
            }
        }
    }
    Ok(documents)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// A post, or what became of one. `version` tells it from what else happened to the same post.
pub(super) fn post(
    network: &str,
    author: &str,
    post_id: &str,
    operation: &str,
    version: &str,
    time: Option<Value>,
    more: Map<String, Value>,
) -> Vec<u8> {
    let mut data = more;
    data.insert("network".into(), network.into());
    data.insert("post_id".into(), post_id.into());
    data.insert("operation".into(), operation.into());
    if !author.is_empty() {
        data.insert("author".into(), author.into());
    }
    let id = format!("{network}/{post_id}/{operation}/{version}");
    event("social.post", Some(&id), time.as_ref(), data)
}

/// Events of Bluesky's Jetstream. Likes, follows and the like are left out; so are posts of other kinds.
pub fn jetstream(body: &[u8]) -> Result<Events, Unfit> {
    Ok(documents(body)?.iter().filter_map(jetstream_event).collect())
}

/// One message of the stream; none where it is about no post.
pub fn jetstream_event(message: &Value) -> Option<Vec<u8>> {
    let author = text(message, "did")?;
    // The second version is flat and has a time of its own.
    let commit = message.get("commit").unwrap_or(message);
    let time = message.get("time_us").or_else(|| message.get("time")).cloned();
    let kind = text(message, "kind").or_else(|| text(message, "$type")?.rsplit('#').next())?;
    match kind {
        "commit" => {}
        "account" => {
            let account = message.get("account").unwrap_or(message);
            let gone = account.get("active") == Some(&Value::Bool(false))
                && text(account, "status") == Some("deleted");
            let version = message.get("seq").or(account.get("seq")).map(Value::to_string).unwrap_or_default();
            return gone
                .then(|| post("bluesky", author, author, "delete_author", &version, time, Map::new()));
        }
        _ => return None,
    }
    if text(commit, "collection") != Some("app.bsky.feed.post") {
        return None;
    }
    let post_id = format!("at://{author}/app.bsky.feed.post/{}", text(commit, "rkey")?);
    let operation = text(commit, "operation").filter(|one| ["create", "update", "delete"].contains(one))?;
    let version = text(commit, "rev").unwrap_or_default();
    let mut data = Map::new();
    let record = commit.get("record").unwrap_or(&Value::Null);
    if operation != "delete" {
        if let Some(text) = text(record, "text") {
            data.insert("text".into(), text.into());
        }
        if let Some(languages) = record.get("langs").filter(|languages| languages.is_array()) {
            data.insert("languages".into(), languages.clone());
        }
        if let Some(parent) = record.pointer("/reply/parent/uri").and_then(Value::as_str) {
            data.insert("reply_to".into(), parent.into());
        }
        let tags = record.get("facets").and_then(Value::as_array).into_iter().flatten();
        let tags =
            tags.flat_map(|facet| facet.get("features").and_then(Value::as_array).into_iter().flatten());
        let mut tags: Vec<Value> = tags.filter_map(|feature| feature.get("tag").cloned()).collect();
        tags.extend(record.get("tags").and_then(Value::as_array).into_iter().flatten().cloned());
        if !tags.is_empty() {
            data.insert("hashtags".into(), tags.into());
        }
        // An author may say any time; that of the stream is when it was seen.
        let written = text(record, "createdAt").and_then(|at| chrono::DateTime::parse_from_rfc3339(at).ok());
        if let Some(written) = written {
            data.insert("written_at".into(), written.to_rfc3339().into());
        }
    }
    Some(post("bluesky", author, &post_id, operation, version, time, data))
}

/// Statuses of Mastodon's API, events of its streams (`{"event", "payload"}`), and server-sent events as they stream.
pub fn mastodon(body: &[u8]) -> Result<Events, Unfit> {
    let start = body.trim_ascii_start();
    if start.starts_with(b"event:") || start.starts_with(b":") {
        return Ok(server_sent(&String::from_utf8_lossy(body)));
    }
    let mut events = Vec::new();
    for document in documents(body)? {
        match (text(&document, "event"), document.get("payload")) {
            (Some(kind), Some(payload)) => events.extend(streamed(kind, payload)),
            _ => events.extend(status(&document, "create")),
        }
    }
    Ok(events)
}

fn server_sent(body: &str) -> Events {
    let mut events = Vec::new();
    let (mut kind, mut data) = (String::new(), String::new());
    for line in body.lines().chain([""]) {
        if let Some(value) = line.strip_prefix("event:") {
            kind = value.trim().to_string();
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.trim_start());
        } else if line.is_empty() && !data.is_empty() {
            let payload = serde_json::from_str(&data).unwrap_or(Value::String(data.clone()));
            events.extend(streamed(&kind, &payload));
            data.clear();
        }
    }
    events
}

fn streamed(kind: &str, payload: &Value) -> Option<Vec<u8>> {
    let opened = payload.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let payload = opened.as_ref().unwrap_or(payload);
    match kind {
        "update" => status(payload, "create"),
        "status.update" => status(payload, "update"),
        "delete" => {
            let id =
                payload.as_str().map(str::to_string).or_else(|| payload.as_i64().map(|id| id.to_string()))?;
            // A stream deletes by the id alone.
            Some(post("mastodon", "", &id, "delete", "", None, Map::new()))
        }
        _ => None,
    }
}

fn status(status: &Value, operation: &str) -> Option<Vec<u8>> {
    // Only what everybody may read.
    if !matches!(text(status, "visibility"), None | Some("public" | "unlisted"))
        || status.get("reblog").is_some_and(Value::is_object)
    {
        return None;
    }
    let account = status.get("account")?;
    let author = text(account, "url").or(text(account, "acct"))?;
    let mut data = Map::new();
    data.insert("text".into(), plain(text(status, "content").unwrap_or_default()).into());
    for (from, name, to) in [(status, "url", "url"), (account, "display_name", "author_name")] {
        if let Some(value) = text(from, name).filter(|value| !value.is_empty()) {
            data.insert(to.into(), value.into());
        }
    }
    if let Some(language) = text(status, "language") {
        data.insert("languages".into(), json!([language]));
    }
    if let Some(reply) = text(status, "in_reply_to_id") {
        data.insert("reply_to".into(), reply.into());
    }
    let tags = status.get("tags").and_then(Value::as_array).into_iter().flatten();
    let tags: Vec<Value> = tags.filter_map(|tag| tag.get("name").cloned()).collect();
    if !tags.is_empty() {
        data.insert("hashtags".into(), tags.into());
    }
    let fields = account.get("fields").and_then(Value::as_array).into_iter().flatten();
    let place = fields.filter(|field| {
        let name = text(field, "name").unwrap_or_default().to_lowercase();
        ["location", "place", "lives in", "city", "home"].iter().any(|word| name.contains(word))
    });
    if let Some(place) = place.filter_map(|field| text(field, "value")).next() {
        data.insert("author_place".into(), plain(place).into());
    }
    let version = text(status, "edited_at").unwrap_or_default();
    Some(post(
        "mastodon",
        author,
        text(status, "id")?,
        operation,
        version,
        status.get("created_at").cloned(),
        data,
    ))
}

/// Pages of X's API v2: `{"data": [...], "includes": {"users": [...]}}`, one a line or one alone; and its deletions
/// (`{"delete": {"tweet": {"id", "author_id"}}}`).
pub fn x(body: &[u8]) -> Result<Events, Unfit> {
    let mut events = Vec::new();
    for document in documents(body)? {
        if let Some(tweet) = document.pointer("/delete/tweet").or(document.pointer("/delete/status")) {
            let author = text(tweet, "author_id").or(text(tweet, "user_id_str")).unwrap_or_default();
            if let Some(id) = text(tweet, "id").or(text(tweet, "id_str")) {
                events.push(post("x", author, id, "delete", "", None, Map::new()));
            }
            continue;
        }
        let users =
            document.pointer("/includes/users").and_then(Value::as_array).cloned().unwrap_or_default();
        let posts = match document.get("data") {
            Some(Value::Array(posts)) => posts.clone(),
            Some(one) => vec![one.clone()],
            None => vec![document],
        };
        events.extend(posts.iter().filter_map(|one| tweet(one, &users)));
    }
    Ok(events)
}

fn tweet(tweet: &Value, users: &[Value]) -> Option<Vec<u8>> {
    let id = text(tweet, "id")?;
    let author = text(tweet, "author_id").unwrap_or_default();
    let mut data = Map::new();
    data.insert("text".into(), text(tweet, "text")?.into());
    if let Some(language) = text(tweet, "lang") {
        data.insert("languages".into(), json!([language]));
    }
    if let Some(user) = users.iter().find(|user| text(user, "id") == Some(author)) {
        for (name, to) in [("name", "author_name"), ("location", "author_place")] {
            if let Some(value) = text(user, name) {
                data.insert(to.into(), value.into());
            }
        }
    }
    let tags = tweet.pointer("/entities/hashtags").and_then(Value::as_array).into_iter().flatten();
    let tags: Vec<Value> = tags.filter_map(|tag| tag.get("tag").cloned()).collect();
    if !tags.is_empty() {
        data.insert("hashtags".into(), tags.into());
    }
    if let Some([longitude, latitude]) =
        tweet.pointer("/geo/coordinates/coordinates").and_then(Value::as_array).map(Vec::as_slice)
    {
        data.insert("longitude".into(), longitude.clone());
        data.insert("latitude".into(), latitude.clone());
    }
    let references = tweet.get("referenced_tweets").and_then(Value::as_array).into_iter().flatten();
    let reply =
        references.filter(|one| text(one, "type") == Some("replied_to")).find_map(|one| text(one, "id"));
    if let Some(reply) = reply {
        data.insert("reply_to".into(), reply.into());
    }
    Some(post("x", author, id, "create", "", tweet.get("created_at").cloned(), data))
}

/// HTML as it reads: paragraphs and breaks are blanks, tags go, entities become what they stand for.
pub fn plain(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('<') {
            let Some(end) = rest.find('>') else { break };
            let tag = rest[1..end].trim_start_matches('/').to_ascii_lowercase();
            if tag.starts_with("br")
                || tag.starts_with('p')
                || tag.starts_with("li")
                || tag.starts_with("div")
            {
                out.push(' ');
            }
            rest = &rest[end + 1..];
        } else {
            let end = rest.bytes().take(11).position(|byte| byte == b';');
            let meant = end.and_then(|end| entity(&rest[1..end]));
            match (end, meant) {
                (Some(end), Some(character)) => {
                    out.push(character);
                    rest = &rest[end + 1..];
                }
                _ => {
                    out.push('&');
                    rest = &rest[1..];
                }
            }
        }
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "hellip" => '…',
        "mdash" => '—',
        "ndash" => '–',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(events: Events) -> Value {
        assert_eq!(events.len(), 1);
        serde_json::from_slice(&events[0]).expect("JSON")
    }

    #[test]
    fn both_versions_of_the_jetstream_tell_the_same_post() {
        let old = br#"{"did":"did:plc:a","time_us":1791650299090631,"kind":"commit","commit":{"rev":"r","operation":"create","collection":"app.bsky.feed.post","rkey":"k","record":{"text":"Early voting","langs":["en"],"createdAt":"2026-10-10T16:38:13.183Z"}}}"#;
        let new = br#"{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":5,"did":"did:plc:a","time":1791650299090631,"rev":"r","operation":"create","collection":"app.bsky.feed.post","rkey":"k","record":{"text":"Early voting","langs":["en"],"createdAt":"2026-10-10T16:38:13.183Z"}}"#;
        assert_eq!(one(jetstream(old).expect("events")), one(jetstream(new).expect("events")));
        let like = br#"{"did":"did:plc:a","kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.like","rkey":"k"}}"#;
        assert!(jetstream(like).expect("events").is_empty());
    }

    #[test]
    fn statuses_are_read_without_their_markup_and_only_public_ones() {
        let status = br#"{"id":"1","visibility":"public","content":"<p>Taxes &amp; roads<br>now</p>","created_at":"2026-10-01T00:00:00Z","account":{"url":"https://m.example/@a","fields":[{"name":"Location","value":"Denver, CO"}]}}"#;
        let event = one(mastodon(status).expect("events"));
        assert_eq!(
            (&event["data"]["text"], &event["data"]["author_place"]),
            (&"Taxes & roads now".into(), &"Denver, CO".into())
        );
        let private = String::from_utf8_lossy(status).replace("public", "private");
        assert!(mastodon(private.as_bytes()).expect("events").is_empty());
        let gone = one(mastodon(b"event: delete\ndata: 1\n\n").expect("events"));
        assert_eq!(gone["data"]["operation"], "delete");
    }

    #[test]
    fn a_page_of_posts_names_their_authors_places() {
        let page = br#"{"data":[{"id":"9","author_id":"4","text":"Schools","created_at":"2026-10-01T00:00:00Z"}],"includes":{"users":[{"id":"4","name":"N","location":"Raleigh"}]}}"#;
        assert_eq!(one(x(page).expect("events"))["data"]["author_place"], "Raleigh");
    }
}
