//! A synthetic electorate of one state, from a folder of its published data.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bellwether_schema::layout::Layout;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::names::Names;
use crate::outreach::Outreach;
use crate::people::{self, ELECTIONS, Remainders};
use crate::sources::{self, Precinct};
use crate::television::{Television, TelevisionFiles};
use crate::truth::Truth;
use crate::turnout::{self, Standing};
use crate::voter_files::{Voter, VoterFiles};
use crate::{Error, places, write_failed};

/// The files of a generated electorate.
#[derive(Debug, Clone)]
pub struct Electorate {
    pub voters: PathBuf,
    pub history: PathBuf,
    /// OpenAddresses CSV: real voter files hold no coordinates.
    pub addresses: PathBuf,
    /// Scores of two models, invented.
    pub scores: PathBuf,
    /// Contacts of a campaign, invented.
    pub contacts: PathBuf,
    /// By voter: the chances of taking part and of support that were drawn from.
    pub truth: PathBuf,
    /// Television, where the folder says which county is in which market.
    pub television: Option<TelevisionFiles>,
    /// By county: the shares that parties and turnout were drawn from.
    pub drawn_from: PathBuf,
    pub people: usize,
}

/// Draws `count` voters from the data below `from` and writes their files to `to`. `tell` hears of every thousand.
pub fn electorate(
    from: &Path,
    layout: &'static Layout,
    count: usize,
    seed: u64,
    to: &Path,
    tell: &mut dyn FnMut(usize),
) -> Result<Electorate, Error> {
    std::fs::create_dir_all(to).map_err(write_failed(to))?;
    let precincts = sources::read(from, layout)?;
    let names = Names::read(from);
    let adults: f64 = precincts.iter().map(Precinct::adults).sum();
    let last = |precinct: &Precinct| precinct.votes.values().next_back().copied().unwrap_or_default();
    let two_party: f64 =
        precincts.iter().map(|precinct| last(precinct).democratic + last(precinct).republican).sum();
    if adults == 0.0 || two_party == 0.0 {
        return Err(Error::Unfit("the precincts have no adults or no votes to draw people from".into()));
    }
    let great = people::GREAT_PARTIES * adults / two_party;
    let state = layout.state.to_lowercase();
    let path = |name: &str| to.join(format!("{name}_{state}.csv"));
    let television = TelevisionFiles {
        panel: path("tv_panel"),
        viewing: path("tv_viewing"),
        ratings: path("tv_ratings"),
        inventory: path("tv_inventory"),
        airings: path("tv_airings"),
    };
    let counties = sources::crosswalk(from);
    let mut television = Television::create(television, counties.as_deref(), &layout.state, count, seed)?;
    let mut paths = Electorate {
        television: None,
        voters: path("voters"),
        history: path("history"),
        addresses: path("addresses"),
        scores: path("scores"),
        contacts: path("contacts"),
        truth: path("truth"),
        drawn_from: path("drawn_from"),
        people: count,
    };
    let mut files = VoterFiles::create(layout, &paths)?;
    let mut outreach = Outreach::create(&paths.scores, &paths.contacts)?;
    // A stream of its own: what a campaign knows changes nobody.
    let mut chance = ChaCha8Rng::seed_from_u64(seed ^ 0x6F75_7472_6561_6368);
    let mut truth = Truth::create(&paths.truth)?;
    let mut remainders: BTreeMap<&str, (Remainders, Standing)> = BTreeMap::new();
    let mut owed = 0.0;
    let mut made = 0;
    for (index, precinct) in precincts.iter().enumerate() {
        // Each precinct has a stream of its own, so that one more voter elsewhere changes nothing here.
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        owed += count as f64 * precinct.adults() / adults;
        let last = index + 1 == precincts.len();
        let here =
            if last { count - made } else { (owed.round() as usize).saturating_sub(made).min(count - made) };
        let (remainders, standing) = remainders.entry(precinct.county.as_str()).or_default();
        let mut households = people::draw(precinct, here, great, &names, remainders, &mut rng);
        turnout::draw(&mut households, &turnout::turnout(precinct), standing, &mut rng);
        let everybody = households.iter_mut().flat_map(|household| &mut household.people);
        everybody.for_each(|person| person.supports = turnout::support(person, precinct));
        let houses = places::houses(&precinct.outline, households.len(), index as u32 % 9 + 1, &mut rng);
        let zip = format!("{:05}", 10_000 + index as u32 / 9);
        for (household, house) in households.iter().zip(&houses) {
            files.address(house, precinct, &zip)?;
            if let Some(television) = &mut television {
                television.household(&precinct.county, household, 9_000_000_000 + made as u64)?;
            }
            for person in &household.people {
                let voter = Voter { person, house, precinct, zip: &zip, number: 9_000_000_000 + made as u64 };
                files.voter(&voter, rng.random::<f64>())?;
                outreach.voter(voter.number, person, &mut chance)?;
                truth.voter(voter.number, person)?;
                made += 1;
                if made.is_multiple_of(1000) {
                    tell(made);
                }
            }
        }
    }
    files.finish()?;
    outreach.finish()?;
    truth.finish()?;
    paths.television = television.map(Television::finish).transpose()?;
    write_drawn_from(&paths.drawn_from, &precincts, great)?;
    Ok(paths)
}

/// Writes, for every county, the shares that its people were drawn from.
fn write_drawn_from(path: &Path, precincts: &[Precinct], great: f64) -> Result<(), Error> {
    let mut counties: BTreeMap<&str, (f64, [f64; 7], [f64; 5])> = BTreeMap::new();
    for precinct in precincts {
        let (adults, parties, turnout) = counties.entry(&precinct.county).or_default();
        let here = precinct.adults();
        *adults += here;
        parties
            .iter_mut()
            .zip(people::party_shares(precinct, great))
            .for_each(|(sum, share)| *sum += share * here);
        turnout.iter_mut().zip(turnout::turnout(precinct)).for_each(|(sum, share)| *sum += share * here);
    }
    let mut file = BufWriter::new(File::create(path).map_err(write_failed(path))?);
    let mut write = || -> std::io::Result<()> {
        write!(file, "county_fips,DEM,REP,UNA")?;
        for (year, month, day, _) in ELECTIONS {
            write!(file, ",{year}-{month:02}-{day:02}")?;
        }
        writeln!(file)?;
        for (county, (adults, parties, turnout)) in &counties {
            write!(file, "{county}")?;
            for value in parties[..3].iter().chain(turnout) {
                write!(file, ",{:.6}", value / adults.max(1.0))?;
            }
            writeln!(file)?;
        }
        file.flush()
    };
    write().map_err(write_failed(path))
}
