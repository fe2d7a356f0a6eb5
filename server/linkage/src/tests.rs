//! A small town whose people are known, listed again with slips: who is found, how surely, and why.

use crate::{Birth, COMPARISONS, Linked, Options, Record, Reference, link};

struct Draw(u64);

impl Draw {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Default)]
struct Someone {
    last: String,
    first: String,
    middle: String,
    year: i32,
    gender: &'static str,
    address: String,
    zip: String,
}

impl Someone {
    fn record(&self) -> Record<'_> {
        Record {
            last_name: Some(&self.last),
            first_name: Some(&self.first),
            middle_name: Some(&self.middle),
            birth: (self.year > 0).then(|| Birth::year(self.year)),
            gender: Some(self.gender),
            address: Some(&self.address),
            zip: Some(&self.zip),
            phone: None,
        }
    }
}

const SYLLABLES: [&str; 20] = [
    "MAR", "LO", "WEN", "TIS", "BRA", "DEN", "KOL", "SHA", "RIN", "VO", "HAL", "PE", "GUS", "NOR", "FI",
    "TAM", "ZE", "CRU", "OST", "BEL",
];

/// Names in the shares of a power law.
fn named(draw: &mut Draw, parts: usize) -> String {
    (0..parts)
        .map(|_| {
            let (one, other) = (draw.below(SYLLABLES.len()), draw.below(SYLLABLES.len()));
            SYLLABLES[one.min(other)]
        })
        .collect()
}

/// Families at their addresses.
fn town(draw: &mut Draw, people: usize) -> Vec<Someone> {
    let mut town: Vec<Someone> = Vec::with_capacity(people);
    while town.len() < people {
        let family = Someone {
            last: named(draw, 3),
            address: format!("{} {} ST", 1 + draw.below(900), named(draw, 2)),
            zip: format!("80{:03}", draw.below(12)),
            ..Someone::default()
        };
        for _ in 0..1 + draw.below(4) {
            town.push(Someone {
                first: named(draw, 2),
                middle: named(draw, 2),
                year: 1930 + draw.below(75) as i32,
                gender: ["F", "M"][draw.below(2)],
                ..family.clone()
            });
        }
    }
    town
}

/// The town a year later: some have left, some have come, some have moved, and the clerk has made slips.
fn later(draw: &mut Draw, town: &[Someone]) -> Vec<(Someone, Option<usize>)> {
    let slip = |draw: &mut Draw, text: &str| {
        let at = 1 + draw.below(text.len() - 2);
        format!("{}{}{}{}", &text[..at], &text[at + 1..at + 2], &text[at..at + 1], &text[at + 2..])
    };
    let mut listed = Vec::new();
    for (at, known) in town.iter().enumerate() {
        if draw.chance(8) {
            continue;
        }
        let mut someone = known.clone();
        if draw.chance(8) {
            someone.address = format!("{} {} AVE", 1 + draw.below(900), named(draw, 2));
            someone.zip = format!("80{:03}", draw.below(12));
        }
        if draw.chance(3) {
            someone.last = slip(draw, &someone.last);
        }
        if draw.chance(3) {
            someone.first = slip(draw, &someone.first);
        }
        if draw.chance(20) {
            someone.middle.truncate(draw.below(2));
        }
        if draw.chance(2) {
            someone.year += 1;
        }
        listed.push((someone, Some(at)));
    }
    let new = self::town(draw, town.len() / 10);
    listed.extend(new.into_iter().map(|someone| (someone, None)));
    listed
}

fn reference(town: &[Someone]) -> Reference {
    let mut voters = Reference::default();
    town.iter().for_each(|someone| voters.push(&someone.record()));
    voters.finish();
    voters
}

fn matched<'a>(voters: &'a Reference, listed: &[Someone], options: &Options) -> Linked<'a> {
    let mut list = voters.batch();
    listed.iter().for_each(|someone| list.push(&someone.record()));
    link(&list, options, &|_| true, &|_| true).expect("few pairs")
}

#[test]
fn a_town_is_found_again_and_the_probabilities_hold_what_they_promise() {
    let mut draw = Draw(11);
    let town = town(&mut draw, 20_000);
    let (listed, truth): (Vec<Someone>, Vec<Option<usize>>) = later(&mut draw, &town).into_iter().unzip();
    let voters = reference(&town);
    let linked = matched(&voters, &listed, &Options { least: 0.01, ..Options::default() });
    let sure: Vec<_> = linked.matches.iter().filter(|found| found.probability >= 0.5).collect();
    let right = |found: &&crate::Match| truth[found.listed as usize] == Some(found.voter as usize);
    let hits = sure.iter().filter(|found| right(found)).count() as f64;
    let there = truth.iter().flatten().count() as f64;
    let (precision, recall) = (hits / sure.len() as f64, hits / there);
    assert!(precision > 0.998, "precision {precision}");
    assert!(recall > 0.98, "recall {recall}");
    // Calibration: what the probabilities of all pairs sum up to is what comes true, also among the doubtful.
    for (least, most) in [(0.01, 0.9), (0.9, 1.1), (0.01, 1.1)] {
        let band = linked.matches.iter().filter(|found| (least..most).contains(&found.probability));
        let (promised, came) = band.fold((0.0, 0.0), |(promised, came), found| {
            (promised + found.probability, came + f64::from(u8::from(right(&found))))
        });
        let tolerance = 4.0 * f64::sqrt(came + 4.0) + 0.003 * came;
        assert!((promised - came).abs() < tolerance, "{least} to {most}: promised {promised}, true {came}");
    }
    // One to one.
    let mut taken: Vec<u32> = sure.iter().map(|found| found.voter).collect();
    taken.sort_unstable();
    assert!(taken.windows(2).all(|pair| pair[0] != pair[1]));
    // The reasons and the prior make the odds; rivals only change them.
    let lone = sure.iter().find(|found| found.probability > 0.999).expect("a sure match");
    let bits: f64 = linked.evidence(lone).iter().flatten().map(|(_, bits)| bits).sum();
    assert!(linked.prior + bits > 9.0, "{} {bits}", linked.prior);
}

#[test]
fn a_rare_name_says_more_than_a_common_one() {
    let mut draw = Draw(5);
    let town = town(&mut draw, 8_000);
    let voters = reference(&town);
    let mut count = std::collections::HashMap::new();
    town.iter().for_each(|someone| *count.entry(&someone.last).or_insert(0) += 1);
    let counted = |at: &usize| count[&town[*at].last];
    let rarest = (0..town.len()).min_by_key(counted).expect("people");
    let commonest = (0..town.len()).max_by_key(counted).expect("people");
    let bits = |at: usize| {
        let mut moved = town[at].clone();
        (moved.address, moved.zip) = ("1 NOWHERE RD".into(), "99999".into());
        let linked = matched(&voters, &[moved], &Options { least: 1e-4, ..Options::default() });
        let found = linked.matches.iter().find(|found| found.voter as usize == at).expect("found");
        linked.evidence(found)[0].expect("compared").1
    };
    assert!(bits(rarest) > bits(commonest) + 2.0);
}

#[test]
fn little_is_enough_and_short_forms_and_exchanged_names_are_understood() {
    let mut draw = Draw(3);
    let mut town = town(&mut draw, 3_000);
    let known = Someone {
        last: "HOLLOWELL".into(),
        first: "WILLIAM".into(),
        year: 1961,
        gender: "M",
        address: "12 QUINCE LN".into(),
        zip: "80011".into(),
        ..Someone::default()
    };
    town.push(known.clone());
    let voters = reference(&town);
    let at = town.len() as u32 - 1;
    let phone = "(303) 555-0142";
    let one = |record: &Record| {
        let mut list = voters.batch();
        list.push(record);
        let linked = link(&list, &Options { least: 0.2, ..Options::default() }, &|_| true, &|_| true)
            .expect("few pairs");
        linked.matches.first().map(|found| (found.voter, linked.evidence(found)))
    };
    let name = Record { last_name: Some("Hollowell"), first_name: Some("Bill"), ..Record::default() };
    let dated =
        one(&Record { birth: Some(Birth::year(1961)), zip: Some("80011-2233"), ..name }).expect("found");
    assert_eq!((dated.0, dated.1[1].map(|(level, _)| level)), (at, Some("a short form")));
    let exchanged = Record { last_name: Some("WILLIAM"), first_name: Some("HOLLOWELL"), ..name };
    let found = one(&exchanged).expect("found");
    assert_eq!((found.0, found.1[0].map(|(level, _)| level)), (at, Some("exchanged with the first name")));
    assert_eq!(
        one(&Record { address: Some("12 QUINCE LN"), zip: Some("80011"), ..Record::default() }).map(|f| f.0),
        Some(at)
    );
    assert!(one(&Record { phone: Some(phone), ..Record::default() }).is_none(), "nobody has this number");
    assert!(
        one(&Record { last_name: Some("Nobody"), first_name: Some("Known"), ..Record::default() }).is_none()
    );
    // Unknown fields say nothing.
    assert!(found.1.iter().skip(2).all(Option::is_none), "{:?} of {}", found.1, COMPARISONS.len());
}

#[test]
fn who_is_listed_twice_in_the_same_words_is_found_twice_and_the_invisible_are_not_there() {
    let mut draw = Draw(9);
    let town = town(&mut draw, 2_000);
    let voters = reference(&town);
    let mut list = voters.batch();
    [&town[7], &town[7], &town[8]].iter().for_each(|someone| list.push(&someone.record()));
    let rows = |visible: &(dyn Fn(u32) -> bool + Sync)| -> Vec<(u32, u32)> {
        let linked = link(&list, &Options::default(), visible, &|_| true).expect("few pairs");
        linked.matches.iter().map(|found| (found.listed, found.voter)).collect()
    };
    assert_eq!(rows(&|_| true), [(0, 7), (1, 7), (2, 8)]);
    assert_eq!(rows(&|row| row != 7), [(2, 8)]);
}
