//! Who must not be visited, whatever a list asks for.

use bellwether_schema::ids::CONTACT_RESULTS;

use crate::Electorate;

/// Why somebody is not on a list, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suppressed {
    /// The state masks the record.
    Confidential,
    /// Asked to be left alone.
    DoNotContact,
    /// A canvasser was told so.
    Deceased,
    /// Moved away by a canvasser's report, and not registered again since.
    Moved,
    /// The ballot is back.
    Voted,
    /// Somebody talked to them not long ago.
    Contacted,
}

impl Suppressed {
    pub const ALL: [Suppressed; 6] = [
        Suppressed::Confidential,
        Suppressed::DoNotContact,
        Suppressed::Deceased,
        Suppressed::Moved,
        Suppressed::Voted,
        Suppressed::Contacted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Suppressed::Confidential => "confidential",
            Suppressed::DoNotContact => "do_not_contact",
            Suppressed::Deceased => "deceased",
            Suppressed::Moved => "moved",
            Suppressed::Voted => "voted",
            Suppressed::Contacted => "contacted",
        }
    }
}

/// What is asked of everybody before they are put on a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Elections whose returned ballots take people off.
    pub elections: Vec<String>,
    /// Today, in days since 1970-01-01.
    pub today: i32,
    /// For so many days people are left alone after somebody talked to them; none: always visited again.
    pub recontact_days: Option<i32>,
}

/// Results of contacts in which somebody was talked to.
const TALKED: [&str; 4] = ["canvassed", "refused", "language", "other"];

impl Electorate {
    /// Why a voter must not be visited; `confidential` is what the voter file says. Time grows with the voter's contacts.
    pub fn suppressed(&self, row: u32, confidential: bool, rules: &Rules) -> Option<Suppressed> {
        if confidential {
            return Some(Suppressed::Confidential);
        }
        // A lock that was left in the middle must not let everybody be visited.
        let happenings = self.happenings.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if happenings.wants_peace(row) {
            return Some(Suppressed::DoNotContact);
        }
        let from = self.contacts.partition_point(|(of, ..)| *of < row);
        let known = self.contacts[from..].iter().take_while(|(of, ..)| *of == row);
        let known = known.map(|(_, code, day)| (self.contact_results.value(*code).unwrap_or(""), *day));
        let live = happenings.contacts.get(&row).into_iter().flatten();
        let live = live.map(|(result, day)| (CONTACT_RESULTS[*result as usize], *day));
        let mut gravest = None;
        for (result, day) in known.chain(live) {
            let reason = match result {
                "deceased" => Some(Suppressed::Deceased),
                // Who registered after the report lives where they registered.
                "moved" if self.registered_on(row).is_none_or(|registered| registered <= day) => {
                    Some(Suppressed::Moved)
                }
                _ if TALKED.contains(&result)
                    && rules.recontact_days.is_some_and(|days| day > rules.today - days) =>
                {
                    Some(Suppressed::Contacted)
                }
                _ => None,
            };
            gravest = match (gravest, reason) {
                (Some(one), Some(other)) => Some(std::cmp::min::<Suppressed>(one, other)),
                (one, other) => one.or(other),
            };
        }
        let voted = rules.elections.iter().any(|election| happenings.has_returned(row, election));
        match gravest {
            Some(Suppressed::Contacted) | None if voted => Some(Suppressed::Voted),
            gravest => gravest,
        }
    }

    /// The elections of which any ballot is known, the newest first.
    pub fn elections_of_ballots(&self) -> Vec<String> {
        let Ok(happenings) = self.happenings.read() else { return Vec::new() };
        let mut elections: Vec<String> = happenings.elections().cloned().collect();
        elections.sort_unstable_by(|one, other| other.cmp(one));
        elections
    }

    /// Day of registration, in days since 1970-01-01.
    fn registered_on(&self, row: u32) -> Option<i32> {
        let column = &self.columns[self.column("registered_on")?];
        let mut codes = [0u32; 64];
        column.sliced.decode(row as usize / 64, &mut codes);
        let code = i64::from(codes[row as usize % 64]);
        match (&column.coding, code) {
            (_, 0) => None,
            (crate::Coding::Days { base }, code) => Some((base + code - 1) as i32),
            _ => None,
        }
    }

    /// Longitude and latitude of a voter's door, where it is known.
    pub fn point(&self, row: u32) -> Option<[f64; 2]> {
        self.points.get(row as usize).copied().filter(|point| point[0].is_finite() && point[1].is_finite())
    }
}
