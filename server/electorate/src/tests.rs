//! Small electorates in which everything that is counted with bitmaps is counted again voter by voter.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_atlas::Outline;
use bellwether_schema::ids::Kind;
use serde_json::{Value, json};

use crate::{Builder, Electorate, Grouping, Key, Measures, Outlines, Row, Where};

struct NoOutlines;

impl Outlines for NoOutlines {
    fn vintages(&self, _: Kind, _: &str) -> Vec<i64> {
        Vec::new()
    }

    fn outline(&self, _: Kind, _: &str, _: i64) -> Option<Outline> {
        None
    }

    fn ids(&self, _: Kind) -> Vec<String> {
        Vec::new()
    }
}

/// A voter as the test knows them.
struct Voter {
    county: String,
    precinct: String,
    party: &'static str,
    age: Option<i64>,
    door: Option<String>,
    unit: String,
    phone: Option<String>,
    score: Option<f32>,
    contact: Option<(&'static str, i32)>,
}

/// Voters whose doors go on from one precinct to the next, in the middle of words and across them.
fn voters(count: usize) -> Vec<Voter> {
    let mut state = 7u64;
    let mut draw = |below: u64| {
        state = crate::mix(state);
        state % below
    };
    let mut voters = Vec::with_capacity(count);
    let (mut door, mut unit) = (0, 0);
    for at in 0..count {
        if draw(3) == 0 {
            (door, unit) = (door + 1, 0);
        } else if draw(3) == 0 {
            unit += 1;
        }
        voters.push(Voter {
            county: format!("C{}", at / 700),
            precinct: format!("P{}", (at + 3) / 5),
            party: ["DEM", "REP", "UNA"][draw(3) as usize],
            age: (draw(10) > 0).then(|| 18 + draw(80) as i64),
            door: (door % 11 != 5).then(|| format!("{door} ELM")),
            unit: format!("{unit}"),
            phone: (draw(2) == 0).then(|| format!("555-{}", draw(200))),
            score: (draw(4) > 0).then(|| draw(101) as f32),
            contact: (draw(3) == 0)
                .then(|| (["refused", "canvassed"][draw(2) as usize], 100 - draw(90) as i32)),
        });
    }
    voters
}

fn build(voters: &[Voter]) -> Electorate {
    let mut builder = Builder::new(100);
    for (row, voter) in voters.iter().enumerate() {
        let mut of = Row { id: &voter.precinct, ..Row::default() };
        of.districts[0] = Some("FK");
        of.districts[1] = Some(&voter.county);
        of.districts[5] = Some(&voter.precinct);
        of.texts[0] = Some(voter.party);
        of.numbers[0] = voter.age;
        of.door = voter.door.as_deref();
        of.unit = Some(&voter.unit);
        of.phone = voter.phone.as_deref();
        builder.push(&of);
        if let Some(score) = voter.score {
            builder.scored("turnout", row as u32, score);
        }
        if let Some((result, day)) = voter.contact {
            builder.contacted(row as u32, result, day);
        }
    }
    builder.finish()
}

fn chosen<'a>(electorate: &Electorate, voters: &'a [Voter], filter: Value) -> Vec<&'a Voter> {
    let filter = Where::parse(&filter).expect("a filter");
    let bitmap = electorate.bitmap(&electorate.compile(&filter, &NoOutlines).expect("known names"));
    voters
        .iter()
        .enumerate()
        .filter(|(row, _)| bitmap[row / 64] >> (row % 64) & 1 == 1)
        .map(|(_, voter)| voter)
        .collect()
}

#[test]
fn scores_and_contacts_choose_those_whom_going_voter_by_voter_chooses() {
    let voters = voters(2_000);
    let electorate = build(&voters);
    let check = |filter: Value, fits: &dyn Fn(&Voter) -> bool| {
        let expected: Vec<&Voter> = voters.iter().filter(|voter| fits(voter)).collect();
        let found = chosen(&electorate, &voters, filter.clone());
        assert!(!expected.is_empty() && expected.len() < voters.len(), "{filter} tells nobody apart");
        assert!(
            found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| std::ptr::eq(*a, *b)),
            "{filter}"
        );
    };
    check(json!({"score": {"model": "turnout", "between": [20, 80]}}), &|voter| {
        voter.score.is_some_and(|score| (20.0..=80.0).contains(&score))
    });
    check(json!({"score": {"model": "turnout", "between": [null, 10]}}), &|voter| {
        voter.score.is_some_and(|s| s <= 10.0)
    });
    check(json!({"not": {"contact": {"result": "refused", "within_days": 60}}}), &|voter| {
        !voter.contact.is_some_and(|(result, day)| result == "refused" && day >= 40)
    });
    check(json!({"contact": {}}), &|voter| voter.contact.is_some());
    check(json!({"field": "phone", "is_null": true}), &|voter| voter.phone.is_none());
}

#[test]
fn groups_made_by_splitting_and_voter_by_voter_are_those_of_counting_by_hand() {
    let voters = voters(3_000);
    let electorate = build(&voters);
    let everyone = electorate.compile(&Where::All(Vec::new()), &NoOutlines).expect("everyone");
    let party = Key::Field(electorate.column("party").expect("a column"));
    let age = electorate.column("age").expect("a column");
    let bands = Key::Bands { column: age, bands: vec![(19, "18-39".into()), (41, "40 and over".into())] };
    let county = Key::District(Kind::County);
    for by in [vec![], vec![county.clone()], vec![party.clone()], vec![county, party, bands]] {
        /// Voters, households, doors, and the sum and number of the known ages.
        type Counted = (u64, BTreeSet<String>, BTreeSet<String>, f64, u64);
        let mut expected: BTreeMap<String, Counted> = BTreeMap::new();
        for voter in &voters {
            let value = |key: &Key| match key {
                Key::District(_) => json!(voter.county),
                Key::Field(_) => json!(voter.party),
                _ => {
                    voter.age.map_or(Value::Null, |age| json!(if age < 40 { "18-39" } else { "40 and over" }))
                }
            };
            let group = expected.entry(Value::from_iter(by.iter().map(value)).to_string()).or_default();
            group.0 += 1;
            if let Some(door) = &voter.door {
                group.1.insert(format!("{door}/{}", voter.unit));
                group.2.insert(door.clone());
            }
            if let Some(age) = voter.age {
                (group.3, group.4) = (group.3 + age as f64, group.4 + 1);
            }
        }
        // Telephone numbers are counted voter by voter only: asking for them takes the other way.
        for phones in [false, true] {
            let measures =
                Measures { households: true, doors: true, phones, columns: vec![age], ..Measures::default() };
            let grouping = Grouping { by: by.clone(), measures };
            let cells = electorate.group(&everyone, &grouping).cells;
            assert_eq!(cells.len(), expected.len());
            for cell in cells {
                let labels: Value =
                    by.iter().zip(&cell.codes).map(|(key, code)| electorate.label(key, *code)).collect();
                let labels = labels.to_string();
                let group = &expected[&labels];
                let counts = (cell.voters, cell.households, cell.doors);
                assert_eq!(
                    counts,
                    (group.0, group.1.len() as u64, group.2.len() as u64),
                    "{labels:?} phones {phones}"
                );
                assert_eq!((cell.sums[0].sum, cell.sums[0].count), (group.3, group.4), "{labels:?}");
            }
        }
    }
    let counts = electorate.count(&everyone);
    let distinct = |of: &dyn Fn(&Voter) -> Option<String>| {
        voters.iter().filter_map(of).collect::<BTreeSet<_>>().len() as u64
    };
    assert_eq!(counts.doors, distinct(&|voter| voter.door.clone()));
    assert_eq!(
        counts.households,
        distinct(&|voter| Some(format!("{}/{}", voter.door.as_ref()?, voter.unit)))
    );
    assert_eq!(counts.phones, distinct(&|voter| voter.phone.clone()));
}
