//! Door lists in every form: JSON, CSV with the columns of a walk list, GeoJSON, and sheets of paper.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_sheets as sheets;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::reply;
use crate::serving::Serving;
use crate::turfs::lists::{Listed, ListedStop};
use crate::turfs::{Cut, State, Turf, making, streets};

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// json (without it), csv, geojson or pdf.
    pub format: Option<String>,
}

/// The forms of a door list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
    GeoJson,
    Pdf,
}

impl Form {
    fn of(params: &ListParams, headers: &HeaderMap) -> Result<Form, ApiError> {
        let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let named = |name: &str| match name {
            "json" | "application/json" => Some(Form::Json),
            "csv" | "text/csv" => Some(Form::Csv),
            "geojson" | "application/geo+json" => Some(Form::GeoJson),
            "pdf" | "application/pdf" => Some(Form::Pdf),
            _ => None,
        };
        match &params.format {
            Some(name) => named(name).ok_or_else(|| {
                ApiError::bad_request(format!("unknown format {name}; there are json, csv, geojson, pdf"))
            }),
            None => {
                let first = accepted.split(',').find_map(|media| named(media.split(';').next()?.trim()));
                Ok(first.unwrap_or(Form::Json))
            }
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Csv => "text/csv; charset=utf-8",
            Form::GeoJson => "application/geo+json",
            Form::Pdf => "application/pdf",
        }
    }
}

/// Most stops of one PDF: more are printed turf by turf.
const MOST_PRINTED: usize = 5_000;

/// Answers the list of a turf, or of all turfs of a cut.
pub async fn answer(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    params: &ListParams,
    cut: Cut,
    number: Option<u32>,
) -> Result<Response, ApiError> {
    app.intake.knows_ballots()?;
    let form = Form::of(params, headers)?;
    let (engine, who, base) = (app.clone(), caller.clone(), base(app, headers));
    let name = match number {
        Some(number) => format!("turf-{number}"),
        None => "turfs".to_string(),
    };
    let serving = app.serving(None).await?;
    let held = serving.clone();
    let made = app.run_long(move || {
        let lists = making::lists(&engine, &held, &cut)?;
        let turfs: Vec<&Turf> = cut
            .plan
            .turfs
            .iter()
            .filter(|turf| number.map_or(!turf.replaced, |number| turf.number == number))
            .collect();
        let stops: usize = turfs.iter().map(|turf| turf.stops.len()).sum();
        if form == Form::Pdf && stops > MOST_PRINTED {
            let detail =
                format!("{stops} stops are too many for one PDF; print turf by turf: /v1/turfs/{{id}}/doors");
            return Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        let listed = lists.stops(&turfs)?;
        let people: usize = listed.iter().flat_map(|stop| &stop.households).map(|at| at.people.len()).sum();
        let columns = vec![format!("door list {} ({})", cut.plan.id, form.media_type())];
        who.record(&engine, &held.release.id, cut.plan.filter.clone(), people as u64, columns)?;
        let bytes = match form {
            Form::Json => json_of(&held.release.id, &listed)?,
            Form::Csv => csv_of(&cut, &listed)?,
            Form::GeoJson => geojson_of(&cut, &turfs, &listed)?,
            Form::Pdf => pdf_of(&engine, &held, &cut, &turfs, &listed, &base)?,
        };
        Ok(reply::body(&held.release.id, form.media_type(), bytes, None))
    });
    let mut response = reply::respond(&serving.release.id, &made.await?, headers);
    let extension = match form {
        Form::Json => return Ok(response),
        Form::Csv => "csv",
        Form::GeoJson => "geojson",
        Form::Pdf => "pdf",
    };
    let disposition = format!("inline; filename=\"{name}.{extension}\"");
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response.into_response())
}

/// Where the server is reached by phones: what it was told, else where this request came to.
pub fn base(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = &app.config.public_url {
        return url.trim_end_matches('/').to_string();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").unwrap_or("localhost");
    let scheme = text("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    format!("{scheme}://{host}")
}

fn json_of(release: &str, stops: &[ListedStop]) -> Result<Vec<u8>, ApiError> {
    let document = json!({"release": release, "rows": stops, "next": null});
    serde_json::to_vec(&document).map_err(ApiError::internal)
}

/// The columns of a walk list: those that campaigns know from their canvassing tools, a row a voter.
const COLUMNS: [&str; 35] = [
    "Turf",
    "Stop",
    "VoterID",
    "State",
    "LastName",
    "FirstName",
    "MiddleName",
    "Suffix",
    "Sex",
    "Age",
    "Party",
    "Address",
    "StreetNo",
    "StreetPrefix",
    "StreetName",
    "StreetType",
    "StreetSuffix",
    "AptType",
    "AptNo",
    "City",
    "Zip5",
    "PrecinctName",
    "Latitude",
    "Longitude",
    "MetersFromLast",
    "MinutesAtStop",
    "HouseholdSize",
    "Result",
    "DateCanvassed",
    "Answers",
    "ListNumber",
    "DoorID",
    "NotHome",
    "Refused",
    "Moved",
];

fn csv_of(cut: &Cut, stops: &[ListedStop]) -> Result<Vec<u8>, ApiError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(ApiError::internal)?;
    for stop in stops {
        for household in &stop.households {
            for person in &household.people {
                let text = |value: &Option<String>| safe(value.as_deref().unwrap_or(""));
                let recorded = person.result.as_ref();
                let is = |result: &str| recorded.is_some_and(|recorded| recorded.result == result);
                let tick = |result: &str| if is(result) { "X".to_string() } else { String::new() };
                let answers =
                    recorded.map(|recorded| &recorded.answers).filter(|answers| !answers.is_empty());
                let answers = answers.map(|answers| {
                    answers
                        .iter()
                        .map(|(question, answer)| format!("{question}={answer}"))
                        .collect::<Vec<_>>()
                        .join("; ")
                });
                let unit = household.unit.as_ref().map_or(String::new(), |unit| format!(" {unit}"));
                writer
                    .write_record([
                        stop.turf_number.to_string(),
                        stop.stop.to_string(),
                        safe(&person.voter_id),
                        safe(&person.state),
                        text(&person.last_name),
                        text(&person.first_name),
                        text(&person.middle_name),
                        text(&person.name_suffix),
                        text(&person.gender),
                        person.age.map_or(String::new(), |age| age.to_string()),
                        text(&person.party),
                        safe(&format!("{}{unit}", stop.address)),
                        text(&stop.parts[0]),
                        text(&stop.parts[1]),
                        text(&stop.parts[2]),
                        text(&stop.parts[3]),
                        text(&stop.parts[4]),
                        text(&household.unit_type),
                        text(&household.unit_number),
                        text(&stop.city),
                        text(&stop.zip),
                        text(&stop.precinct),
                        stop.latitude.to_string(),
                        stop.longitude.to_string(),
                        stop.metres.to_string(),
                        stop.minutes.to_string(),
                        household.people.len().to_string(),
                        recorded.map_or(String::new(), |recorded| recorded.result.clone()),
                        recorded.map_or(String::new(), |recorded| recorded.at.clone()),
                        safe(&answers.unwrap_or_default()),
                        safe(&format!("{} {}", cut.plan.name, stop.turf_number)),
                        stop.door.to_string(),
                        tick("not_home"),
                        tick("refused"),
                        tick("moved"),
                    ])
                    .map_err(ApiError::internal)?;
            }
        }
    }
    writer.into_inner().map_err(ApiError::internal)
}

/// A text that no spreadsheet takes for a formula.
pub fn safe(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_string() }
}

fn geojson_of(cut: &Cut, turfs: &[&Turf], stops: &[ListedStop]) -> Result<Vec<u8>, ApiError> {
    let mut features = Vec::new();
    for turf in turfs {
        let own = stops.iter().filter(|stop| stop.turf_number == turf.number);
        let mut walk: Vec<[f64; 2]> = turf.start.into_iter().collect();
        walk.extend(own.map(|stop| [stop.longitude, stop.latitude]));
        walk.extend(turf.start);
        if !turf.path.is_empty() {
            walk.clone_from(&turf.path);
        }
        let about = json!({
            "kind": "turf", "turf": crate::turfs::id_of(&cut.plan.id, turf.number), "number": turf.number,
            "minutes": turf.minutes, "metres": turf.metres,
        });
        features.push(json!({"type": "Feature", "geometry": turf.outline, "properties": about}));
        if walk.len() > 1 {
            let line = json!({"type": "LineString", "coordinates": walk});
            let about = json!({"kind": "walk", "number": turf.number, "metres": turf.metres});
            features.push(json!({"type": "Feature", "geometry": line, "properties": about}));
        }
    }
    for stop in stops {
        let mut about = serde_json::to_value(stop).map_err(ApiError::internal)?;
        about["kind"] = json!("stop");
        let point = json!({"type": "Point", "coordinates": [stop.longitude, stop.latitude]});
        features.push(json!({"type": "Feature", "geometry": point, "properties": about}));
    }
    serde_json::to_vec(&json!({"type": "FeatureCollection", "features": features}))
        .map_err(ApiError::internal)
}

fn pdf_of(
    app: &App,
    serving: &Serving,
    cut: &Cut,
    turfs: &[&Turf],
    stops: &[ListedStop],
    base: &str,
) -> Result<Vec<u8>, ApiError> {
    let sheet = |turf: &&Turf| -> Result<sheets::Sheet, ApiError> {
        let standing = cut.standing(turf.number);
        let own: Vec<&ListedStop> = stops.iter().filter(|stop| stop.turf_number == turf.number).collect();
        let given_out = !matches!(standing.state, State::Cut | State::Returned);
        let link = app.turfs.link(&cut.plan.id, turf.number, standing.links);
        let script = &cut.plan.script;
        let question = |question: &crate::turfs::request::ScriptQuestion| sheets::Question {
            text: question.text.clone(),
            answers: question.answers.iter().map(|answer| answer.text.clone()).collect(),
        };
        Ok(sheets::Sheet {
            name: cut.plan.name.clone(),
            number: turf.number,
            canvasser: standing.canvasser,
            minutes: turf.minutes,
            metres: turf.metres,
            introduction: script.introduction.clone(),
            questions: script.questions.iter().map(question).collect(),
            streets: streets::around(serving, &own)?
                .into_iter()
                .map(|(name, points)| sheets::Street { name, points })
                .collect(),
            stops: own.into_iter().map(sheet_stop).filter(|stop| !stop.households.is_empty()).collect(),
            start: turf.start,
            path: turf.path.clone(),
            link: given_out.then(|| format!("{base}/walk/{link}")),
            printed: chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
        })
    };
    let made = turfs.iter().map(sheet).collect::<Result<Vec<_>, _>>()?;
    sheets::pdf(&made).map_err(ApiError::internal)
}

/// Results after which nobody needs to come again.
const DONE: [&str; 5] = ["canvassed", "refused", "moved", "deceased", "language"];

fn sheet_stop(stop: &ListedStop) -> sheets::Stop {
    let person = |person: &Listed| {
        let age = person.age.map(|age| age.to_string());
        let about = [age, person.gender.clone(), person.party.clone()];
        sheets::Person {
            name: person.name.clone(),
            about: about.into_iter().flatten().collect::<Vec<_>>().join(" "),
        }
    };
    let households = stop.households.iter().map(|household| sheets::Household {
        unit: household.unit.clone(),
        people: household
            .people
            .iter()
            .filter(|person| {
                !person.result.as_ref().is_some_and(|known| DONE.contains(&known.result.as_str()))
            })
            .map(person)
            .collect(),
    });
    let remark = |report: &crate::turfs::progress::Report| {
        let text = |name: &str| report.details.get(name).and_then(Value::as_str).unwrap_or("").to_string();
        match report.report.as_str() {
            "new_person" => Some(format!("Also here: {} {}", text("name"), text("notes"))),
            "address" => Some(format!("Address: {} {} {}", text("address"), text("unit"), text("notes"))),
            _ => None,
        }
    };
    sheets::Stop {
        number: stop.stop,
        address: stop.address.clone(),
        street: stop.street.clone(),
        place: [stop.longitude, stop.latitude],
        households: households.filter(|household| !household.people.is_empty()).collect(),
        remarks: stop.reports.iter().filter_map(remark).collect(),
    }
}
