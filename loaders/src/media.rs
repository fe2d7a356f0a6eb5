//! Television: spots on offer (a buyer's avails), a viewing panel with what it watched, ratings by group, and spots as they
//! were aired.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::catalog;
use bellwether_schema::days::Days;

use crate::columns::ParquetTable;
use crate::convert::parse_date;
use crate::delimited::{Header, Refusal, Row, each_file};
use crate::{Error, Options, Progress, Report, Staged, StagedTable, source};

/// A column as avails sheets call it: ours first.
type Names = &'static [&'static str];

const MARKET: Names = &["market_code", "market", "dma", "dma_code"];
const STATION: Names = &["station", "station_call_letters", "call_letters", "network"];
const ZONE: Names = &["zone", "cable_zone", "syscode"];
const PROGRAMME: Names = &["programme", "program", "program_name", "show"];
const DAYPART: Names = &["daypart", "dp"];
const DAYS: Names = &["days", "day"];
const STARTS: Names = &["start_time", "start", "time_from"];
const ENDS: Names = &["end_time", "end", "time_to"];
const WEEK: Names = &["week", "week_of", "flight_week"];
const LENGTH: Names = &["length", "length_seconds", "len", "spot_length"];
const RATE: Names = &["rate", "price", "cost", "unit_cost"];
const UNITS: Names = &["units", "avails", "available_units", "spots"];

fn find(header: &Header, names: Names) -> Option<usize> {
    names.iter().find_map(|name| {
        let spaced = name.replace('_', " ");
        header.find(name).or_else(|| header.find(&spaced))
    })
}

/// Places of columns that a file must have.
fn require<const N: usize>(header: &Header, wanted: [Names; N]) -> Result<[usize; N], Error> {
    let missing: Vec<&str> =
        wanted.iter().filter(|names| find(header, names).is_none()).map(|names| names[0]).collect();
    if !missing.is_empty() {
        let detail = format!("it lacks the columns {}", missing.join(", "));
        return Err(Error::WrongLayout { file: header.file.clone(), detail });
    }
    Ok(wanted.map(|names| find(header, names).unwrap_or(usize::MAX)))
}

/// A market's three-digit code.
fn market(row: &Row, at: usize) -> Result<String, Refusal> {
    let text = row.get(at);
    let text = text.trim();
    match !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(format!("{text:0>3}")),
        false => Err(row.reject(Some(at), "not a market code of three digits").into()),
    }
}

fn named(row: &Row, at: usize, what: &str) -> Result<String, Refusal> {
    let text = row.get(at).split_whitespace().collect::<Vec<_>>().join(" ");
    match text.is_empty() {
        false => Ok(text),
        true => Err(row.reject(Some(at), &format!("no {what}")).into()),
    }
}

/// A number within bounds, such as `1,200.50` or `$75`.
fn amount(row: &Row, at: usize, (least, most): (f64, f64), what: &str) -> Result<f64, Refusal> {
    let text: String = row.get(at).chars().filter(|c| !matches!(c, '$' | ',' | ' ' | '%')).collect();
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    match value {
        None => Err(row.reject(Some(at), &format!("{what} is no number")).into()),
        Some(value) if !(least..=most).contains(&value) => {
            Err(row.reject(Some(at), &format!("{what} is not from {least} to {most}")).into())
        }
        Some(value) => Ok(value),
    }
}

fn whole(row: &Row, at: usize, bounds: (f64, f64), what: &str) -> Result<i32, Refusal> {
    let value = amount(row, at, bounds, what)?;
    match value.fract() == 0.0 {
        true => Ok(value as i32),
        false => Err(row.reject(Some(at), &format!("{what} is no whole number")).into()),
    }
}

fn day(row: &Row, at: usize) -> Result<i32, Refusal> {
    let text = row.get(at);
    let text = text.trim();
    let found = ["%Y-%m-%d", "%m/%d/%Y"].iter().find_map(|pattern| parse_date(text, pattern));
    found.ok_or_else(|| row.reject(Some(at), "not a day: 2026-10-05").into())
}

/// A time of day as minutes after midnight: `18:30`, `6:30 PM`, `1830`, `6:30p`, `11p`.
fn minutes(text: &str) -> Option<i32> {
    let text = text.trim().to_lowercase().replace([' ', '.'], "");
    let text = text.trim_end_matches('m');
    let (text, half) = match text.chars().last()? {
        'a' => (&text[..text.len() - 1], Some(0)),
        'p' => (&text[..text.len() - 1], Some(12)),
        _ => (text, None),
    };
    let (hour, minute) = match text.split_once(':') {
        Some((hour, minute)) => (hour, minute.get(..2)?),
        None if text.len() > 2 => text.split_at_checked(text.len() - 2)?,
        None => (text, "0"),
    };
    let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    ((0..=24).contains(&hour) && (0..60).contains(&minute)).then_some(hour * 60 + minute)
}

/// A time of day; none where the field is empty.
fn time(row: &Row, at: Option<usize>) -> Result<Option<i32>, Refusal> {
    let Some(at) = at else { return Ok(None) };
    let text = row.get(at);
    match (text.trim().is_empty(), minutes(&text)) {
        (true, _) => Ok(None),
        (_, Some(minutes)) => Ok(Some(minutes)),
        _ => Err(row.reject(Some(at), "not a time of day: 18:30").into()),
    }
}

/// Reads files into one table, whole or a partition a file.
fn load_into<H>(
    name: &str,
    by_file: bool,
    (paths, options, progress): (&[PathBuf], &Options, &Arc<Progress>),
    mut open: impl FnMut(&Header) -> Result<H, Error>,
    mut each: impl FnMut(&mut H, &Row, &mut ParquetTable) -> Result<(), Refusal>,
) -> Result<Staged, Error> {
    let started = Instant::now();
    let table = catalog::table(name).expect("the catalog has every loader's table");
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    let mut writers: BTreeMap<String, ParquetTable> = BTreeMap::new();
    each_file(
        paths,
        progress,
        &mut report,
        |header| {
            Ok((open(header)?, if by_file { source::stem(header.file.as_ref()) } else { String::new() }))
        },
        |(opened, partition), row| {
            if !writers.contains_key(partition) {
                let path = options.staging.join(format!("{name}-{:04}.parquet", writers.len()));
                writers.insert(partition.clone(), ParquetTable::create_whole(table, path)?);
            }
            let writer = writers.get_mut(partition).expect("the writer was just made");
            each(opened, row, writer)?;
            Ok(writer.end_row()?)
        },
    )?;
    report.finish(options, started)?;
    let mut tables = Vec::new();
    for (partition, writer) in writers {
        let files = writer.finish()?.into_iter().collect();
        let partition = if by_file { vec![partition] } else { Vec::new() };
        tables.push(StagedTable { table: name.to_string(), partition, files });
    }
    Ok(Staged { tables, report })
}

/// Loads spots on offer into `tv_inventory`. A file is an inventory, named like it, and replaces the one of that name.
pub fn load_inventory(
    paths: &[PathBuf],
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Staged, Error> {
    load_into(
        "tv_inventory",
        true,
        (paths, options, progress),
        |header| {
            let columns = require(header, [MARKET, STATION, PROGRAMME, DAYPART, WEEK, RATE, UNITS])?;
            Ok((columns, [ZONE, DAYS, STARTS, ENDS, LENGTH].map(|names| find(header, names))))
        },
        |([at_market, at_station, at_programme, at_daypart, at_week, at_rate, at_units], more),
         row,
         writer| {
            let [zone, days, starts, ends, length] = *more;
            let market = market(row, *at_market)?;
            let station = named(row, *at_station, "station")?;
            let programme = named(row, *at_programme, "programme")?;
            let daypart = named(row, *at_daypart, "daypart")?.to_lowercase().replace([' ', '-'], "_");
            let week = day(row, *at_week)?;
            let price = amount(row, *at_rate, (0.01, 1e8), "the rate")?;
            let units = whole(row, *at_units, (0.0, 1e4), "the number of units")?;
            let (from, to) = (time(row, starts)?, time(row, ends)?);
            let seconds = match length {
                Some(at) => Some(whole(row, at, (5.0, 600.0), "the length in seconds")?),
                None => None,
            };
            let days = match days.map(|at| (at, row.get(at))) {
                Some((at, text)) if !Days::are_open(&text) => match Days::parse(&text) {
                    Some(days) => days.to_string(),
                    None => {
                        return Err(row.reject(Some(at), "not days of the week: M-F, Sa-Su, M,W,F").into());
                    }
                },
                _ => String::new(),
            };
            writer.text(writer.position("market_id"), &market);
            writer.text(writer.position("station"), &station);
            let zone = zone.map(|at| row.get(at)).unwrap_or_default();
            let zone = zone.split_whitespace().collect::<Vec<_>>().join(" ");
            writer.text(writer.position("zone"), &zone);
            writer.text(writer.position("programme"), &programme);
            writer.text(writer.position("daypart"), &daypart);
            writer.text(writer.position("days"), &days);
            writer.integer(writer.position("starts"), from);
            writer.integer(writer.position("ends"), to);
            // A week begins on its Monday, whichever of its days is named.
            writer.integer(writer.position("week"), Some(week - (week + 3).rem_euclid(7)));
            writer.integer(writer.position("seconds"), seconds);
            writer.double(writer.position("price"), Some(price));
            writer.integer(writer.position("units"), Some(units));
            Ok(())
        },
    )
}

/// Loads the people of a viewing panel into `tv_panel`, replacing those of before.
pub fn load_panel(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    let mut seen: HashSet<String> = HashSet::new();
    load_into(
        "tv_panel",
        false,
        (paths, options, progress),
        |header| {
            let columns =
                header.require(["person_id", "household_id", "market_code", "weight", "age", "gender"])?;
            Ok((columns, ["party", "state", "voter_id", "zones"].map(|name| header.find(name))))
        },
        |([person, household, market_at, weight, age, gender], more), row, writer| {
            let id = named(row, *person, "person")?;
            if seen.contains(&id) {
                return Err(row.reject(Some(*person), "the same person came before").into());
            }
            let home = named(row, *household, "household")?;
            let market = market(row, *market_at)?;
            let weight = amount(row, *weight, (1e-6, 1e9), "the weight")?;
            let age = whole(row, *age, (0.0, 120.0), "the age")?;
            let letter = row.get(*gender).trim().to_uppercase();
            let code = letter.get(..1).unwrap_or("U");
            if !["F", "M", "X", "U"].contains(&code) {
                return Err(row.reject(Some(*gender), "not a gender: F, M, X or U").into());
            }
            let [party, state, voter, zones] =
                more.map(|at| at.map(|at| row.get(at).trim().to_string()).unwrap_or_default());
            writer.text(writer.position("person_id"), &id);
            writer.text(writer.position("household_id"), &home);
            writer.text(writer.position("market_id"), &market);
            writer.double(writer.position("weight"), Some(weight));
            writer.integer(writer.position("age"), Some(age));
            writer.text(writer.position("gender"), code);
            writer.text(writer.position("party"), &party.to_uppercase());
            writer.text(writer.position("state"), &state.to_uppercase());
            writer.text(writer.position("voter_id"), &voter);
            let zones: Vec<String> = zones
                .split([';', ',', '|'])
                .map(|zone| zone.split_whitespace().collect::<Vec<_>>().join(" "))
                .filter(|zone| !zone.is_empty())
                .collect();
            writer.text(writer.position("zones"), &zones.join(";"));
            seen.insert(id);
            Ok(())
        },
    )
}

/// Loads what the people of a panel watched into `tv_viewing`, replacing what they watched before.
pub fn load_viewing(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    load_into(
        "tv_viewing",
        false,
        (paths, options, progress),
        |header| header.require(["person_id", "station", "programme", "minutes", "programme_minutes"]),
        |[person, station, programme, minutes, whole_minutes], row, writer| {
            let id = named(row, *person, "person")?;
            let (station, programme) =
                (named(row, *station, "station")?, named(row, *programme, "programme")?);
            let whole = amount(row, *whole_minutes, (0.1, 1e7), "the programme's minutes")?;
            let watched = amount(row, *minutes, (0.0, 1e7), "the minutes watched")?;
            if watched > whole {
                let reason = "more minutes were watched than there were";
                return Err(row.reject(Some(*minutes), reason).into());
            }
            writer.text(writer.position("person_id"), &id);
            writer.text(writer.position("station"), &station);
            writer.text(writer.position("programme"), &programme);
            writer.double(writer.position("minutes"), Some(watched));
            writer.double(writer.position("programme_minutes"), Some(whole));
            Ok(())
        },
    )
}

/// A group of people as rating books name it: `A18-34` adults, `W` or `F` women, `M` men, `35+`. Gender and ages.
fn group(text: &str) -> Option<(&'static str, i32, i32)> {
    let text = text.trim().to_uppercase();
    let (gender, ages) = match text.chars().next()? {
        'A' | 'P' => ("", &text[1..]),
        'W' | 'F' => ("F", &text[1..]),
        'M' => ("M", &text[1..]),
        _ => ("", &text[..]),
    };
    let ages = ages.trim();
    let (from, to) = match ages.split_once('-') {
        Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
        None => (ages.strip_suffix('+')?.parse().ok()?, 120),
    };
    (0 <= from && from <= to && to <= 120).then_some((gender, from, to))
}

/// Loads ratings by programme and group into `tv_ratings`, replacing those of before.
pub fn load_ratings(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    load_into(
        "tv_ratings",
        false,
        (paths, options, progress),
        |header| {
            let [market, station, programme] = require(header, [MARKET, STATION, PROGRAMME])?;
            let [group, rating] = header.require(["group", "rating"])?;
            Ok([market, station, programme, group, rating])
        },
        |[market_at, station, programme, group_at, rating], row, writer| {
            let market = market(row, *market_at)?;
            let (station, programme) =
                (named(row, *station, "station")?, named(row, *programme, "programme")?);
            let Some((gender, from, to)) = group(&row.get(*group_at)) else {
                return Err(row.reject(Some(*group_at), "not a group: A18-34, W35-54, M55+").into());
            };
            let rating = amount(row, *rating, (0.0, 100.0), "the rating in percent")?;
            writer.text(writer.position("market_id"), &market);
            writer.text(writer.position("station"), &station);
            writer.text(writer.position("programme"), &programme);
            writer.text(writer.position("gender"), gender);
            writer.integer(writer.position("age_from"), Some(from));
            writer.integer(writer.position("age_to"), Some(to));
            writer.double(writer.position("rating"), Some(rating));
            Ok(())
        },
    )
}

/// Loads spots as they were aired and billed into `tv_airings`, a source a file.
pub fn load_airings(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    load_into(
        "tv_airings",
        true,
        (paths, options, progress),
        |header| {
            let columns = require(header, [MARKET, STATION, PROGRAMME, RATE])?;
            let [aired] = header.require(["aired_on"])?;
            let more = [ZONE, DAYPART, LENGTH].map(|names| find(header, names));
            Ok((columns, aired, header.find("aired_at"), more))
        },
        |([market_at, station, programme, rate], aired, at, [zone, daypart, length]), row, writer| {
            let market = market(row, *market_at)?;
            let (station, programme) =
                (named(row, *station, "station")?, named(row, *programme, "programme")?);
            let price = amount(row, *rate, (0.0, 1e8), "the rate")?;
            let (day, at) = (day(row, *aired)?, time(row, *at)?);
            let seconds = match length {
                Some(at) => Some(whole(row, *at, (5.0, 600.0), "the length in seconds")?),
                None => None,
            };
            let text = |at: &Option<usize>| at.map(|at| row.get(at).trim().to_string()).unwrap_or_default();
            writer.text(writer.position("market_id"), &market);
            writer.text(writer.position("station"), &station);
            writer.text(writer.position("zone"), &text(zone));
            writer.text(writer.position("programme"), &programme);
            writer.text(writer.position("daypart"), &text(daypart).to_lowercase().replace([' ', '-'], "_"));
            writer.integer(writer.position("aired_on"), Some(day));
            writer.integer(writer.position("aired_at"), at);
            writer.integer(writer.position("seconds"), seconds);
            writer.double(writer.position("price"), Some(price));
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read_as_sheets_write_them() {
        for (text, expected) in [
            ("18:30", Some(1110)),
            ("6:30 PM", Some(1110)),
            ("630p", Some(1110)),
            ("11p", Some(1380)),
            ("12:00 AM", Some(0)),
            ("12p", Some(720)),
            ("0600", Some(360)),
            ("24:00", Some(1440)),
            ("25:00", None),
            ("13 PM", None),
            ("prime", None),
            ("", None),
        ] {
            assert_eq!(minutes(text), expected, "{text}");
        }
    }

    #[test]
    fn groups_are_read_as_rating_books_name_them() {
        assert_eq!(group("A18-34"), Some(("", 18, 34)));
        assert_eq!(group("w35-54"), Some(("F", 35, 54)));
        assert_eq!(group("M55+"), Some(("M", 55, 120)));
        assert_eq!(group("P2+"), Some(("", 2, 120)));
        assert_eq!(group("35+"), Some(("", 35, 120)));
        assert_eq!(group("HH"), None);
        assert_eq!(group("A54-18"), None);
    }
}
