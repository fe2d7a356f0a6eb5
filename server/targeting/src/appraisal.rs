//! How good chances are, whoever made them: the part of a card that needs promises and outcomes alone.

use crate::card::{Card, Figures, GroupEvidence, Kind};
use crate::evidence::pick;
use crate::measures::{Told, auc, brier, calibration, calibration_line, gains, log_loss};

/// Fewest people of a group that the card tells of.
const LEAST_GROUP: usize = 100;
/// Points of the curves.
const POINTS: usize = 20;

pub(crate) fn figures(told: Told) -> Figures {
    Figures { auc: auc(told), log_loss: log_loss(told), brier: brier(told) }
}

/// Fills in figures, calibration and gains, of all and of every group: what they have in common, and the group of each
/// of the people.
pub(crate) fn tell(card: &mut Card, told: Told, groups: &[(String, Vec<String>)]) {
    let line = calibration_line(told);
    card.figures = figures(told);
    (card.slope, card.intercept) = (line.map(|line| line.0), line.map(|line| line.1));
    card.curve = calibration(told, POINTS);
    card.gains = gains(told, POINTS);
    card.groups = groups_of(told, groups);
}

/// The card of chances that were made elsewhere, by what came true of some of the people.
pub fn of_chances(name: &str, question: String, told: Told) -> Card {
    let mut card = Card {
        people: told.outcomes.len() as u64,
        with_outcome: told.outcomes.iter().filter(|outcome| **outcome > 0.5).count() as u64,
        ..Card::new(name.to_string(), Kind::Imported, question)
    };
    tell(&mut card, told, &[]);
    card
}

fn groups_of(all_told: Told, by_groups: &[(String, Vec<String>)]) -> Vec<GroupEvidence> {
    let mut all = Vec::new();
    for (by, groups) in by_groups {
        let mut members: std::collections::BTreeMap<&str, Vec<u32>> = Default::default();
        for (row, group) in groups.iter().enumerate() {
            members.entry(group).or_default().push(row as u32);
        }
        for (group, rows) in members.into_iter().filter(|(_, rows)| rows.len() >= LEAST_GROUP) {
            let (outcomes, chances) = (pick(all_told.outcomes, &rows), pick(all_told.chances, &rows));
            let weights = all_told.weights.map(|weights| pick(weights, &rows));
            let told = Told { outcomes: &outcomes, chances: &chances, weights: weights.as_deref() };
            let line = calibration_line(told);
            let whole = calibration(told, 1)[0];
            all.push(GroupEvidence {
                by: by.clone(),
                group: group.to_string(),
                people: rows.len() as u64,
                promised: whole.promised,
                came_true: whole.came_true,
                slope: line.map(|line| line.0),
                intercept: line.map(|line| line.1),
            });
        }
    }
    all
}
