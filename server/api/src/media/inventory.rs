//! Spots on offer as a release knows them, by number: an inventory is read once and planned from many times.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_schema::days::Days;

use crate::error::ApiError;
use crate::media::television::{Numbers, Television};
use crate::serving::Serving;

/// A row of an inventory whose programme's audience is known.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub item: u32,
    pub daypart: u32,
    pub days: Option<Days>,
    /// Minutes after midnight.
    pub starts: Option<i16>,
    pub ends: Option<i16>,
    /// Monday of the week, days since 1970-01-01.
    pub week: i32,
    pub seconds: Option<u16>,
    pub price: f64,
    pub units: u32,
}

/// What the rows of one programme in one zone have in common; they lie beside each other.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub market: u32,
    /// Number of the station in its market.
    pub station: u32,
    pub zone: u32,
    pub name: u32,
    /// Number of its audience.
    pub programme: u32,
    /// Its first row.
    pub first: u32,
}

/// The spots of an inventory.
pub struct Inventory {
    pub name: String,
    pub rows: Vec<Row>,
    pub items: Vec<Item>,
    /// Stations, each with its market.
    pub stations: Vec<(u32, String)>,
    pub zones: Vec<String>,
    pub names: Vec<String>,
    pub dayparts: Numbers,
    /// Rows left out because nothing is known of their programme's audience.
    pub unknown: usize,
    by_name: HashMap<(u32, String, String), Vec<u32>>,
}

impl Inventory {
    pub fn read(serving: &Serving, name: &str) -> Result<Inventory, ApiError> {
        let tv = serving.television()?;
        let answer = serving.copy.tv_offers(name)?;
        let [
            (market, markets),
            (station, stations),
            (zone, zones),
            (programme, names),
            (daypart, dayparts),
            (days, days_of),
        ] = ["market_id", "station", "zone", "programme", "daypart", "days"]
            .map(|name| answer.numbered(name));
        let [starts, ends, week, seconds, units] =
            ["starts", "ends", "week", "seconds", "units"].map(|name| answer.integers(name));
        let price = answer.doubles("price");
        let days_of: Vec<Option<Days>> = days_of.iter().map(|text| Days::parse(text)).collect();
        let mut made = Inventory {
            name: name.to_string(),
            rows: Vec::with_capacity(answer.rows()),
            items: Vec::new(),
            stations: Vec::new(),
            zones,
            names,
            dayparts: Numbers::of(dayparts),
            unknown: 0,
            by_name: HashMap::new(),
        };
        let mut own_stations: HashMap<(u32, u32), u32> = HashMap::new();
        let mut held: Option<([u32; 4], Option<u32>)> = None;
        for at in 0..answer.rows() {
            let key = [market[at], station[at], zone[at], programme[at]];
            let item = match held {
                Some((of, item)) if of == key => item,
                _ => made.item(tv, (key, &markets, &stations), &mut own_stations),
            };
            held = Some((key, item));
            let Some(item) = item else {
                made.unknown += 1;
                continue;
            };
            let small = |value: Option<i64>| value.and_then(|value| i16::try_from(value).ok());
            made.rows.push(Row {
                item,
                daypart: daypart[at],
                days: days_of[days[at] as usize],
                starts: small(starts[at]),
                ends: small(ends[at]),
                week: week[at].unwrap_or(0) as i32,
                seconds: seconds[at].and_then(|seconds| u16::try_from(seconds).ok()),
                price: price[at].unwrap_or(0.0),
                units: units[at].unwrap_or(0) as u32,
            });
        }
        Ok(made)
    }

    /// The item of a row's names; none where nothing is known of its audience.
    fn item(
        &mut self,
        tv: &Television,
        ([market, station, zone, name], markets, stations): ([u32; 4], &[String], &[String]),
        own_stations: &mut HashMap<(u32, u32), u32>,
    ) -> Option<u32> {
        let number = tv.market_numbers.find(&markets[market as usize])?;
        let (station_name, programme) = (&stations[station as usize], &self.names[name as usize]);
        let audience = tv.find(number, station_name, &self.zones[zone as usize], programme)?;
        let of_station = *own_stations.entry((number, station)).or_insert_with(|| {
            self.stations.push((number, station_name.clone()));
            self.stations.len() as u32 - 1
        });
        let item = self.items.len() as u32;
        let key = (number, station_name.clone(), programme.clone());
        self.by_name.entry(key).or_default().push(item);
        let first = self.rows.len() as u32;
        self.items.push(Item { market: number, station: of_station, zone, name, programme: audience, first });
        Some(item)
    }

    /// Items of a programme of a station in a market, in one zone or in all.
    pub fn find(&self, market: u32, station: &str, programme: &str, zone: Option<&str>) -> Vec<u32> {
        let of = self.by_name.get(&(market, station.to_string(), programme.to_string()));
        let fits =
            |item: &u32| zone.is_none_or(|zone| self.zones[self.items[*item as usize].zone as usize] == zone);
        of.into_iter().flatten().copied().filter(fits).collect()
    }

    /// The rows of an item.
    pub fn rows_of(&self, item: u32) -> std::ops::Range<u32> {
        let next = self.items.get(item as usize + 1).map_or(self.rows.len() as u32, |next| next.first);
        self.items[item as usize].first..next
    }
}

/// Inventories that were asked for last, of one release.
#[derive(Default)]
pub struct Inventories(std::sync::Mutex<Vec<Arc<Inventory>>>);

/// How many are kept.
const KEPT: usize = 3;

impl Inventories {
    /// Whoever asks meanwhile waits until it is read.
    pub fn get(&self, serving: &Serving, name: &str) -> Result<Arc<Inventory>, ApiError> {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = match kept.iter().position(|held| held.name == name) {
            Some(at) => kept.remove(at),
            None => Arc::new(Inventory::read(serving, name)?),
        };
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(found.clone());
        Ok(found)
    }
}
