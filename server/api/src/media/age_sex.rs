//! The usual way of buying: for a group of an age and a sex, whatever the people in it think.

use std::collections::HashMap;

use crate::media::television::Television;

/// A group: its name, the gender, and the least and greatest age band.
type Group = (&'static str, &'static str, &'static str, &'static str);
/// Groups that the trade buys by.
const GROUPS: [Group; 21] = [
    ("A18+", "", "18-24", "75 and over"),
    ("A18-34", "", "18-24", "25-34"),
    ("A18-44", "", "18-24", "35-44"),
    ("A25-54", "", "25-34", "45-54"),
    ("A35+", "", "35-44", "75 and over"),
    ("A35-64", "", "35-44", "55-64"),
    ("A65+", "", "65-74", "75 and over"),
    ("W18+", "F", "18-24", "75 and over"),
    ("W18-34", "F", "18-24", "25-34"),
    ("W18-44", "F", "18-24", "35-44"),
    ("W25-54", "F", "25-34", "45-54"),
    ("W35+", "F", "35-44", "75 and over"),
    ("W35-64", "F", "35-44", "55-64"),
    ("W65+", "F", "65-74", "75 and over"),
    ("M18+", "M", "18-24", "75 and over"),
    ("M18-34", "M", "18-24", "25-34"),
    ("M18-44", "M", "18-24", "35-44"),
    ("M25-54", "M", "25-34", "45-54"),
    ("M35+", "M", "35-44", "75 and over"),
    ("M35-64", "M", "35-44", "55-64"),
    ("M65+", "M", "65-74", "75 and over"),
];
/// The bands in their order.
const BANDS: [&str; 7] = ["18-24", "25-34", "35-44", "45-54", "55-64", "65-74", "75 and over"];

fn holds(group: &Group, band: &str, gender: &str) -> bool {
    let place = |band: &str| BANDS.iter().position(|known| *known == band);
    let (_, sex, from, to) = group;
    let (Some(at), Some(from), Some(to)) = (place(band), place(from), place(to)) else { return false };
    (sex.is_empty() || *sex == gender) && (from..=to).contains(&at)
}

/// The group that fits a universe best: the most of the universe in it, and of it in the universe (the harmonic mean of both
/// shares). `everybody` are all voters by band and gender.
pub fn group_of(
    universe: &HashMap<(String, String), f64>,
    everybody: &HashMap<(String, String), f64>,
) -> &'static str {
    let sum = |of: &HashMap<(String, String), f64>, group: &Group| -> f64 {
        let own = of.iter().filter(|((band, gender), _)| holds(group, band, gender));
        own.map(|(_, count)| count).sum()
    };
    let whole: f64 = universe.values().sum();
    let fit = |group: &Group| {
        let (inside, all) = (sum(universe, group), sum(everybody, group));
        2.0 * inside / (whole + all).max(f64::MIN_POSITIVE)
    };
    let best = GROUPS.iter().max_by(|one, other| fit(one).total_cmp(&fit(other)));
    best.map_or("A18+", |(name, ..)| name)
}

/// The panel's own weights of those who are in a group.
pub fn weights(tv: &Television, group: &str) -> Vec<f64> {
    let group = GROUPS.iter().find(|(name, ..)| *name == group).unwrap_or(&GROUPS[0]);
    let people = tv.people.iter().zip(&tv.band_of);
    people
        .map(|(person, band)| {
            let gender = tv.genders.names.get(person.gender as usize).map_or("", String::as_str);
            if holds(group, band, gender) { person.weight } else { 0.0 }
        })
        .collect()
}
