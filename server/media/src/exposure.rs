//! How often the people of a universe see the spots of a plan.

use rayon::prelude::*;

use crate::audience::Audience;
use crate::offers::Offer;

/// Exposures are told apart up to so many.
pub const MOST: usize = 20;

/// What a plan does to a universe, or a part of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exposure {
    pub universe: f64,
    /// People who see a spot at least.
    pub reached: f64,
    /// Exposures of all people together.
    pub impressions: f64,
    /// People by how often they see a spot: never, once, and so on; the last sees [`MOST`] or more.
    pub frequency: Vec<f64>,
}

impl Exposure {
    /// Gross rating points: exposures of a hundred people.
    pub fn rating_points(&self) -> f64 {
        if self.universe > 0.0 { self.impressions / self.universe * 100.0 } else { 0.0 }
    }

    /// Exposures of those who are reached, on the average.
    pub fn mean_frequency(&self) -> f64 {
        if self.reached > 0.0 { self.impressions / self.reached } else { 0.0 }
    }
}

/// Exposure by market, from the units that are bought of every offer: each person for himself or herself, each spot seen or
/// not by its chance. Time grows with people and the spots that they may see.
pub fn exposure(audience: &Audience, offers: &[Offer], units: &[u32], markets: usize) -> Vec<Exposure> {
    let mut bought: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
    for (offer, units) in offers.iter().zip(units).filter(|(_, units)| **units > 0) {
        *bought.entry(offer.programme).or_default() += units;
    }
    let mut seen: Vec<Vec<(f64, u32)>> = vec![Vec::new(); audience.weights.len()];
    for (programme, units) in &bought {
        for (person, chance) in audience.of(*programme) {
            seen[*person as usize].push((f64::from(*chance), *units));
        }
    }
    let of_person: Vec<[f64; MOST + 1]> = seen
        .par_iter()
        .map(|spots| {
            // The distribution of how many of some spots are seen, spot by spot.
            let mut often = [0.0; MOST + 1];
            often[0] = 1.0;
            for (chance, units) in spots {
                for _ in 0..*units {
                    often[MOST] += often[MOST - 1] * chance;
                    for times in (1..MOST).rev() {
                        often[times] += (often[times - 1] - often[times]) * chance;
                    }
                    often[0] *= 1.0 - chance;
                }
            }
            often
        })
        .collect();
    let empty = Exposure { frequency: vec![0.0; MOST + 1], ..Exposure::default() };
    let mut made = vec![empty; markets];
    for (person, (weight, market)) in audience.weights.iter().zip(audience.markets.iter()).enumerate() {
        let of = &mut made[*market as usize];
        of.universe += weight;
        of.reached += weight * (1.0 - of_person[person][0]);
        let expected: f64 = seen[person].iter().map(|(chance, units)| chance * f64::from(*units)).sum();
        of.impressions += weight * expected;
        of.frequency.iter_mut().zip(of_person[person]).for_each(|(sum, share)| *sum += weight * share);
    }
    made
}

/// Everything together.
pub fn together(parts: &[Exposure]) -> Exposure {
    let mut whole = Exposure { frequency: vec![0.0; MOST + 1], ..Exposure::default() };
    for part in parts {
        whole.universe += part.universe;
        whole.reached += part.reached;
        whole.impressions += part.impressions;
        whole.frequency.iter_mut().zip(&part.frequency).for_each(|(sum, share)| *sum += share);
    }
    whole
}
