//! Drawing people: households of a precinct, their parties, and who voted when.
//!
//! Shares are kept by error diffusion rather than by independent draws: a running remainder decides who takes the
//! next place, so a county of sixty voters has its parties and turnout as right as one of sixty thousand.

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
    elections: [f64; 5],
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
    let turnout = turnout(precinct);
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
            person(Draft { age, female, last }, &shares, &turnout, names, remainders, rng)
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
    turnout: &[f64; 5],
    names: &Names,
    remainders: &mut Remainders,
    rng: &mut ChaCha8Rng,
) -> Person {
    let Draft { age, female, last } = draft;
    // Where nearly every adult voted in the first election, few can have been too young for it.
    let young = ELECTIONS[0].0 - ROLL_YEAR + age < 18;
    let age = if young && remainders.elections[0] + turnout[0] > 1.0 { age + 6 } else { age };
    let party = match diffuse(&mut remainders.parties, shares, 1.0) {
        0 => "DEM",
        1 => "REP",
        2 => "UNA",
        minor => MINOR[minor - 3].0,
    };
    let mut voted = Vec::new();
    for (index, (year, _, _, general)) in ELECTIONS.iter().enumerate() {
        // Remainders also carry what the too young could not use; primaries are for those with a party.
        remainders.elections[index] += turnout[index];
        let able =
            age - (ROLL_YEAR - year) >= 18 && (*general || party != "UNA" || rng.random::<f64>() < 0.5);
        if able && remainders.elections[index] >= rng.random_range(0.25..0.75) {
            remainders.elections[index] -= 1.0;
            voted.push(index);
        }
    }
    let first_vote =
        voted.first().map(|index| day(ELECTIONS[*index].0, ELECTIONS[*index].1, ELECTIONS[*index].2));
    let latest = first_vote.unwrap_or(day(2020, 12, 31)) - 30;
    let grown = day(ROLL_YEAR - age + 18, 1, 1).max(day(1960, 1, 1));
    let back = (-(1.0 - rng.random::<f64>()).ln() * 3000.0) as i32;
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
        registered: (latest - back).clamp(grown.min(latest), latest),
        voted,
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

/// Share of adults who vote in each election: votes of the precinct per adult; primaries at two fifths of the
/// general election of their year.
pub fn turnout(precinct: &Precinct) -> [f64; 5] {
    ELECTIONS.map(|(year, _, _, general)| {
        let votes = precinct.votes.get(&year).map_or(0.0, |votes| votes.all);
        let share = (votes / precinct.adults().max(1.0)).min(1.0);
        if general { share } else { share * 0.4 }
    })
}

/// Days since 1970-01-01.
pub fn day(year: i32, month: u32, day: u32) -> i32 {
    bellwether_loaders::convert::days_from_civil(year, month, day).unwrap_or(0)
}
