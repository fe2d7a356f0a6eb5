//! Drawing people: households of a precinct and their parties.
//!
//! Shares are kept by error diffusion rather than by independent draws: a running remainder decides who takes the
//! next place, so a county of sixty voters has its parties as right as one of sixty thousand.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use crate::names::Names;
use crate::sources::Precinct;

/// One registered voter.
pub struct Person {
    pub first: String,
    pub middle: String,
    pub last: String,
    pub suffix: &'static str,
    pub female: bool,
    pub birth_year: i32,
    /// Normalised party code.
    pub party: &'static str,
    /// Days since 1970-01-01.
    pub registered: i32,
    /// Elections voted in, as positions in [`ELECTIONS`].
    pub voted: Vec<usize>,
    /// The chance of taking part in each, that the votes were drawn with.
    pub chances: [f64; ELECTIONS.len()],
    /// The chance of supporting the Democratic ticket.
    pub supports: f64,
}

/// People at one address.
pub struct Household {
    pub people: Vec<Person>,
}

/// Elections that history is written for: year, month, day, whether a general one.
pub const ELECTIONS: [(i32, u32, u32, bool); 5] = [
    (2016, 11, 8, true),
    (2018, 6, 26, false),
    (2018, 11, 6, true),
    (2020, 6, 30, false),
    (2020, 11, 3, true),
];

/// The roll is as of this year: adults of the 2020 census, just after its general election.
pub const ROLL_YEAR: i32 = 2020;

/// Minor parties and their shares, beside the two whose share follows the votes.
const MINOR: [(&str, f64); 4] = [("LIB", 0.011), ("GRE", 0.003), ("CON", 0.003), ("UNI", 0.002)];

/// Remainders of one county.
#[derive(Default)]
pub struct Remainders {
    parties: [f64; 7],
    races: [f64; 8],
}

/// Share of adults registered with one of the two great parties, statewide.
pub const GREAT_PARTIES: f64 = 0.545;

/// Adults by age, years 18 to 95: a smooth pyramid of a state whose adults are 47 on average.
fn draw_age<R: Rng + ?Sized>(rng: &mut R) -> i32 {
    loop {
        let age = 18.0 + rng.random::<f64>() * 77.0;
        let weight = if age < 62.0 { 1.0 } else { (1.0 - (age - 62.0) / 34.0).max(0.02) };
        if rng.random::<f64>() < weight {
            return age as i32;
        }
    }
}

/// Draws `count` people of a precinct, in households.
pub fn draw(
    precinct: &Precinct,
    count: usize,
    great: f64,
    names: &Names,
    remainders: &mut Remainders,
    rng: &mut ChaCha8Rng,
) -> Vec<Household> {
    let shares = party_shares(precinct, great);
    let adults = precinct.adults().max(1.0);
    let mut households = Vec::new();
    let mut left = count;
    while left > 0 {
        let size = match rng.random::<f64>() {
            draw if draw < 0.36 => 1,
            draw if draw < 0.76 => 2,
            draw if draw < 0.91 => 3,
            _ => 4,
        };
        let size = size.min(left);
        left -= size;
        let mut race_shares = [0.0; 8];
        for (share, people) in race_shares.iter_mut().zip(precinct.voting_age) {
            *share = people / adults * size as f64;
        }
        let race = diffuse(&mut remainders.races, &race_shares, size as f64);
        let family = names.family(race, rng).to_string();
        let elder = draw_age(rng);
        let people = (0..size).map(|index| {
            let age = match index {
                0 => elder,
                1 => (elder + rng.random_range(-6..=6)).clamp(18, 98),
                _ if rng.random::<f64>() < 0.4 => rng.random_range(18..=26),
                _ => draw_age(rng),
            };
            let female = if index == 1 { rng.random::<f64>() < 0.5 } else { rng.random::<f64>() < 0.51 };
            let last = match rng.random::<f64>() < 0.12 && index > 0 {
                true => names.family(race, rng).to_string(),
                false => family.clone(),
            };
            person(Draft { age, female, last }, &shares, names, remainders, rng)
        });
        households.push(Household { people: people.collect() });
    }
    households
}

struct Draft {
    age: i32,
    female: bool,
    last: String,
}

fn person(
    draft: Draft,
    shares: &[f64; 7],
    names: &Names,
    remainders: &mut Remainders,
    rng: &mut ChaCha8Rng,
) -> Person {
    let Draft { age, female, last } = draft;
    let party = match diffuse(&mut remainders.parties, shares, 1.0) {
        0 => "DEM",
        1 => "REP",
        2 => "UNA",
        minor => MINOR[minor - 3].0,
    };
    let suffix = match rng.random::<f64>() {
        draw if !female && draw < 0.02 => "Jr",
        draw if !female && draw < 0.025 => "III",
        _ => "",
    };
    Person {
        first: names.first(female, rng).to_string(),
        middle: if rng.random::<f64>() < 0.8 { names.first(female, rng).to_string() } else { String::new() },
        last,
        suffix,
        female,
        birth_year: ROLL_YEAR - age,
        party,
        registered: 0,
        voted: Vec::new(),
        chances: [0.0; ELECTIONS.len()],
        supports: 0.0,
    }
}

/// Adds shares to remainders and gives the place that is owed most, which pays `price`.
fn diffuse<const N: usize>(remainders: &mut [f64; N], shares: &[f64; N], price: f64) -> usize {
    let mut most = 0;
    for index in 0..N {
        remainders[index] += shares[index];
        if remainders[index] > remainders[most] {
            most = index;
        }
    }
    remainders[most] -= price;
    most
}

/// Shares of DEM, REP, UNA and the minor parties. The two great ones are registered in proportion to their votes
/// per adult, so that a county's two-party share of registration is that of its votes.
pub fn party_shares(precinct: &Precinct, great: f64) -> [f64; 7] {
    let votes = precinct.votes.values().next_back().copied().unwrap_or_default();
    let adults = precinct.adults().max(1.0);
    let (mut democratic, mut republican) =
        (great * votes.democratic / adults, great * votes.republican / adults);
    let minor: f64 = MINOR.iter().map(|(_, share)| share).sum();
    let room = 1.0 - minor;
    let both = democratic + republican;
    if both > room {
        (democratic, republican) = (democratic / both * room, republican / both * room);
    }
    let mut shares = [democratic, republican, room - democratic - republican, 0.0, 0.0, 0.0, 0.0];
    for (share, (_, of_minor)) in shares[3..].iter_mut().zip(MINOR) {
        *share = of_minor;
    }
    shares
}

/// Days since 1970-01-01.
pub fn day(year: i32, month: u32, day: u32) -> i32 {
    bellwether_loaders::convert::days_from_civil(year, month, day).unwrap_or(0)
}
