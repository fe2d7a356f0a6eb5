//! Limits that cannot hold together, and which of them are in each other's way.
//!
//! The least amounts of markets are money that flows from markets over their stations to dayparts, through what the limits let
//! through. Where not all of it arrives, the narrowest cut names the limits that it is held up by (Ford and Fulkerson, 1956).
//! Money may be parted and spots may not, so what does not flow cannot be bought, and what flows may still not add up in spots.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::dinics;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::offers::{Limit, Limits, Offer};

/// Limits that cannot hold together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Clash {
    #[error(
        "the least amounts of the markets, or what is bought there, are {least:.2} together, and the budget is {budget:.2}"
    )]
    LeastAboveBudget { least: f64, budget: f64 },
    #[error("at least {least:.2} is to be spent in market {market}, and at most {most:.2}")]
    LeastAboveMost { market: u32, least: f64, most: f64 },
    /// `limits` are those that hold the money up; none where there are no more spots.
    #[error(
        "at least {least:.2} is to be spent in markets {markets:?}, and what may be bought there costs {reached:.2}"
    )]
    LeastOutOfReach { markets: Vec<u32>, least: f64, reached: f64, limits: Vec<Limit> },
    #[error(
        "at least {least:.2} is to be spent in market {market}: no spots were found that add up to it, the nearest to {reached:.2}"
    )]
    LeastBetweenSpots { market: u32, least: f64, reached: f64 },
    #[error("what is bought already takes {bought:.2} of {limit:?}, which has {most:.2}")]
    BoughtAbove { limit: Limit, bought: f64, most: f64 },
    #[error("more spots of an offer are bought already than it has: {bought} of {units}")]
    BoughtAboveUnits { bought: u32, units: u32 },
}

/// What is lost in adding up.
const CRUMB: f64 = 1e-6;

/// All clashes that can be told before anything is bought. Time grows with the offers, and where least amounts are asked for
/// with stations times dayparts.
pub fn clashes(offers: &[Offer], limits: &Limits) -> Vec<Clash> {
    let mut clashes = Vec::new();
    let bought = Bought::new(offers, limits);
    let needed = limits.market_least.iter().zip(&bought.by_market);
    let needed: f64 = needed.map(|(least, bought)| least.max(*bought)).sum();
    if limits.has_least() && needed > limits.budget + CRUMB && bought.all <= limits.budget + CRUMB {
        clashes.push(Clash::LeastAboveBudget { least: needed, budget: limits.budget });
    }
    for (market, (least, most)) in limits.market_least.iter().zip(&limits.market_most).enumerate() {
        if least > most {
            clashes.push(Clash::LeastAboveMost { market: market as u32, least: *least, most: *most });
        }
    }
    clashes.extend(bought.above(limits));
    let above = offers.iter().filter(|offer| offer.bought > offer.units);
    clashes.extend(above.map(|offer| Clash::BoughtAboveUnits { bought: offer.bought, units: offer.units }));
    if clashes.is_empty() {
        clashes.extend(flow(offers, limits).err());
    }
    clashes
}

/// Where least amounts may be spent: dollars by station and daypart, beside what is bought already.
pub type Guide = BTreeMap<(u32, u32), f64>;

/// Money of what is bought already.
struct Bought {
    all: f64,
    by_market: Vec<f64>,
    by_station: Vec<f64>,
    by_daypart: Vec<f64>,
    /// Exposures by market and week on the average of the universe, where they are limited.
    often: BTreeMap<(u32, u32), f64>,
}

impl Bought {
    fn new(offers: &[Offer], limits: &Limits) -> Bought {
        let mut made = Bought {
            all: 0.0,
            by_market: vec![0.0; limits.market_most.len()],
            by_station: vec![0.0; limits.station_most.len()],
            by_daypart: vec![0.0; limits.daypart_most.len()],
            often: BTreeMap::new(),
        };
        for offer in offers.iter().filter(|offer| offer.bought > 0) {
            made.all += offer.paid();
            made.by_market[offer.market as usize] += offer.paid();
            made.by_station[offer.station as usize] += offer.paid();
            made.by_daypart[offer.daypart as usize] += offer.paid();
            if let Some(frequency) = &limits.frequency {
                let often = f64::from(offer.bought) * frequency.of_spot[offer.programme as usize];
                *made.often.entry((offer.market, offer.week)).or_default() += often;
            }
        }
        made
    }

    /// Limits that are passed already.
    fn above(&self, limits: &Limits) -> Vec<Clash> {
        fn each<'a>(
            of: fn(u32) -> Limit,
            bought: &'a [f64],
            most: &'a [f64],
        ) -> impl Iterator<Item = (Limit, f64, f64)> + 'a {
            bought
                .iter()
                .zip(most)
                .enumerate()
                .map(move |(at, (bought, most))| (of(at as u32), *bought, *most))
        }
        let often = limits.frequency.as_ref().map_or(f64::INFINITY, |frequency| frequency.most);
        let often =
            self.often.iter().map(|((market, week), seen)| (Limit::Frequency(*market, *week), *seen, often));
        std::iter::once((Limit::Budget, self.all, limits.budget))
            .chain(each(Limit::MarketMost, &self.by_market, &limits.market_most))
            .chain(each(Limit::Station, &self.by_station, &limits.station_most))
            .chain(each(Limit::Daypart, &self.by_daypart, &limits.daypart_most))
            .chain(often)
            .filter(|(_, bought, most)| *bought > most + CRUMB)
            .map(|(limit, bought, most)| Clash::BoughtAbove { limit, bought, most })
            .collect()
    }
}

/// Hundredths of a cent, as flows have no fractions, rounded up: nothing is held up that would get through. What has no limit
/// lets far more through than there is.
fn parts(dollars: f64) -> u64 {
    (dollars.clamp(0.0, 1e12) * 1e4).ceil() as u64
}

/// What is wanted, rounded down.
fn wanted_parts(dollars: f64) -> u64 {
    (dollars.clamp(0.0, 1e12) * 1e4).floor() as u64
}

/// Where the money comes from and goes to, and whom each limit holds up.
struct Flow {
    graph: DiGraph<(), u64>,
    /// Of an edge, by its place.
    held_by: Vec<Option<Limit>>,
}

impl Flow {
    fn edge(&mut self, from: NodeIndex, to: NodeIndex, parts: u64, limit: Option<Limit>) {
        self.graph.add_edge(from, to, parts);
        self.held_by.push(limit);
    }
}

/// How the least amounts get through the other limits, or those that do not.
pub fn flow(offers: &[Offer], limits: &Limits) -> Result<Guide, Clash> {
    if !limits.has_least() {
        return Ok(Guide::new());
    }
    let bought = Bought::new(offers, limits);
    let wanted =
        |market: u32| (limits.market_least[market as usize] - bought.by_market[market as usize]).max(0.0);
    let station_left = |at: u32| (limits.station_most[at as usize] - bought.by_station[at as usize]).max(0.0);
    let daypart_left = |at: u32| (limits.daypart_most[at as usize] - bought.by_daypart[at as usize]).max(0.0);
    let mut flow = Flow { graph: DiGraph::new(), held_by: Vec::new() };
    let (source, sink) = (flow.graph.add_node(()), flow.graph.add_node(()));
    // Spots that fit their limits at all: money by station and daypart, by market and station, and by market and week. A limit
    // below the price of a spot is in its way.
    let mut too_dear: BTreeMap<u32, BTreeSet<Limit>> = BTreeMap::new();
    let mut fits = |offer: &&Offer| {
        if wanted(offer.market) <= 0.0 || offer.units <= offer.bought {
            return false;
        }
        let of = [
            (station_left(offer.station), Limit::Station(offer.station)),
            (daypart_left(offer.daypart), Limit::Daypart(offer.daypart)),
        ];
        let barred = of.into_iter().filter(|(left, _)| offer.price > left + CRUMB).map(|(_, limit)| limit);
        let barred: Vec<Limit> = barred.collect();
        too_dear.entry(offer.market).or_default().extend(&barred);
        barred.is_empty()
    };
    let left = |offer: &Offer| offer.price * f64::from(offer.units - offer.bought);
    let mut of_station: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    let mut of_market: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    let mut of_week: BTreeMap<(u32, u32), BTreeMap<u32, Vec<&Offer>>> = BTreeMap::new();
    for offer in offers.iter().filter(|offer| fits(offer)) {
        *of_station.entry((offer.station, offer.daypart)).or_default() += left(offer);
        *of_market.entry((offer.market, offer.station)).or_default() += left(offer);
        let week = of_week.entry((offer.market, offer.week)).or_default();
        week.entry(offer.station).or_default().push(offer);
    }
    let markets: Vec<u32> = (0..limits.market_least.len() as u32).filter(|at| wanted(*at) > 0.0).collect();
    let market_nodes: BTreeMap<u32, NodeIndex> =
        markets.iter().map(|market| (*market, flow.graph.add_node(()))).collect();
    for (market, node) in &market_nodes {
        flow.edge(source, *node, wanted_parts(wanted(*market)), None);
    }
    let mut of_edge: Vec<((u32, u32), usize)> = Vec::new();
    // A station lets its own money in, and what is on offer in each daypart out.
    let mut stations: BTreeMap<u32, (NodeIndex, NodeIndex)> = BTreeMap::new();
    let mut dayparts: BTreeMap<u32, NodeIndex> = BTreeMap::new();
    for ((station, daypart), on_offer) in &of_station {
        let graph = &mut flow.graph;
        let to = *dayparts.entry(*daypart).or_insert_with(|| graph.add_node(()));
        let known = stations.contains_key(station);
        let nodes = *stations.entry(*station).or_insert_with(|| (graph.add_node(()), graph.add_node(())));
        if !known {
            flow.edge(nodes.0, nodes.1, parts(station_left(*station)), Some(Limit::Station(*station)));
        }
        of_edge.push(((*station, *daypart), flow.held_by.len()));
        flow.edge(nodes.1, to, parts(*on_offer), None);
    }
    if limits.frequency.is_none() {
        for ((market, station), on_offer) in &of_market {
            flow.edge(market_nodes[market], stations[station].0, parts(*on_offer), None);
        }
    } else {
        for ((market, week), of_station) in &of_week {
            let node = flow.graph.add_node(());
            let seen = bought.often.get(&(*market, *week)).copied().unwrap_or(0.0);
            let most = most_money(of_station.values().flatten().copied(), seen, limits);
            flow.edge(market_nodes[market], node, parts(most), Some(Limit::Frequency(*market, *week)));
            for (station, offers) in of_station {
                let on_offer: f64 = offers.iter().map(|offer| left(offer)).sum();
                flow.edge(node, stations[station].0, parts(on_offer), None);
            }
        }
    }
    for (daypart, node) in &dayparts {
        flow.edge(*node, sink, parts(daypart_left(*daypart)), Some(Limit::Daypart(*daypart)));
    }
    let (most, amounts) = dinics(&flow.graph, source, sink);
    let all: u64 = markets.iter().map(|market| wanted_parts(wanted(*market))).sum();
    if most >= all {
        return Ok(of_edge.into_iter().map(|(at, edge)| (at, amounts[edge] as f64 / 1e4)).collect());
    }
    // From where more could still go, to where it cannot: the narrowest cut.
    let mut reached: BTreeSet<NodeIndex> = BTreeSet::from([source]);
    let mut open = vec![source];
    while let Some(node) = open.pop() {
        let on = flow.graph.edges(node).filter(|edge| amounts[edge.id().index()] < *edge.weight());
        let back = flow.graph.edges_directed(node, petgraph::Direction::Incoming);
        let back = back.filter(|edge| amounts[edge.id().index()] > 0);
        let next = on.map(|edge| edge.target()).chain(back.map(|edge| edge.source()));
        open.extend(next.filter(|node| reached.insert(*node)).collect::<Vec<_>>());
    }
    let held: Vec<u32> =
        markets.iter().copied().filter(|market| reached.contains(&market_nodes[market])).collect();
    let cut = flow
        .graph
        .edge_references()
        .filter(|edge| reached.contains(&edge.source()) && !reached.contains(&edge.target()));
    let mut in_the_way: BTreeSet<Limit> = cut.filter_map(|edge| flow.held_by[edge.id().index()]).collect();
    in_the_way.extend(held.iter().filter_map(|market| too_dear.get(market)).flatten());
    let spent = |market: &u32| bought.by_market[*market as usize];
    let arrived: f64 = flow
        .graph
        .edges(source)
        .filter(|edge| reached.contains(&edge.target()))
        .map(|edge| amounts[edge.id().index()] as f64 / 1e4)
        .sum();
    Err(Clash::LeastOutOfReach {
        least: held.iter().map(|market| limits.market_least[*market as usize]).sum(),
        reached: arrived + held.iter().map(spent).sum::<f64>(),
        markets: held,
        limits: in_the_way.into_iter().collect(),
    })
}

/// The most money that a market's exposures of a week leave room for, if spots could be parted: dear exposures first.
fn most_money<'a>(of_week: impl Iterator<Item = &'a Offer>, seen: f64, limits: &Limits) -> f64 {
    let Some(frequency) = &limits.frequency else { return f64::INFINITY };
    let of_spot = |offer: &Offer| frequency.of_spot[offer.programme as usize];
    let mut room = (frequency.most - seen).max(0.0);
    let mut list: Vec<&Offer> = of_week.filter(|offer| of_spot(offer) <= frequency.most + 1e-9).collect();
    let dear = |offer: &Offer| offer.price / of_spot(offer).max(1e-12);
    list.sort_by(|one, other| dear(other).total_cmp(&dear(one)));
    let mut money = 0.0;
    for offer in list {
        let units = f64::from(offer.units - offer.bought);
        let taken = match of_spot(offer) > 0.0 {
            true => (room / of_spot(offer)).clamp(0.0, units),
            false => units,
        };
        money += taken * offer.price;
        room -= taken * of_spot(offer);
    }
    money
}
