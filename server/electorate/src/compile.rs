//! Filters made ready: names looked up, districts turned into runs of rows, shapes into bitmaps.

use bellwether_atlas::Outline;
use bellwether_schema::ids::{CONTACT_RESULTS, Kind};
use chrono::NaiveDate;
use serde_json::Value;

use crate::filter::{Elections, Fault, Test, Where};
use crate::happenings::BALLOT_STATUS;
use crate::prepared::{Filter, Node};
use crate::{Coding, Column, Electorate, kind_index, nearest};

/// Codes that the schema knows for a field, whether or not a voter has them.
const VOCABULARY: [(&str, &[&str]); 5] = [
    ("party", &["DEM", "REP", "LIB", "GRE", "CON", "UNA", "UNI", "APV", "NON", "OTH", "UNK"]),
    ("gender", &["F", "M", "X", "U"]),
    ("race", &["white", "black", "hispanic", "asian", "native", "pacific", "multi", "other", "unknown"]),
    ("ethnicity", &["hispanic", "not_hispanic", "unknown"]),
    ("status", &["active", "inactive", "pending", "removed"]),
];

/// Words that states use for the codes of the schema.
const ALIASES: [(&str, &str, &str); 6] = [
    ("party", "UAF", "UNA"),
    ("party", "NPA", "UNA"),
    ("party", "LBR", "LIB"),
    ("party", "GRN", "GRE"),
    ("party", "ACN", "CON"),
    ("party", "CST", "CON"),
];

/// Outlines that a filter may name by vintage.
pub trait Outlines {
    /// Years in which the lines of a district are loaded, the newest first.
    fn vintages(&self, kind: Kind, id: &str) -> Vec<i64>;
    fn outline(&self, kind: Kind, id: &str, vintage: i64) -> Option<Outline>;
    /// Every id of a kind, to name the nearest.
    fn ids(&self, kind: Kind) -> Vec<String>;
}

struct Compiler<'a> {
    electorate: &'a Electorate,
    outlines: &'a dyn Outlines,
    faults: Vec<Fault>,
}

impl Electorate {
    /// Makes a filter ready. The faults name the nearest known fields, codes, districts, elections and models.
    pub fn compile(&self, filter: &Where, outlines: &dyn Outlines) -> Result<Filter, Vec<Fault>> {
        let mut compiler = Compiler { electorate: self, outlines, faults: Vec::new() };
        let node = compiler.node(filter);
        if compiler.faults.is_empty() { Ok(Filter::new(node, self)) } else { Err(compiler.faults) }
    }

    /// A bitmap of the voters whose coordinate lies in the outline.
    pub fn within(&self, outline: &Outline) -> Vec<u64> {
        let mut words = vec![0u64; self.words()];
        let [west, south, east, north] = outline.extent();
        for run in &self.runs {
            let [a, b, c, d] = run.extent;
            // An extent that holds nothing is not a number, and so lies nowhere.
            let meets = a <= east && c >= west && b <= north && d >= south;
            if !meets {
                continue;
            }
            // Neighbours at one door share their coordinate: it is looked at once.
            let mut last = ([f64::NAN; 2], false);
            for row in run.start as usize..run.end as usize {
                let point = self.points[row];
                if point != last.0 {
                    last = (point, point[0].is_finite() && outline.covers(point[0], point[1]));
                }
                words[row / 64] |= u64::from(last.1) << (row % 64);
            }
        }
        words
    }
}

impl Compiler<'_> {
    fn fault(&mut self, at: &str, detail: String) -> Node {
        self.faults.push(Fault { at: at.to_string(), detail });
        Node::Nobody
    }

    fn node(&mut self, filter: &Where) -> Node {
        match filter {
            Where::All(list) => Node::All(list.iter().map(|one| self.node(one)).collect()),
            Where::Any(list) => Node::Any(list.iter().map(|one| self.node(one)).collect()),
            Where::Not(inner) => Node::Not(Box::new(self.node(inner))),
            Where::Field { at, name, test } => self.field(at, name, test),
            Where::District { at, kind, ids } => {
                let Some(kind) = Kind::parse(kind) else {
                    return self.fault(at, format!("unknown kind {kind}"));
                };
                let nodes: Vec<Node> = ids.iter().map(|id| self.district(at, kind, id)).collect();
                match nodes.len() {
                    1 => nodes.into_iter().next().unwrap_or(Node::Nobody),
                    _ => Node::Any(nodes),
                }
            }
            Where::Voted { at, elections, at_least, at_most } => {
                self.voted(at, elections, *at_least, *at_most)
            }
            Where::Score { at, model, low, high } => {
                let known = &self.electorate.scores;
                match known.iter().position(|(name, _)| name == model) {
                    Some(at) => Node::Score { model: at, low: *low as f32, high: *high as f32 },
                    None => {
                        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
                        let detail = unknown("model", model, &names, "no model is published");
                        self.fault(&format!("{at}/model"), detail)
                    }
                }
            }
            Where::Contact { at, results, within_days } => self.contact(at, results, *within_days),
            Where::Ballot { at, election, status } => self.ballot(at, election, status),
            Where::Experiment { at, id, arm } => self.experiment(at, id, arm.as_deref()),
            Where::Within { at, geometry } => match Outline::from_geojson(geometry) {
                Ok(outline) => Node::Bitmap(self.electorate.within(&outline)),
                Err(error) => self.fault(at, error.to_string()),
            },
        }
    }

    fn field(&mut self, at: &str, name: &str, test: &Test) -> Node {
        let electorate = self.electorate;
        if name == "phone" {
            return match test {
                Test::IsNull(null) => Node::Phone { none: *null },
                _ => self.fault(at, "phone takes is_null only".into()),
            };
        }
        let Some(column) = electorate.column(name) else {
            let mut known: Vec<&str> = electorate.columns.iter().map(|column| column.name).collect();
            known.push("phone");
            let detail = unknown("field", name, &known, "there are none");
            return self.fault(&format!("{at}/field"), detail);
        };
        let of = &electorate.columns[column];
        match test {
            Test::IsNull(true) => Node::Codes { column, codes: vec![0] },
            Test::IsNull(false) => Node::Not(Box::new(Node::Codes { column, codes: vec![0] })),
            Test::In(values) => {
                let place = |index: usize| {
                    if values.len() == 1 { at.to_string() } else { format!("{at}/in/{index}") }
                };
                let mut codes = Vec::with_capacity(values.len());
                for (index, value) in values.iter().enumerate() {
                    match code(of, value) {
                        Ok(code) => codes.extend(code),
                        Err(detail) => drop(self.fault(&place(index), detail)),
                    }
                }
                codes.sort_unstable();
                codes.dedup();
                Node::Codes { column, codes }
            }
            Test::Between(low, high) => match (bound(of, low, true), bound(of, high, false)) {
                (Ok(low), Ok(high)) => Node::Between { column, low: low.max(1), high },
                (Err(detail), _) | (_, Err(detail)) => self.fault(&format!("{at}/between"), detail),
            },
        }
    }

    fn district(&mut self, at: &str, kind: Kind, text: &str) -> Node {
        let electorate = self.electorate;
        let (id, vintage) = match text.rsplit_once('@') {
            None => (text, None),
            Some((id, year)) => match year.parse::<i64>() {
                Ok(year) => (id, Some(year)),
                Err(_) => return self.fault(at, format!("behind the @ of {text} stands a year")),
            },
        };
        let code = electorate.districts[kind_index(kind)].code(id);
        let vintages =
            if vintage.is_some() || code.is_none() { self.outlines.vintages(kind, id) } else { Vec::new() };
        if let Some(asked) = vintage.filter(|asked| vintages.first() != Some(asked)) {
            return match self.outlines.outline(kind, id, asked) {
                Some(outline) => Node::Bitmap(electorate.within(&outline)),
                None => {
                    let known: Vec<String> = vintages.iter().map(|year| format!("{id}@{year}")).collect();
                    let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
                    self.fault(at, format!("no lines of {text} are loaded; there are {known}"))
                }
            };
        }
        match code {
            Some(code) => Node::Rows(electorate.ranges[kind_index(kind)][code as usize].clone()),
            // Known, but nobody lives there.
            None if !vintages.is_empty() => Node::Nobody,
            None => {
                let mut ids = self.outlines.ids(kind);
                ids.extend(electorate.districts[kind_index(kind)].values.iter().cloned());
                ids.sort();
                ids.dedup();
                let known: Vec<&str> = ids.iter().map(String::as_str).collect();
                self.fault(at, unknown(kind.name(), id, &known, "none is loaded"))
            }
        }
    }

    fn voted(&mut self, at: &str, elections: &Elections, at_least: usize, at_most: Option<usize>) -> Node {
        let known: Vec<&str> = self
            .electorate
            .participation
            .iter()
            .map(|participation| participation.election.as_str())
            .collect();
        let elections = match elections {
            Elections::Named(names) => {
                let mut places = Vec::new();
                for (index, name) in names.iter().enumerate() {
                    match self.electorate.election(name) {
                        Some(place) => places.push(place),
                        None => {
                            let detail = unknown("election", name, &known, "no history is loaded");
                            self.fault(&format!("{at}/in/{index}"), detail);
                        }
                    }
                }
                places.sort_unstable();
                places.dedup();
                places
            }
            Elections::Last { count, kind } => {
                let of_kind =
                    |name: &str| kind.as_ref().is_none_or(|kind| name.split('/').nth(1) == Some(kind));
                let fits = known.iter().enumerate().filter(|(_, name)| of_kind(name));
                let fits: Vec<usize> = fits.map(|(place, _)| place).collect();
                if let (true, Some(kind)) = (fits.is_empty(), kind) {
                    let mut types: Vec<&str> =
                        known.iter().filter_map(|name| name.split('/').nth(1)).collect();
                    types.sort_unstable();
                    types.dedup();
                    let detail = unknown("type", kind, &types, "no history is loaded");
                    return self.fault(&format!("{at}/type"), detail);
                }
                fits.into_iter().take(*count).collect()
            }
        };
        Node::Voted { elections, at_least, at_most: at_most.unwrap_or(usize::MAX) }
    }

    fn contact(&mut self, at: &str, results: &[String], within_days: Option<u32>) -> Node {
        let electorate = self.electorate;
        if let Some(result) = results.iter().find(|result| !CONTACT_RESULTS.contains(&result.as_str())) {
            return self.fault(&format!("{at}/result"), unknown("result", result, &CONTACT_RESULTS, ""));
        }
        let codes: Vec<Option<u32>> =
            results.iter().map(|result| electorate.contact_results.code(result)).collect();
        let since = within_days.map_or(i32::MIN, |days| electorate.today.saturating_sub(days as i32));
        let mut words = vec![0u64; electorate.words()];
        for (row, code, day) in &electorate.contacts {
            if *day >= since && (codes.is_empty() || codes.contains(&Some(*code))) {
                words[*row as usize / 64] |= 1 << (row % 64);
            }
        }
        if let Ok(happenings) = electorate.happenings.read() {
            let asked =
                |code: u8| results.is_empty() || results.contains(&CONTACT_RESULTS[code as usize].into());
            for (row, contacts) in &happenings.contacts {
                if contacts.iter().any(|(code, day)| *day >= since && asked(*code)) {
                    words[*row as usize / 64] |= 1 << (row % 64);
                }
            }
        }
        Node::Bitmap(words)
    }

    fn ballot(&mut self, at: &str, election: &str, status: &[String]) -> Node {
        let place = |status: &String| BALLOT_STATUS.iter().position(|known| known == status);
        if let Some(unknown_one) = status.iter().find(|status| place(status).is_none()) {
            return self.fault(&format!("{at}/status"), unknown("status", unknown_one, &BALLOT_STATUS, ""));
        }
        let places: Vec<usize> = status.iter().filter_map(place).collect();
        Node::Bitmap(match places.is_empty() {
            true => self.electorate.returned(election),
            false => self.electorate.ballots(election, &places),
        })
    }

    fn experiment(&mut self, at: &str, id: &str, arm: Option<&str>) -> Node {
        let electorate = self.electorate;
        let Some((_, arms)) = electorate.experiments.iter().find(|(known, _)| known == id) else {
            let known: Vec<&str> = electorate.experiments.iter().map(|(id, _)| id.as_str()).collect();
            return self.fault(at, unknown("experiment", id, &known, "none is drawn"));
        };
        let mut words = vec![0u64; electorate.words()];
        for (rows, name) in arms.iter().zip(crate::ARMS) {
            if arm.is_none_or(|arm| arm == name) {
                rows.iter().for_each(|row| words[*row as usize / 64] |= 1 << (row % 64));
            }
        }
        Node::Bitmap(words)
    }
}

/// "unknown field parti; nearest: party".
fn unknown(what: &str, asked: &str, known: &[&str], none: &str) -> String {
    if known.is_empty() {
        return format!("unknown {what} {asked}: {none}");
    }
    let near = nearest(asked, known.iter().copied());
    match (near.is_empty(), known.len()) {
        (_, ..=12) => format!("unknown {what} {asked}; there are {}", known.join(", ")),
        (false, _) => format!("unknown {what} {asked}; nearest: {}", near.join(", ")),
        (true, _) => format!("unknown {what} {asked}; one is {}", known[0]),
    }
}

/// The code of a value; none where no voter has it.
fn code(column: &Column, value: &Value) -> Result<Option<u32>, String> {
    match &column.coding {
        Coding::Texts(dictionary) => {
            let text = value.as_str().ok_or_else(|| format!("{} is a text", column.name))?;
            let alias = ALIASES.iter().find(|(field, word, _)| *field == column.name && *word == text);
            let text = alias.map_or(text, |(.., code)| code);
            let found = dictionary.code(text);
            let vocabulary = VOCABULARY.iter().find(|(field, _)| *field == column.name);
            match (found, vocabulary) {
                (None, Some((_, known))) if !known.contains(&text) => {
                    Err(unknown(column.name, text, known, ""))
                }
                (found, _) => Ok(found),
            }
        }
        Coding::Numbers { base } => {
            let number = value.as_f64().ok_or_else(|| format!("{} is a number", column.name))?;
            let code = number - *base as f64 + 1.0;
            Ok((code.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&code)).then_some(code as u32))
        }
        Coding::Days { base } => {
            let code = day(column, value)? - base + 1;
            Ok(u32::try_from(code).ok().filter(|code| *code > 0))
        }
    }
}

/// The code of one end of a range; an open end is as far as codes go.
fn bound(column: &Column, value: &Value, low: bool) -> Result<u32, String> {
    let clamp = |code: f64| code.clamp(0.0, f64::from(u32::MAX)) as u32;
    match (&column.coding, value) {
        (Coding::Texts(_), _) => Err(format!("{} has no order: use in", column.name)),
        (_, Value::Null) => Ok(if low { 1 } else { u32::MAX }),
        (Coding::Numbers { base }, value) => {
            let number = value.as_f64().ok_or_else(|| format!("{} is a number", column.name))?;
            let code = number - *base as f64 + 1.0;
            Ok(clamp(if low { code.ceil() } else { code.floor() }))
        }
        (Coding::Days { base }, value) => Ok(clamp((day(column, value)? - base + 1) as f64)),
    }
}

/// The first day that a date may have, 1800-01-01, in days since 1970-01-01.
pub(crate) const DAY_ONE: i64 = -62_091;

/// Days since 1970-01-01 of a date written as `2020-11-03`.
fn day(column: &Column, value: &Value) -> Result<i64, String> {
    // The library reads 2020-1-3 as well, which would hide a slip.
    let text = value.as_str().filter(|text| text.len() == 10);
    let date = text.and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
    let days = date.map(|date| i64::from(date.to_epoch_days()));
    days.ok_or_else(|| format!("{} is a date, such as \"2020-11-03\"", column.name))
}

/// A date written as `2020-11-03`; none where the days since 1970-01-01 reach beyond the calendar.
pub(crate) fn date_of(days: i64) -> Option<String> {
    Some(NaiveDate::from_epoch_days(i32::try_from(days).ok()?)?.to_string())
}
