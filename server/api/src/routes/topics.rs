//! What a district talks about, over time.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_schema::ids::Kind;
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
    tone: Option<f64>,
}

/// What posts in a district are about, the most spoken of first. A post counts in a district by the chance that its author
/// lives there: how sure the stated or mentioned place is, times the share of the place's voters who live in the district.
/// Topics with fewer authors than the server's least group are not told; nor are periods of a topic with fewer.
///
/// `change` compares the later half of the days with the earlier: 0.5 is half as large again a share of all posts; `z` is
/// how many standard errors that is, and `rising` is true from 2 on.
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
            if !live.tables.iter().any(|table| table.bound == POSTS) {
                return Err(ApiError::of_status(
                    axum::http::StatusCode::SERVICE_UNAVAILABLE,
                    "posts are taken in by another process of this lake, or not yet",
                ));
            }
            let answer = held.copy.topics(&live, named, [&from.to_string(), &end.to_string()])?;
            let mut found: HashMap<String, BTreeMap<Option<NaiveDate>, Figures>> = HashMap::new();
            let (posts, authors, tones) =
                (answer.doubles("posts"), answer.doubles("authors"), answer.doubles("tone"));
            for (at, (topic, day)) in answer.texts("topic").into_iter().zip(answer.texts("day")).enumerate() {
                let day = day.and_then(|day| day.parse().ok());
                let (posts, authors) = (posts[at].unwrap_or(0.0), authors[at].unwrap_or(0.0));
                let figures = Figures { posts, authors, tone: tones[at] };
                found.entry(topic.unwrap_or_default()).or_default().insert(day, figures);
            }
            let reader = intake.listening.as_ref().and_then(|listening| listening.reader());
            let name = |id: &str| {
                let topics = reader.iter().flat_map(|reader| &reader.taxonomy().topics);
                topics.into_iter().find(|topic| topic.id == id).map(|topic| (topic.name.clone(), topic.cap))
            };
            Ok(told(&found, (from, end), by, least, name))
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

/// The rows of an answer.
fn told(
    found: &HashMap<String, BTreeMap<Option<NaiveDate>, Figures>>,
    (from, end): (NaiveDate, NaiveDate),
    by: By,
    least: f64,
    name: impl Fn(&str) -> Option<(String, Option<u32>)>,
) -> Vec<Value> {
    let middle = from + Days::new(((end - from).num_days() / 2) as u64);
    let none = BTreeMap::new();
    let all = found.get("").unwrap_or(&none);
    let sum = |days: &BTreeMap<Option<NaiveDate>, Figures>, from: NaiveDate, end: NaiveDate| -> f64 {
        let within = |day: &Option<NaiveDate>| day.is_some_and(|day| day >= from && day < end);
        days.iter().filter(|(day, _)| within(day)).map(|(_, figures)| figures.posts).sum()
    };
    let whole = all.get(&None).copied().unwrap_or_default();
    let mut rows: Vec<(f64, Value)> = Vec::new();
    for (topic, days) in found.iter().filter(|(topic, _)| !topic.is_empty()) {
        let figures = days.get(&None).copied().unwrap_or_default();
        if figures.authors < least {
            continue;
        }
        let (before, now) = (sum(days, from, middle), sum(days, middle, end));
        let (all_before, all_now) = (sum(all, from, middle), sum(all, middle, end));
        let (change, z) = compared((before, all_before), (now, all_now));
        let (name, cap) = name(topic).unwrap_or_else(|| (topic.clone(), None));
        rows.push((
            figures.posts,
            json!({
                "topic": topic,
                "name": name,
                "cap": cap,
                "posts": round(figures.posts, 1),
                "share": round(figures.posts / whole.posts.max(f64::MIN_POSITIVE), 4),
                "authors": round(figures.authors, 1),
                "tone": figures.tone.map(|tone| round(tone, 3)),
                "before": round(before, 1),
                "now": round(now, 1),
                "change": change.map(|change| round(change, 3)),
                "z": z.map(|z| round(z, 2)),
                "rising": z.is_some_and(|z| z >= 2.0),
                "periods": periods(days, all, by, least),
            }),
        ));
    }
    rows.sort_by(|one, other| {
        let topic = |row: &Value| row["topic"].as_str().unwrap_or_default().to_string();
        other.0.total_cmp(&one.0).then_with(|| topic(&one.1).cmp(&topic(&other.1)))
    });
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A topic's periods; those with fewer authors than may be told of are null.
fn periods(
    days: &BTreeMap<Option<NaiveDate>, Figures>,
    all: &BTreeMap<Option<NaiveDate>, Figures>,
    by: By,
    least: f64,
) -> Vec<Value> {
    let mut periods: BTreeMap<NaiveDate, (f64, f64, f64)> = BTreeMap::new();
    for (day, figures) in all.iter().filter_map(|(day, figures)| Some(((*day)?, figures))) {
        periods.entry(by.start(day)).or_default().2 += figures.posts;
    }
    for (day, figures) in days.iter().filter_map(|(day, figures)| Some(((*day)?, figures))) {
        let period = periods.entry(by.start(day)).or_default();
        period.0 += figures.posts;
        // Who posts on several days is one author: the largest day is what is sure.
        period.1 = period.1.max(figures.authors);
    }
    periods
        .into_iter()
        .map(|(start, (posts, authors, all))| {
            let shown = authors >= least || posts == 0.0;
            json!({
                "from": start.to_string(),
                "posts": shown.then(|| round(posts, 1)),
                "share": shown.then(|| round(posts / all.max(f64::MIN_POSITIVE), 4)),
            })
        })
        .collect()
}

/// By how much a share has changed, and how many standard errors that is (two proportions, pooled).
fn compared((before, all_before): (f64, f64), (now, all_now): (f64, f64)) -> (Option<f64>, Option<f64>) {
    if all_before <= 0.0 || all_now <= 0.0 {
        return (None, None);
    }
    let (share_before, share_now) = (before / all_before, now / all_now);
    let change = (share_before > 0.0).then(|| share_now / share_before - 1.0);
    let pooled = (before + now) / (all_before + all_now);
    let error = (pooled * (1.0 - pooled) * (1.0 / all_before + 1.0 / all_now)).sqrt();
    (change, (error > 0.0).then(|| (share_now - share_before) / error))
}

fn round(number: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (number * scale).round() / scale
}
