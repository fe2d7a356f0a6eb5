//! Ids that every room and every client shares: states, districts, elections, slugs.

/// What becomes of a contact with a voter.
pub const CONTACT_RESULTS: [&str; 10] = [
    "canvassed",
    "not_home",
    "refused",
    "moved",
    "deceased",
    "inaccessible",
    "language",
    "wrong_number",
    "left_message",
    "other",
];

/// (postal code, FIPS code, name) of every state, the District of Columbia, Puerto Rico, and the fictional
/// state of the demo.
pub const STATES: &[(&str, &str, &str)] = &[
    ("AL", "01", "Alabama"),
    ("AK", "02", "Alaska"),
    ("AZ", "04", "Arizona"),
    ("AR", "05", "Arkansas"),
    ("CA", "06", "California"),
    ("CO", "08", "Colorado"),
    ("CT", "09", "Connecticut"),
    ("DE", "10", "Delaware"),
    ("DC", "11", "District of Columbia"),
    ("FL", "12", "Florida"),
    ("GA", "13", "Georgia"),
    ("HI", "15", "Hawaii"),
    ("ID", "16", "Idaho"),
    ("IL", "17", "Illinois"),
    ("IN", "18", "Indiana"),
    ("IA", "19", "Iowa"),
    ("KS", "20", "Kansas"),
    ("KY", "21", "Kentucky"),
    ("LA", "22", "Louisiana"),
    ("ME", "23", "Maine"),
    ("MD", "24", "Maryland"),
    ("MA", "25", "Massachusetts"),
    ("MI", "26", "Michigan"),
    ("MN", "27", "Minnesota"),
    ("MS", "28", "Mississippi"),
    ("MO", "29", "Missouri"),
    ("MT", "30", "Montana"),
    ("NE", "31", "Nebraska"),
    ("NV", "32", "Nevada"),
    ("NH", "33", "New Hampshire"),
    ("NJ", "34", "New Jersey"),
    ("NM", "35", "New Mexico"),
    ("NY", "36", "New York"),
    ("NC", "37", "North Carolina"),
    ("ND", "38", "North Dakota"),
    ("OH", "39", "Ohio"),
    ("OK", "40", "Oklahoma"),
    ("OR", "41", "Oregon"),
    ("PA", "42", "Pennsylvania"),
    ("RI", "44", "Rhode Island"),
    ("SC", "45", "South Carolina"),
    ("SD", "46", "South Dakota"),
    ("TN", "47", "Tennessee"),
    ("TX", "48", "Texas"),
    ("UT", "49", "Utah"),
    ("VT", "50", "Vermont"),
    ("VA", "51", "Virginia"),
    ("WA", "53", "Washington"),
    ("WV", "54", "West Virginia"),
    ("WI", "55", "Wisconsin"),
    ("WY", "56", "Wyoming"),
    ("PR", "72", "Puerto Rico"),
    ("FK", "98", "Franklin"),
];

/// Postal code for a FIPS code with or without its leading zero.
pub fn state_of_fips(fips: &str) -> Option<&'static str> {
    let padded = format!("{:0>2}", fips.trim());
    STATES.iter().find(|(_, code, _)| *code == padded).map(|(postal, ..)| *postal)
}

/// Two-digit FIPS code for a postal code.
pub fn fips_of_state(state: &str) -> Option<&'static str> {
    STATES.iter().find(|(postal, ..)| postal.eq_ignore_ascii_case(state)).map(|(_, fips, _)| *fips)
}

/// Postal code for a state's name in any case.
pub fn state_of_name(name: &str) -> Option<&'static str> {
    STATES.iter().find(|(.., full)| full.eq_ignore_ascii_case(name.trim())).map(|(postal, ..)| *postal)
}

/// A kind of district.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    State,
    County,
    Congressional,
    StateSenate,
    StateHouse,
    Precinct,
    MediaMarket,
}

impl Kind {
    pub const ALL: [Kind; 7] = [
        Kind::State,
        Kind::County,
        Kind::Congressional,
        Kind::StateSenate,
        Kind::StateHouse,
        Kind::Precinct,
        Kind::MediaMarket,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::State => "state",
            Kind::County => "county",
            Kind::Congressional => "congressional",
            Kind::StateSenate => "state_senate",
            Kind::StateHouse => "state_house",
            Kind::Precinct => "precinct",
            Kind::MediaMarket => "media_market",
        }
    }

    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The letters of the kind within a district id, for the kinds that have them.
    fn letters(self) -> Option<&'static str> {
        match self {
            Kind::Congressional => Some("CD"),
            Kind::StateSenate => Some("SD"),
            Kind::StateHouse => Some("HD"),
            _ => None,
        }
    }

    /// Id of a legislative district from its code: (`CO`, `041`) gives `CO-HD-41`, (`CO`, `Congressional 4`)
    /// gives `CO-CD-04`. Codes without digits are kept as they are; none is given for an empty or undefined
    /// (`ZZZ`) code.
    pub fn district_id(self, state: &str, code: &str) -> Option<String> {
        let letters = self.letters()?;
        let word = code.trim().rsplit(' ').next()?;
        let number = word.trim_start_matches('0');
        if word.is_empty() || word.starts_with("ZZ") {
            return None;
        }
        let number = if number.is_empty() { "00" } else { number };
        Some(format!("{state}-{letters}-{number:0>2}"))
    }
}

/// Election id from its day and type.
pub fn election_id(date: &str, election_type: &str) -> String {
    format!("{date}/{election_type}")
}

/// Lower-case words joined by underscores: `Member, State Board` gives `member_state_board`.
pub fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_alphanumeric() {
            slug.extend(character.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(slug.trim_end_matches('_').len());
    slug
}

/// Normalised party code for the words and letters that result files use.
pub fn party_of_results(raw: &str) -> &'static str {
    match raw.trim().to_uppercase().as_str() {
        "D" | "DEM" | "DEMOCRAT" | "DEMOCRATIC" => "DEM",
        "R" | "REP" | "REPUBLICAN" => "REP",
        "L" | "LIB" | "LIBERTARIAN" => "LIB",
        "G" | "GRE" | "GRN" | "GREEN" | "PACIFIC GREEN" => "GRE",
        "C" | "CON" | "CST" | "CONSTITUTION" | "AMERICAN CONSTITUTION" => "CON",
        "UNITY" => "UNI",
        "U" | "UAF" | "UNA" | "UNAFFILIATED" | "INDEPENDENT" | "NO PARTY" | "NO PARTY AFFILIATION" => "UNA",
        "APPROVAL VOTING" => "APV",
        "" | "NA" | "NONPARTISAN" => "NON",
        _ => "OTH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn district_codes_of_every_source_give_one_id() {
        for (kind, code, id) in [
            (Kind::StateHouse, "041", Some("CO-HD-41")),
            (Kind::StateHouse, "State House 45", Some("CO-HD-45")),
            (Kind::Congressional, "07", Some("CO-CD-07")),
            (Kind::Congressional, "Congressional 4", Some("CO-CD-04")),
            (Kind::StateSenate, "120", Some("CO-SD-120")),
            (Kind::StateSenate, "ZZZ", None),
            (Kind::County, "001", None),
        ] {
            assert_eq!(kind.district_id("CO", code).as_deref(), id);
        }
    }

    #[test]
    fn slugs_are_words_joined_by_underscores() {
        assert_eq!(slug("  Member, State Board! "), "member_state_board");
    }
}
