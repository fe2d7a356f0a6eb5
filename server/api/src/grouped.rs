//! The rows of a grouping, as its caller may see them.

use std::collections::HashMap;

use axum::http::StatusCode;
use bellwether_electorate::{Cell, Electorate, Filter};
use serde_json::Value;

use crate::disclosure::{Disclosure, complementary};
use crate::error::ApiError;
use crate::grouping::Plan;
use crate::serving::Serving;

/// Groups that one answer may have.
const MOST_GROUPS: usize = 1_000_000;

/// A row a group: the values of its keys, then the measures, in the order of the keys.
pub fn rows(
    plan: &Plan,
    serving: &Serving,
    electorate: &Electorate,
    filter: &Filter,
    rule: Option<&Disclosure>,
) -> Result<Vec<Vec<Value>>, ApiError> {
    let too_many = |detail: String| Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
    let mut grouping = plan.grouping.clone();
    if let Some(rule) = rule {
        grouping.measures.fingerprint = Some(rule.secret);
    }
    if !electorate.can_group(&grouping) {
        return too_many("these keys have too many combinations: group by fewer or coarser ones".into());
    }
    let groups = electorate.group(filter, &grouping);
    if groups.cells.len() > MOST_GROUPS {
        return too_many(format!("{} groups are more than {MOST_GROUPS}: group by less", groups.cells.len()));
    }
    let votes = plan.votes(serving)?;
    let mut rows: Vec<Vec<Value>> = Vec::with_capacity(groups.cells.len());
    let hidden = rule.map(|rule| hidden(&groups.cells, rule));
    // What all who match are shown as, for shares.
    let who = groups.cells.iter().fold(0u64, |sum, cell| sum.wrapping_add(cell.fingerprint));
    let all = rule.map_or(Some(groups.voters), |rule| rule.count(groups.voters, who));
    for (at, cell) in groups.cells.iter().enumerate() {
        // A hidden group is left out whole: its very values may tell of one person.
        if hidden.as_ref().is_some_and(|hidden| hidden[at]) {
            continue;
        }
        let mut row = Vec::with_capacity(plan.names.len() + plan.columns.len());
        row.extend(grouping.by.iter().zip(&cell.codes).map(|(key, code)| electorate.label(key, *code)));
        plan.measure(&mut row, cell, all, rule, electorate);
        plan.add_votes(&mut row, &votes);
        rows.push(row);
    }
    sort(&mut rows, plan.names.len());
    Ok(rows)
}

/// Which cells a caller without a right to persons must not see: the small ones, and in every line of the table along
/// one of its keys the smallest of the others where just one is small.
fn hidden(cells: &[Cell], rule: &Disclosure) -> Vec<bool> {
    let mut hidden: Vec<bool> = cells.iter().map(|cell| cell.voters < rule.size).collect();
    let keys = cells.first().map_or(0, |cell| cell.codes.len());
    for key in 0..keys {
        let mut lines: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
        for (at, cell) in cells.iter().enumerate() {
            let mut line = cell.codes.clone();
            line.remove(key);
            lines.entry(line).or_default().push(at);
        }
        for line in lines.into_values() {
            // What is hidden already counts as small.
            let counts: Vec<u64> =
                line.iter().map(|at| if hidden[*at] { 0 } else { cells[*at].voters }).collect();
            for (at, out) in line.iter().zip(complementary(&counts, rule.size)) {
                hidden[*at] |= out;
            }
        }
    }
    hidden
}

/// By the groups' values, which come first in each row: numbers by size, texts by letters, null last.
fn sort(rows: &mut [Vec<Value>], keys: usize) {
    let rank = |value: &Value| match value {
        Value::Number(number) => (0, number.as_f64().unwrap_or(0.0)),
        Value::Null => (2, 0.0),
        _ => (1, 0.0),
    };
    let order = |a: &Value, b: &Value| match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal),
    };
    rows.sort_by(|one, other| {
        let pairs = one.iter().zip(other).take(keys);
        pairs.map(|(a, b)| order(a, b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
}
