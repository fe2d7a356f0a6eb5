//! Universes over panels, ratings with their errors, rated programmes, and money over responses.

use std::collections::HashMap;

use super::Dice;
use crate::allocation::{Response, Row, linear, whole};
use crate::audience::{Audience, Cell, POOLED, Person, spread};
use crate::rated::{FIFTHS, viewers};

#[test]
fn a_universe_is_spread_over_a_panel_by_its_cells() {
    let mut dice = Dice::new(9);
    let person = |dice: &mut Dice| Person {
        market: dice.below(2),
        age: dice.below(3) as u8,
        gender: dice.below(2) as u8,
        party: dice.below(3) as u8,
        score: 0,
        weight: 0.5 + dice.share(),
        household: dice.below(1_000),
    };
    let people: Vec<Person> = (0..1_200).map(|_| person(&mut dice)).collect();
    let cell = |market, age, gender, party| Cell { market, age, gender, party, score: 0 };
    // A party of which nobody was watched, and a market of which nobody was.
    let universe: HashMap<Cell, f64> = [
        (cell(0, 1, 0, 2), 1_000.0),
        (cell(0, 1, 0, 9), 500.0),
        (cell(1, 2, 1, 0), 800.0),
        (cell(7, 0, 0, 0), 60.0),
    ]
    .into();
    let spread = spread(&people, &universe);
    let of = |wanted: &dyn Fn(&Person) -> bool| -> f64 {
        people
            .iter()
            .zip(&spread.weights)
            .filter(|(person, _)| wanted(person))
            .map(|(_, weight)| weight)
            .sum()
    };
    // Every market has its voters, whoever speaks for them.
    assert!((of(&|person| person.market == 0) - 1_500.0).abs() < 1e-6);
    assert!((of(&|person| person.market == 1) - 800.0).abs() < 1e-6);
    assert!((spread.spoken.iter().sum::<f64>() - 2_300.0).abs() < 1e-6);
    assert_eq!(spread.unseen, 60.0);
    // Who is watched of a cell speaks for n / (n + 10) of it, twice over where no score group is told apart.
    let watched = |p: &&Person| (p.market, p.age, p.gender, p.party) == (0, 1, 0, 2);
    let n = people.iter().filter(watched).count() as f64;
    let own = 1_000.0 * (n / (n + POOLED) + (1.0 - n / (n + POOLED)) * n / (n + POOLED));
    let given = of(&|person| (person.market, person.age, person.gender, person.party) == (0, 1, 0, 2));
    assert!(given >= own && given < 1_500.0, "{given} of {own}");
    // Of the party that nobody of was watched its age and gender and its market speak.
    assert!(spread.spoken[3] > 0.0 && spread.spoken[4] > 250.0);
    // More people speak the more for themselves.
    let many: Vec<Person> = people.iter().cycle().take(people.len() * 20).copied().collect();
    let more = crate::audience::spread(&many, &universe);
    assert!(more.spoken[0] > spread.spoken[0]);
}

#[test]
fn ratings_have_the_error_of_drawing_other_households() {
    let mut dice = Dice::new(11);
    let chances: Vec<f32> = (0..4_000).map(|_| if dice.share() < 0.3 { 0.5 } else { 0.0 }).collect();
    let sample = |dice: &mut Dice| -> (f64, f64) {
        let drawn: Vec<f32> = (0..500).map(|_| chances[dice.below(4_000) as usize]).collect();
        let watching = drawn.iter().enumerate().filter(|(_, chance)| **chance > 0.0);
        let watching = watching.map(|(person, chance)| (0, person as u32, *chance)).collect();
        let audience = Audience::new(vec![3.0; 500], vec![0; 500], 1, watching);
        let all: Vec<u32> = (0..500).collect();
        let rating = audience.rating(0, &all, &all);
        (rating.share, rating.error)
    };
    let samples: Vec<(f64, f64)> = (0..400).map(|_| sample(&mut dice)).collect();
    let mean = samples.iter().map(|(share, _)| share).sum::<f64>() / 400.0;
    let deviation = (samples.iter().map(|(share, _)| (share - mean).powi(2)).sum::<f64>() / 399.0).sqrt();
    let told = samples.iter().map(|(_, error)| error).sum::<f64>() / 400.0;
    assert!((told / deviation - 1.0).abs() < 0.1, "told {told}, is {deviation}");
}

#[test]
fn rated_programmes_have_their_ratings_and_as_many_viewers_as_measured_ones() {
    let mut dice = Dice::new(23);
    let people: Vec<(f64, f64)> = (0..400).map(|at| (0.5 + dice.share(), FIFTHS[at % 5])).collect();
    let whole: f64 = people.iter().map(|(weight, _)| weight).sum();
    for (rating, ratio) in
        [(0.0, 3.0), (0.001, 3.0), (0.02, 1.0), (0.05, 4.0), (0.4, 3.0), (0.9, 2.0), (0.98, 5.0)]
    {
        let seen = viewers(rating, ratio, &people, 5);
        let mean: f64 =
            seen.iter().map(|(at, chance)| people[*at].0 * f64::from(*chance)).sum::<f64>() / whole;
        assert!((mean - rating).abs() < 1e-5, "{rating}: {mean}");
        let ever = seen.iter().map(|(at, _)| people[*at].0).sum::<f64>() / whole;
        let expected = (rating * ratio).clamp(rating / 0.98, 1.0);
        assert!((ever - expected).abs() < 0.02 + 0.1 * expected, "{rating}, {ratio}: {ever} of {expected}");
    }
    // Heavy viewers see more of it, and two programmes are seen by others.
    let (one, other) = (viewers(0.05, 3.0, &people, 5), viewers(0.05, 3.0, &people, 6));
    let heavy = one.iter().filter(|(at, _)| people[*at].1 >= 1.0).count();
    assert!(heavy > one.len() / 2, "{heavy} of {}", one.len());
    let both = one.iter().filter(|(at, _)| other.iter().any(|(of, _)| of == at)).count();
    assert!(both > 0 && both < one.len() / 2, "{both} of {}", one.len());
    // A group of two has its rating too.
    let few = viewers(0.6, 3.0, &people[..2], 9);
    let mean: f64 = few.iter().map(|(at, chance)| people[*at].0 * f64::from(*chance)).sum();
    assert!((mean / (people[0].0 + people[1].0) - 0.6).abs() < 1e-5);
}

#[test]
fn money_over_responses_is_the_linear_optimum() {
    // One bucket of two pieces and one of one kind of row: worked out by hand.
    let rows = [
        Row { impressions: 10.0, cost: 10.0, spots: 10, bucket: 0 },
        Row { impressions: 10.0, cost: 20.0, spots: 10, bucket: 0 },
        Row { impressions: 10.0, cost: 15.0, spots: 4, bucket: 1 },
    ];
    let response = Response { widths: vec![50.0, 1_000.0], slopes: vec![1.0, 0.5] };
    // Fifty impressions at 1 a dollar, then bucket 1 at 2/3, then bucket 0 at half of 1, then at a quarter.
    let made = linear(&rows, &response, 50.0 + 30.0);
    assert!((made.gain - 70.0).abs() < 1e-9 && (made.price - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(made.spots, [5.0, 0.0, 2.0]);
    let (found, above) = whole(&rows, &response, 87.0);
    assert_eq!(found.spots, [5.0, 0.0, 2.0]);
    assert!(found.spent <= 87.0 && found.gain <= above.gain);
    // Beside the best of all whole plans.
    let mut dice = Dice::new(13);
    for _ in 0..20 {
        let rows: Vec<Row> = (0..5)
            .map(|_| Row {
                impressions: 5.0 + 20.0 * dice.share(),
                cost: 5.0 + 10.0 * dice.share(),
                spots: 1 + dice.below(3),
                bucket: dice.below(2),
            })
            .collect();
        let response = Response { widths: vec![15.0, 25.0], slopes: vec![1.0, 0.7, 0.4] };
        let (found, above) = whole(&rows, &response, 60.0);
        assert!(found.gain <= above.gain * (1.0 + 1e-12) && found.spent <= 60.0);
        assert!(found.gain > 0.8 * above.gain);
    }
}
