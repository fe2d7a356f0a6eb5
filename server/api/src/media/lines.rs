//! Spots that a request or an earlier plan names, found among those on offer.

use std::collections::{BTreeSet, HashMap};

use bellwether_media::offers::Offer;
use bellwether_schema::days::Days;
use serde_json::Value;

use crate::error::ApiError;
use crate::media::preparing::{Prepared, day_number, market_of};
use crate::media::request::Line;
use crate::media::television::Television;
use crate::media::telling::time;

/// Rows of the inventory that a line names, in the flight or not.
fn rows_of(made: &Prepared, market: u32, line: &Line) -> Vec<u32> {
    let inventory = &made.inventory;
    let items = inventory.find(market, &line.station, &line.programme, line.zone.as_deref());
    let week = line.week.as_deref().and_then(day_number);
    let days = line.days.as_deref().and_then(Days::parse);
    let fits = |row: &u32| {
        let row = &inventory.rows[*row as usize];
        let daypart = &inventory.dayparts.names[row.daypart as usize];
        week.is_none_or(|week| row.week == week)
            && line.daypart.as_ref().is_none_or(|named| named == daypart)
            && days.is_none_or(|days| row.days.is_none_or(|of| days.are_among(of)))
            && line.start.as_ref().is_none_or(|start| time(row.starts).as_ref() == Some(start))
            && line.length.is_none_or(|length| row.seconds.is_none_or(|of| u32::from(of) == length))
    };
    items.into_iter().flat_map(|item| inventory.rows_of(item)).filter(fits).collect()
}

/// The same, of the whole market's or of the only zone where none is named; an error where there are none.
fn rows_of_line(tv: &Television, made: &Prepared, line: &Line) -> Result<Vec<u32>, ApiError> {
    let market = market_of(tv, &line.market)?;
    let mut found = rows_of(made, market, line);
    let zone = |row: &u32| {
        let item = &made.inventory.items[made.inventory.rows[*row as usize].item as usize];
        made.inventory.zones[item.zone as usize].as_str()
    };
    let zones: BTreeSet<&str> = found.iter().map(zone).collect();
    if zones.len() > 1 && !zones.contains("") {
        let zones: Vec<&str> = zones.into_iter().collect();
        return Err(ApiError::bad_request(format!(
            "{} on {}: say the zone; there are {}",
            line.programme,
            line.station,
            zones.join(", ")
        )));
    }
    if zones.len() > 1 {
        found.retain(|row| zone(row).is_empty());
    }
    if found.is_empty() {
        return Err(ApiError::bad_request(format!(
            "no spots of {} on {} in market {} are on offer in {}",
            line.programme,
            line.station,
            line.market,
            line.week.as_deref().unwrap_or("this inventory")
        )));
    }
    Ok(found)
}

/// Sets prices of now. What is bought cost what it cost, and is an offer of its own.
pub fn set_prices(tv: &Television, made: &mut Prepared, lines: &[Line]) -> Result<(), ApiError> {
    for line in lines {
        for row in rows_of_line(tv, made, line)? {
            if let Some(at) = made.offer_of(row) {
                made.offers[at].price = line.price.unwrap_or(made.offers[at].price);
            }
        }
    }
    Ok(())
}

/// Spots that are bought become offers of their own, at what they cost, outside the flight too; what is left of an offer may
/// still be bought. A line that several rows fit takes from each what there is, and what is left over from the first.
pub fn set_bought(tv: &Television, made: &mut Prepared, lines: &[Line]) -> Result<(), ApiError> {
    let mut bought = Vec::new();
    for line in lines {
        let rows = rows_of_line(tv, made, line)?;
        let mut left = line.units.unwrap_or(0);
        let mut parts: Vec<(u32, u32)> = Vec::new();
        for row in &rows {
            let Some(at) = made.offer_of(*row) else { continue };
            let taken = left.min(made.offers[at].units);
            made.offers[at].units -= taken;
            left -= taken;
            parts.push((*row, taken));
        }
        if left > 0 {
            match parts.first_mut() {
                Some((_, taken)) => *taken += left,
                None => parts.push((rows[0], left)),
            }
        }
        for (row, units) in parts.into_iter().filter(|(_, units)| *units > 0) {
            let offer = made.offer_from(row);
            let price = line.price.unwrap_or(offer.price);
            let days = made.inventory.rows[row as usize].days;
            bought.push((Offer { price, units, bought: units, ..offer }, (row, days)));
        }
    }
    let (offers, rows): (Vec<Offer>, Vec<_>) = bought.into_iter().unzip();
    made.offers.extend(offers);
    made.rows.extend(rows);
    Ok(())
}

/// The spots of an earlier plan by the offers of now, found by what they are called: offers may have other places. What is
/// bought by now was among them.
pub fn units_of(tv: &Television, made: &Prepared, buys: &Value) -> Vec<u32> {
    let mut start: Vec<u32> = made.offers.iter().map(|offer| offer.bought).collect();
    let mut taken: HashMap<u32, u32> = HashMap::new();
    for ((row, _), bought) in made.rows.iter().zip(&start).skip(made.open) {
        *taken.entry(*row).or_default() += bought;
    }
    for buy in buys.as_array().into_iter().flatten() {
        let text = |field: &str| buy[field].as_str().map(str::to_string);
        let line = Line {
            station: text("station").unwrap_or_default(),
            programme: text("programme").unwrap_or_default(),
            week: text("week"),
            zone: text("zone"),
            daypart: text("daypart"),
            start: text("start"),
            length: buy["length"].as_u64().and_then(|length| u32::try_from(length).ok()),
            ..Line::default()
        };
        let Some(market) = tv.market_numbers.find(buy["market"].as_str().unwrap_or_default()) else {
            continue;
        };
        let mut left = buy["units"].as_u64().unwrap_or(0) as u32;
        for row in rows_of(made, market, &line) {
            if let Some(bought) = taken.get_mut(&row) {
                let among = left.min(*bought);
                *bought -= among;
                left -= among;
            }
            if let Some(at) = made.offer_of(row) {
                let room = left.min(made.offers[at].units.saturating_sub(start[at]));
                start[at] += room;
                left -= room;
            }
        }
    }
    start
}
