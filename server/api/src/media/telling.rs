//! A plan as it is told: spots, reach, frequency, cost, the curve, and how far it is from the best there could be.

use std::collections::{BTreeMap, HashMap};

use bellwether_media::exposure::{Exposure, exposure, together};
use bellwether_media::offers::Limit;
use bellwether_media::solution::Solution;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::media::planning::{cents, whole};
use crate::media::preparing::{Prepared, day_text, name_of};
use crate::media::television::{Known, Television};
use crate::turfs::printing::safe;

/// What is told of, and with what.
pub struct Told<'a> {
    pub tv: &'a Television,
    pub prepared: &'a Prepared,
    pub found: &'a Solution,
    pub usual: Value,
}

/// Spots that are sold out, of which is told what one more would bring.
const MOST_SOLD_OUT: usize = 50;
/// Money that the curve tells the next of.
const NEXT: f64 = 10_000.0;

fn share(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn per(value: f64, of: f64) -> Value {
    if of > 0.0 { json!(cents(value / of)) } else { Value::Null }
}

impl Told<'_> {
    pub fn document(&self) -> Result<Value, ApiError> {
        let (Told { tv, prepared, found, .. }, plan) = (self, &self.found.plan);
        let most = found.most();
        let markets = exposure(&prepared.people, &prepared.offers, &plan.units, tv.markets.len());
        let whole_plan = together(&markets);
        let reached = whole_plan.reached;
        let spoken = prepared.universe.people.spoken;
        let value = match prepared.universe.votes {
            Some(_) => {
                together(&exposure(&prepared.worth, &prepared.offers, &plan.units, tv.markets.len())).reached
            }
            None => reached,
        };
        Ok(json!({
            "inventory": prepared.inventory.name,
            "universe": {
                "voters": whole(prepared.universe.voters),
                "unseen": whole(prepared.universe.people.unseen),
                "spoken_for": {
                    "cell": whole(spoken[0]), "without_score": whole(spoken[1]), "party": whole(spoken[2]),
                    "age_and_gender": whole(spoken[3]), "market": whole(spoken[4]),
                },
            },
            "objective": if prepared.universe.votes.is_some() { "votes" } else { "reach" },
            "spent": cents(plan.spent),
            "left": cents(prepared.limits.budget - plan.spent),
            "spots": plan.units.iter().map(|units| u64::from(*units)).sum::<u64>(),
            "reach": self.told(&whole_plan, plan.spent, self.error(reached, &whole_plan)),
            "votes": prepared.universe.votes.as_ref().map(|_| (value * 10.0).round() / 10.0),
            "value": plan.reached,
            "bound": {
                "most": most,
                "gap": share((most - plan.reached).max(0.0) / most.max(f64::MIN_POSITIVE)),
                "proven": found.proven,
                "why": if found.proven { "every choice was looked at" } else { "concave relaxation: parts of spots could be bought" },
            },
            "markets": self.markets(&markets),
            "weeks": self.weeks(),
            "buys": self.buys()?,
            "curve": plan.curve.iter().map(|[money, value]| json!({"spent": cents(*money), "value": (value * 10.0).round() / 10.0})).collect::<Vec<_>>(),
            "next": self.next(),
            "prices": self.prices(),
            "by_age_and_sex": self.usual,
            "unknown_programmes": prepared.inventory.unknown,
        }))
    }

    /// The standard error of the reach: of which households were watched.
    fn error(&self, reached: f64, whole: &Exposure) -> f64 {
        let mut unseen = vec![1.0f64; self.prepared.people.weights.len()];
        for (offer, units) in
            self.prepared.offers.iter().zip(&self.found.plan.units).filter(|(_, units)| **units > 0)
        {
            for (person, chance) in self.prepared.people.of(offer.programme) {
                unseen[*person as usize] *= (1.0 - f64::from(*chance)).powi(*units as i32);
            }
        }
        let mean = if whole.universe > 0.0 { reached / whole.universe } else { 0.0 };
        let mut by_household: HashMap<u32, f64> = HashMap::new();
        for ((unseen, weight), person) in
            unseen.iter().zip(&self.prepared.people.weights).zip(&self.tv.people)
        {
            *by_household.entry(person.household).or_default() += weight * (1.0 - unseen - mean);
        }
        by_household.values().map(|sum| sum * sum).sum::<f64>().sqrt()
    }

    fn told(&self, of: &Exposure, spent: f64, error: f64) -> Value {
        let frequency: Vec<Value> = of
            .frequency
            .iter()
            .enumerate()
            .map(|(times, people)| json!({"times": times, "people": whole(*people)}))
            .collect();
        json!({
            "people": whole(of.reached),
            "error": whole(error),
            "share": share(of.reached / of.universe.max(f64::MIN_POSITIVE)),
            "impressions": whole(of.impressions),
            "rating_points": (of.rating_points() * 10.0).round() / 10.0,
            "mean_frequency": (of.mean_frequency() * 100.0).round() / 100.0,
            "frequency": frequency,
            "cost_per_reached": per(spent, of.reached),
            "cost_per_thousand": per(spent * 1000.0, of.impressions),
        })
    }

    fn markets(&self, markets: &[Exposure]) -> Vec<Value> {
        let mut spent: BTreeMap<u32, (f64, u64)> = BTreeMap::new();
        for (offer, units) in self.prepared.offers.iter().zip(&self.found.plan.units) {
            let held = spent.entry(offer.market).or_default();
            *held = (held.0 + offer.price * f64::from(*units), held.1 + u64::from(*units));
        }
        let told = |(market, (money, spots)): (&u32, &(f64, u64))| {
            let of = &markets[*market as usize];
            json!({
                "market": self.tv.markets[*market as usize].id, "name": self.tv.markets[*market as usize].name,
                "universe": whole(self.prepared.universe.by_market[*market as usize]),
                "spent": cents(*money), "spots": spots, "people": whole(of.reached),
                "share": share(of.reached / of.universe.max(f64::MIN_POSITIVE)),
                "rating_points": (of.rating_points() * 10.0).round() / 10.0,
                "mean_frequency": (of.mean_frequency() * 100.0).round() / 100.0,
                "cost_per_reached": per(*money, of.reached),
            })
        };
        spent.iter().map(told).collect()
    }

    fn weeks(&self) -> Vec<Value> {
        let mut weeks: BTreeMap<(u32, &str), (f64, u64)> = BTreeMap::new();
        for (offer, units) in self.prepared.offers.iter().zip(&self.found.plan.units) {
            if *units > 0 {
                let market = self.tv.markets[offer.market as usize].id.as_str();
                let held = weeks.entry((offer.week, market)).or_default();
                *held = (held.0 + offer.price * f64::from(*units), held.1 + u64::from(*units));
            }
        }
        let monday = |week: u32| day_text(self.prepared.weeks[week as usize]);
        let told = |((week, market), (money, spots)): (&(u32, &str), &(f64, u64))| json!({"week": monday(*week), "market": market, "spent": cents(*money), "spots": spots});
        weeks.iter().map(told).collect()
    }

    /// The spots to buy, with what each programme is among the universe.
    fn buys(&self) -> Result<Vec<Value>, ApiError> {
        let households = self.tv.households();
        let mut ratings = HashMap::new();
        let mut buys = Vec::new();
        for (at, units) in self.found.plan.units.iter().enumerate().filter(|(_, units)| **units > 0) {
            let (offer, shown) = (&self.prepared.offers[at], self.prepared.shown(at));
            let own = &self.tv.people_of[offer.market as usize];
            let rating = *ratings
                .entry(offer.programme)
                .or_insert_with(|| self.prepared.people.rating(offer.programme, own, &households));
            buys.push(json!({
                "market": self.tv.markets[offer.market as usize].id,
                "market_name": self.tv.markets[offer.market as usize].name,
                "station": shown.station, "zone": shown.zone, "programme": shown.programme,
                "daypart": shown.daypart, "days": shown.days.map(|days| days.to_string()),
                "start": time(shown.starts), "end": time(shown.ends), "week": day_text(shown.week),
                "length": shown.seconds, "units": units, "bought": offer.bought, "price": cents(offer.price),
                "cost": cents(offer.price * f64::from(*units)),
                "rating": (rating.share * 1e4).round() / 100.0, "rating_error": (rating.error * 1e4).round() / 100.0,
                "impressions": whole(rating.impressions),
                "cost_per_thousand": per(offer.price * 1000.0, rating.impressions),
                "audience": match self.tv.known[offer.programme as usize] { Known::Measured => "panel", Known::Rated => "ratings" },
            }));
        }
        Ok(buys)
    }

    /// What the next dollars would bring.
    fn next(&self) -> Value {
        let (spent, curve) = (self.found.plan.spent, &self.found.plan.curve);
        let beyond = curve.iter().find(|[money, _]| *money >= spent + NEXT * 0.9);
        let gain = beyond.map(|[money, value]| (value - self.found.plan.reached) / (money - spent) * NEXT);
        json!({"dollars": NEXT, "value": gain.map(|gain| (gain * 10.0).round() / 10.0)})
    }

    /// What keeping to the limits costs, in people (or votes): of money a thousand dollars more, of frequency a tenth of an
    /// exposure more, of spots that are sold out one spot more, those first that would bring most.
    fn prices(&self) -> Vec<Value> {
        let bound = &self.found.bound;
        let thousand = |price: f64| (price * 1e5).round() / 100.0;
        let budget = json!({"limit": "/budget", "per_thousand_dollars": thousand(bound.price)});
        let mut spots: Vec<(usize, f64)> = Vec::new();
        let mut told = vec![budget];
        for (limit, price) in &bound.prices {
            let name = || name_of(self.tv, &self.prepared.inventory, *limit);
            told.push(match limit {
                Limit::Units(at) => {
                    spots.push((*at as usize, *price));
                    continue;
                }
                Limit::Frequency(_, week) => json!({
                    "limit": name(), "week": day_text(self.prepared.weeks[*week as usize]),
                    "per_tenth_exposure": (price * 10.0).round() / 100.0,
                }),
                _ => json!({"limit": name(), "per_thousand_dollars": thousand(*price)}),
            });
        }
        spots.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        told.extend(spots.iter().take(MOST_SOLD_OUT).map(|(at, price)| {
            let (offer, shown) = (&self.prepared.offers[*at], self.prepared.shown(*at));
            json!({
                "limit": "units", "market": self.tv.markets[offer.market as usize].id, "station": shown.station,
                "zone": shown.zone, "programme": shown.programme, "week": day_text(shown.week),
                "per_spot": (price * 10.0).round() / 10.0,
            })
        }));
        told
    }
}

/// Minutes after midnight as a time of day.
pub fn time(minutes: Option<i16>) -> Option<String> {
    minutes.map(|minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60))
}

/// Columns of a buy sheet.
const COLUMNS: [(&str, &str); 18] = [
    ("Market", "market"),
    ("MarketName", "market_name"),
    ("Station", "station"),
    ("Zone", "zone"),
    ("Program", "programme"),
    ("Daypart", "daypart"),
    ("Days", "days"),
    ("Start", "start"),
    ("End", "end"),
    ("Week", "week"),
    ("Length", "length"),
    ("Rate", "price"),
    ("Spots", "units"),
    ("Total", "cost"),
    ("TargetRating", "rating"),
    ("TargetRatingError", "rating_error"),
    ("TargetImpressions", "impressions"),
    ("TargetCPM", "cost_per_thousand"),
];

/// The spots of a plan as a buy sheet.
pub fn csv(plan: &Value) -> Result<Vec<u8>, ApiError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|(name, _)| name)).map_err(ApiError::internal)?;
    for buy in plan["buys"].as_array().into_iter().flatten() {
        let text = |field: &str| match &buy[field] {
            Value::String(text) => safe(text),
            Value::Null => String::new(),
            value => value.to_string(),
        };
        writer.write_record(COLUMNS.map(|(_, field)| text(field))).map_err(ApiError::internal)?;
    }
    writer.into_inner().map_err(ApiError::internal)
}

/// The curve of a plan as a picture: money to the right, what it brings upwards, the budget and the usual way marked.
pub fn svg(plan: &Value) -> String {
    let points: Vec<[f64; 2]> = plan["curve"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|point| [point["spent"].as_f64().unwrap_or(0.0), point["value"].as_f64().unwrap_or(0.0)])
        .collect();
    let most = |axis: usize| points.iter().map(|point| point[axis]).fold(1.0, f64::max);
    let (steps_wide, steps_high) = (round_step(most(0)), round_step(most(1)));
    let wide = (most(0) / steps_wide).ceil() * steps_wide;
    let high = (most(1) / steps_high).ceil() * steps_high;
    let at = |[money, value]: [f64; 2]| [70.0 + money / wide * 560.0, 330.0 - value / high * 290.0];
    let line: Vec<String> =
        points.iter().map(|point| at(*point)).map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
    let mut out = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 660 380\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"12\"><title>What the budget reaches</title><rect width=\"660\" height=\"380\" fill=\"#fff\"/>",
    );
    let objective = if plan["objective"] == "votes" { "votes moved" } else { "people reached" };
    for step in 0..=(high / steps_high).round() as u32 {
        let value = f64::from(step) * steps_high;
        let [_, y] = at([0.0, value]);
        out += &format!(
            "<path d=\"M70 {y:.1}H630\" stroke=\"#ddd\"/><text x=\"64\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            y + 4.0,
            thousands(value)
        );
    }
    for step in 0..=(wide / steps_wide).round() as u32 {
        let money = f64::from(step) * steps_wide;
        let [x, _] = at([money, 0.0]);
        out += &format!("<text x=\"{x:.1}\" y=\"348\" text-anchor=\"middle\">${}</text>", thousands(money));
    }
    out += &format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#0a3a8a\" stroke-width=\"2.5\"/>",
        line.join(" ")
    );
    // Below the curve and to the right there is nothing else; near the right edge the words end there.
    let mut mark = |place: [f64; 2], down: f64, colour: &str, words: &str| {
        let [x, y] = at(place);
        let (beside, anchor) = if x > 480.0 { (x + 4.0, "end") } else { (x + 9.0, "start") };
        out += &format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/><text x=\"{beside:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>",
            y + down
        );
    };
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    mark([number(&plan["spent"]), number(&plan["value"])], 14.0, "#0a3a8a", "this plan");
    let usual = &plan["by_age_and_sex"];
    if let (Some(group), false) = (usual["group"].as_str(), plan["objective"] == "votes") {
        let words = format!("bought for {group}");
        mark([number(&usual["spent"]), number(&usual["reached"])], 30.0, "#b00020", &words);
    }
    out += &format!(
        "<text x=\"70\" y=\"24\" font-weight=\"700\">{objective} by budget</text><text x=\"350\" y=\"370\" text-anchor=\"middle\">dollars</text></svg>"
    );
    out
}

/// A step of 1, 2 or 5 times a power of ten, of which four or so make up a length.
fn round_step(length: f64) -> f64 {
    let rough = length.max(1.0) / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough).unwrap_or(rough)
}

fn thousands(value: f64) -> String {
    let text = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
