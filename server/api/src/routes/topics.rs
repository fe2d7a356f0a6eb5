//! What a district talks about, over time.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_schema::ids::Kind;
use bellwether_warehouse::Answer;
use chrono::{Datelike, Days, NaiveDate};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::listening::POSTS;
use crate::reply::{self, Common, Params, TableRequest};
use crate::routes::districts::{known_kind, within_bounds};

/// Days that are looked at where nothing is said.
const DAYS: u64 = 28;
/// Days that one answer may span.
const MOST_DAYS: i64 = 400;

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TopicsParams {
    /// Kind of the district; without one, all posts, wherever they are from.
    #[param(example = "congressional")]
    pub kind: Option<String>,
    /// Id of the district.
    #[param(example = "CO-CD-07")]
    pub id: Option<String>,
    /// First day, UTC; 28 days before the last by default.
    #[param(value_type = Option<String>, example = "2026-10-01")]
    pub from: Option<NaiveDate>,
    /// Last day, UTC; today by default.
    #[param(value_type = Option<String>, example = "2026-10-28")]
    pub to: Option<NaiveDate>,
    /// Length of a period: `day` (by default), `week` or `month`.
    pub by: Option<String>,
}

/// Length of a period.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Day,
    Week,
    Month,
}

impl By {
    fn parse(text: Option<&str>) -> Result<By, ApiError> {
        match text {
            None | Some("day") => Ok(By::Day),
            Some("week") => Ok(By::Week),
            Some("month") => Ok(By::Month),
            Some(other) => Err(ApiError::bad_request(format!("by is day, week or month, not {other}"))),
        }
    }

    /// First day of the period that a day is in; weeks begin on Monday.
    fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            By::Day => day,
            By::Week => day - Days::new(u64::from(day.weekday().num_days_from_monday())),
            By::Month => day.with_day(1).unwrap_or(day),
        }
    }
}

/// Posts and authors of a topic in some days. In a district: the numbers that are to be expected.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    posts: f64,
    authors: f64,
    /// Mean of those posts that have one, and by how many authors these are.
    tone: Option<f64>,
    tone_authors: f64,
}

/// What is known of one topic, or of all posts.
#[derive(Debug, Clone, Default)]
struct Found {
    all: Figures,
    /// Of the days before the middle, and from it on.
    halves: [Figures; 2],
    days: BTreeMap<NaiveDate, Figures>,
}

/// What posts in a district are about, the most spoken of first. A post counts in a district by the chance that its author
/// lives there: how sure the stated or mentioned place is, times the share of the place's voters who live in the district.
/// Topics with fewer authors than the server's least group are not told; nor is a half, a period or a tone that rests on
/// fewer, nor one that could be told from the others. Numbers are whole.
///
/// `change` compares the later half of the days with the earlier: 0.5 is half as large again a share of all posts; `z` is
/// by how many standard errors the share of all authors who speak of it has changed, and `rising` is true from 2 on.
#[utoipa::path(
    get,
    path = "/v1/topics",
    tag = "districts",
    params(TopicsParams, Common),
    responses(
        (status = 200, description = "topic, name, cap, posts, share (of all posts), authors, tone (-1 to 1), before, now, change, z, rising, periods [{from, posts, share}]"),
        (status = 400, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn topics(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<TopicsParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let by = By::parse(params.by.as_deref())?;
    let to = params.to.unwrap_or_else(|| chrono::Utc::now().date_naive());
    let from = params.from.or_else(|| to.checked_sub_days(Days::new(DAYS - 1)));
    let from = from.filter(|from| *from <= to && (to - *from).num_days() < MOST_DAYS);
    let Some((from, end)) = from.zip(to.checked_add_days(Days::new(1))) else {
        return Err(ApiError::bad_request(format!("from is a day before to, at most {MOST_DAYS} days")));
    };
    let district = match (params.kind.as_deref(), params.id) {
        (Some(kind), Some(id)) => Some((known_kind(kind)?, id)),
        (None, None) => None,
        _ => return Err(ApiError::bad_request("a district has a kind and an id; without both, all posts")),
    };
    let bound = caller.bound()?;
    if bound.is_some() && district.is_none() {
        return Err(ApiError::forbidden("the key is limited to districts: name one of them"));
    }
    let serving = reply::serving_of(&app, &common, common.as_of.as_deref()).await?;
    let (held, intake, least) = (serving.clone(), app.intake.clone(), app.disclosure.size as f64);
    let rows = app
        .run(move || {
            let named = district.as_ref().map(|(kind, id)| (*kind, id.as_str()));
            if let Some((kind, id)) = named {
                known(&held, kind, id)?;
                within_bounds(&held, kind.name(), id, bound.as_ref())?;
            }
            let live = intake.live_tables();
            if !intake.lands() || !live.tables.iter().any(|table| table.bound == POSTS) {
                return Err(ApiError::of_status(
                    axum::http::StatusCode::SERVICE_UNAVAILABLE,
                    "posts are taken in by another process of this lake, or not yet",
                ));
            }
            let middle = from + Days::new(((end - from).num_days() / 2) as u64);
            let days = [from.to_string(), end.to_string(), middle.to_string()];
            let days = days.each_ref().map(String::as_str);
            let found = read(&intake.ask(|live| held.copy.topics(live, named, days))?);
            let reader = intake.listening.as_ref().and_then(|listening| listening.reader());
            let name = |id: &str| {
                let topics = reader.iter().flat_map(|reader| &reader.taxonomy().topics);
                topics.into_iter().find(|topic| topic.id == id).map(|topic| (topic.name.clone(), topic.cap))
            };
            Ok(told(&found, by, least, middle, name))
        })
        .await?;
    // Posts come at any moment: what is kept of an answer is named by what it says.
    let key = format!("topics {}", blake3::hash(json!(rows).to_string().as_bytes()));
    let common = Common { as_of: Some(serving.release.id.clone()), ..common };
    let request = TableRequest { common: &common, headers: &headers, key };
    let columns = &[
        "topic", "name", "cap", "posts", "share", "authors", "tone", "before", "now", "change", "z",
        "rising", "periods",
    ];
    reply::rows(&app, request, columns, |_| Ok(rows)).await
}

fn known(serving: &crate::serving::Serving, kind: Kind, id: &str) -> Result<(), ApiError> {
    let there = serving.lines()?.get(kind.name()).is_some_and(|known| known.contains_key(id))
        || bellwether_warehouse::questions::district(&serving.copy, kind.name(), id)?.rows() > 0;
    match there {
        true => Ok(()),
        false => Err(ApiError::not_found(format!("no {} {id}", kind.name()))),
    }
}

/// What the warehouse answers, by topic.
fn read(answer: &Answer) -> HashMap<String, Found> {
    let mut found: HashMap<String, Found> = HashMap::new();
    let (posts, authors) = (answer.doubles("posts"), answer.doubles("authors"));
    let (tones, tone_authors) = (answer.doubles("tone"), answer.doubles("tone_authors"));
    let (days, halves) = (answer.texts("day"), answer.integers("half"));
    for (at, topic) in answer.texts("topic").into_iter().enumerate() {
        let number = |of: &[Option<f64>]| of[at].unwrap_or(0.0);
        let figures = Figures {
            posts: number(&posts),
            authors: number(&authors),
            tone: tones[at],
            tone_authors: number(&tone_authors),
        };
        let of = found.entry(topic.unwrap_or_default()).or_default();
        match (days[at].as_ref().and_then(|day| day.parse().ok()), halves[at]) {
            (Some(day), _) => drop(of.days.insert(day, figures)),
            (None, Some(half)) => of.halves[usize::from(half > 0)] = figures,
            (None, None) => of.all = figures,
        }
    }
    found
}

/// The rows of an answer.
fn told(
    found: &HashMap<String, Found>,
    by: By,
    least: f64,
    middle: NaiveDate,
    name: impl Fn(&str) -> Option<(String, Option<u32>)>,
) -> Vec<Value> {
    let none = Found::default();
    let all = found.get("").unwrap_or(&none);
    let mut rows: Vec<(f64, Value)> = Vec::new();
    for (topic, of) in found.iter().filter(|(topic, of)| !topic.is_empty() && of.all.authors >= least) {
        let [before, now] = of.halves;
        // One half alone would tell the other: the whole less itself.
        let halves = [before, now].iter().all(|half| half.authors >= least || half.posts == 0.0);
        let periods = periods(&of.days, &all.days, by, least, middle);
        let (change, z) = compared(of, all);
        let (name, cap) = name(topic).unwrap_or_else(|| (topic.clone(), None));
        rows.push((
            of.all.posts,
            json!({
                "topic": topic,
                "name": name,
                "cap": cap,
                "posts": of.all.posts.round(),
                "share": share(of.all.posts, all.all.posts),
                "authors": of.all.authors.round(),
                "tone": of.all.tone.filter(|_| of.all.tone_authors >= least).map(|tone| round(tone, 2)),
                "before": halves.then(|| before.posts.round()),
                "now": halves.then(|| now.posts.round()),
                "change": change.filter(|_| halves).map(|change| round(change, 2)),
                "z": z.filter(|_| halves).map(|z| round(z, 1)),
                "rising": halves && z.is_some_and(|z| z >= 2.0),
                "periods": periods,
            }),
        ));
    }
    rows.sort_by(|one, other| {
        let topic = |row: &Value| row["topic"].as_str().unwrap_or_default().to_string();
        other.0.total_cmp(&one.0).then_with(|| topic(&one.1).cmp(&topic(&other.1)))
    });
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A topic's periods. Those with fewer authors than may be told of are null, and where that is one alone, of a half or of all, the
/// next smallest too: it would be the sum less the others.
fn periods(
    days: &BTreeMap<NaiveDate, Figures>,
    all: &BTreeMap<NaiveDate, Figures>,
    by: By,
    least: f64,
    middle: NaiveDate,
) -> Vec<Value> {
    let mut periods: BTreeMap<NaiveDate, (f64, f64, f64)> = BTreeMap::new();
    for (day, figures) in all {
        periods.entry(by.start(*day)).or_default().2 += figures.posts;
    }
    for (day, figures) in days {
        let period = periods.entry(by.start(*day)).or_default();
        period.0 += figures.posts;
        // Who posts on several days is one author: the largest day is what is sure.
        period.1 = period.1.max(figures.authors);
    }
    let few = |period: &(f64, f64, f64)| period.0 > 0.0 && period.1 < least;
    let mut hidden: Vec<NaiveDate> =
        periods.iter().filter(|(_, period)| few(period)).map(|(start, _)| *start).collect();
    // Of each half, whose sum may be told, and of all of them.
    let early = |start: &NaiveDate| *start < middle;
    let late = |start: &NaiveDate| *start >= middle;
    let parts: [&dyn Fn(&NaiveDate) -> bool; 3] = [&early, &late, &|_| true];
    for part in parts {
        if hidden.iter().filter(|start| part(start)).count() != 1 {
            continue;
        }
        let others =
            periods.iter().filter(|(start, period)| part(start) && period.0 > 0.0 && !hidden.contains(start));
        let smallest = others.min_by(|one, other| one.1.0.total_cmp(&other.1.0)).map(|(start, _)| *start);
        hidden.extend(smallest);
    }
    periods
        .into_iter()
        .map(|(start, (posts, _, all))| {
            let shown = !hidden.contains(&start);
            json!({
                "from": start.to_string(),
                "posts": shown.then(|| posts.round()),
                "share": if shown { share(posts, all) } else { Value::Null },
            })
        })
        .collect()
}

fn share(posts: f64, all: f64) -> Value {
    if all > 0.0 { json!(round(posts / all, 3)) } else { Value::Null }
}

/// By how much a topic's share of the posts has changed from the first half to the second, and by how many standard errors
/// its share of the authors has (two proportions, pooled): who posts much counts once.
fn compared(of: &Found, all: &Found) -> (Option<f64>, Option<f64>) {
    let ratio = |half: usize| {
        let all = all.halves[half].posts;
        (all > 0.0).then(|| of.halves[half].posts / all)
    };
    let change = ratio(0).zip(ratio(1)).filter(|(before, _)| *before > 0.0);
    let change = change.map(|(before, now)| now / before - 1.0);
    let ([before, now], [all_before, all_now]) =
        ([0, 1].map(|half| of.halves[half].authors), [0, 1].map(|half| all.halves[half].authors));
    if all_before <= 0.0 || all_now <= 0.0 {
        return (change, None);
    }
    let pooled = (before + now) / (all_before + all_now);
    let error = (pooled * (1.0 - pooled) * (1.0 / all_before + 1.0 / all_now)).sqrt();
    (change, (error > 0.0).then(|| (now / all_now - before / all_before) / error))
}

fn round(number: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (number * scale).round() / scale
}
