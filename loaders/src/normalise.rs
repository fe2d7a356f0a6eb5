//! Street addresses in one spelling, after USPS Publication 28: upper case, no punctuation, standard street
//! types and directions, units dropped. Two spellings of one address give one match key.

const DIRECTIONS: &[(&str, &str)] = &[
    ("NORTH", "N"),
    ("SOUTH", "S"),
    ("EAST", "E"),
    ("WEST", "W"),
    ("NORTHEAST", "NE"),
    ("NORTHWEST", "NW"),
    ("SOUTHEAST", "SE"),
    ("SOUTHWEST", "SW"),
];

/// Street types of Publication 28, appendix C1, as people write them and as the post office does.
const STREET_TYPES: &[(&str, &str)] = &[
    ("ALLEY", "ALY"),
    ("AVENUE", "AVE"),
    ("AV", "AVE"),
    ("AVEN", "AVE"),
    ("BEND", "BND"),
    ("BOULEVARD", "BLVD"),
    ("BOUL", "BLVD"),
    ("BLUFF", "BLF"),
    ("BRANCH", "BR"),
    ("BRIDGE", "BRG"),
    ("BROOK", "BRK"),
    ("BYPASS", "BYP"),
    ("CANYON", "CYN"),
    ("CENTER", "CTR"),
    ("CENTRE", "CTR"),
    ("CIRCLE", "CIR"),
    ("CIRC", "CIR"),
    ("CLIFF", "CLF"),
    ("COMMON", "CMN"),
    ("CORNER", "COR"),
    ("COURT", "CT"),
    ("COVE", "CV"),
    ("CREEK", "CRK"),
    ("CRESCENT", "CRES"),
    ("CREST", "CRST"),
    ("CROSSING", "XING"),
    ("DALE", "DL"),
    ("DRIVE", "DR"),
    ("DRV", "DR"),
    ("ESTATE", "EST"),
    ("ESTATES", "ESTS"),
    ("EXPRESSWAY", "EXPY"),
    ("EXTENSION", "EXT"),
    ("FALLS", "FLS"),
    ("FIELD", "FLD"),
    ("FIELDS", "FLDS"),
    ("FLAT", "FLT"),
    ("FORD", "FRD"),
    ("FOREST", "FRST"),
    ("FORGE", "FRG"),
    ("FORK", "FRK"),
    ("FREEWAY", "FWY"),
    ("GARDEN", "GDN"),
    ("GARDENS", "GDNS"),
    ("GATEWAY", "GTWY"),
    ("GLEN", "GLN"),
    ("GREEN", "GRN"),
    ("GROVE", "GRV"),
    ("HARBOR", "HBR"),
    ("HAVEN", "HVN"),
    ("HEIGHTS", "HTS"),
    ("HIGHWAY", "HWY"),
    ("HILL", "HL"),
    ("HILLS", "HLS"),
    ("HOLLOW", "HOLW"),
    ("ISLAND", "IS"),
    ("JUNCTION", "JCT"),
    ("KNOLL", "KNL"),
    ("LAKE", "LK"),
    ("LANDING", "LNDG"),
    ("LANE", "LN"),
    ("LA", "LN"),
    ("LODGE", "LDG"),
    ("MANOR", "MNR"),
    ("MEADOW", "MDW"),
    ("MEADOWS", "MDWS"),
    ("MILL", "ML"),
    ("MOUNT", "MT"),
    ("MOUNTAIN", "MTN"),
    ("ORCHARD", "ORCH"),
    ("PARKWAY", "PKWY"),
    ("PKY", "PKWY"),
    ("PARKWY", "PKWY"),
    ("PASSAGE", "PSGE"),
    ("PINES", "PNES"),
    ("PLACE", "PL"),
    ("PLAIN", "PLN"),
    ("PLAZA", "PLZ"),
    ("POINT", "PT"),
    ("PORT", "PRT"),
    ("PRAIRIE", "PR"),
    ("RANCH", "RNCH"),
    ("RIDGE", "RDG"),
    ("RIVER", "RIV"),
    ("ROAD", "RD"),
    ("ROUTE", "RTE"),
    ("SHORE", "SHR"),
    ("SPRING", "SPG"),
    ("SPRINGS", "SPGS"),
    ("SQUARE", "SQ"),
    ("STATION", "STA"),
    ("STREAM", "STRM"),
    ("STREET", "ST"),
    ("STR", "ST"),
    ("SUMMIT", "SMT"),
    ("TERRACE", "TER"),
    ("TERR", "TER"),
    ("TRACE", "TRCE"),
    ("TRACK", "TRAK"),
    ("TRAIL", "TRL"),
    ("TURNPIKE", "TPKE"),
    ("VALLEY", "VLY"),
    ("VIEW", "VW"),
    ("VILLAGE", "VLG"),
    ("VISTA", "VIS"),
    ("WALK", "WALK"),
    ("WAY", "WAY"),
    ("WY", "WAY"),
    ("WELLS", "WLS"),
];

/// Words after which the rest of a line names a unit within the building.
const UNITS: &[&str] = &[
    "APT",
    "APARTMENT",
    "UNIT",
    "STE",
    "SUITE",
    "LOT",
    "SPC",
    "SPACE",
    "BLDG",
    "BUILDING",
    "TRLR",
    "RM",
    "ROOM",
    "FL",
];

/// Key of an address: house number, street and ZIP code (the city where there is no ZIP). Empty where the line
/// holds no house number, so that post boxes and place names never match.
pub fn match_key(line: &str, city: &str, zip: &str) -> String {
    let mut keys = KeyMaker::default();
    keys.make(line, city, zip);
    keys.key
}

/// Makes keys one after another without allocating for each.
#[derive(Default)]
pub struct KeyMaker {
    upper: String,
    key: String,
}

impl KeyMaker {
    /// The key of an address, as [`match_key`] gives it.
    pub fn make(&mut self, line: &str, city: &str, zip: &str) -> &str {
        self.key.clear();
        self.push_line(line);
        if !self.key.is_empty() {
            self.key.push('|');
            let zip = zip.trim();
            match zip.get(..5) {
                Some(five) if five.bytes().all(|byte| byte.is_ascii_digit()) => self.key.push_str(five),
                _ => self.key.extend(city.trim().chars().flat_map(char::to_uppercase)),
            }
        }
        &self.key
    }

    fn push_line(&mut self, line: &str) {
        if !line.trim_start().starts_with(|first: char| first.is_ascii_digit()) {
            return;
        }
        self.upper.clear();
        self.upper.extend(line.chars().map(|character| match character {
            '.' | ',' | '\'' => ' ',
            other => other.to_ascii_uppercase(),
        }));
        let mut words = [""; 24];
        let mut count = 0;
        for word in self.upper.split_ascii_whitespace().take(words.len()) {
            if count >= 2 && (word.starts_with('#') || UNITS.contains(&word)) {
                break;
            }
            words[count] = word;
            count += 1;
        }
        let last = count - 1;
        for (at, word) in words[..count].iter().enumerate() {
            let standard = if at == 0 {
                word
            } else if at == 1 || at == last {
                // A direction stands before or behind the street; a type only behind it.
                let direction = (last > 1).then(|| replace(DIRECTIONS, word)).flatten();
                direction.or_else(|| (at > 1).then(|| replace(STREET_TYPES, word)).flatten()).unwrap_or(word)
            } else if at + 1 == last && is_direction(words[last]) {
                replace(STREET_TYPES, word).unwrap_or(word)
            } else {
                word
            };
            if at > 0 {
                self.key.push(' ');
            }
            self.key.push_str(standard);
        }
    }
}

fn is_direction(word: &str) -> bool {
    DIRECTIONS.iter().any(|(long, short)| word == *long || word == *short)
}

fn replace(table: &[(&'static str, &'static str)], word: &str) -> Option<&'static str> {
    table.iter().find(|(long, _)| *long == word).map(|(_, short)| *short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_share_a_key() {
        for (left, right) in [
            (("1745 T Street Southeast", "", "20020"), ("1745 T ST SE", "WASHINGTON", "20020-1234")),
            (("12 North Main Street Apt 4", "", "80419"), ("12  N MAIN ST", "", "80419")),
            (("5 Elm Ave. #3", "Boulder", ""), ("5 elm avenue", "BOULDER", "")),
        ] {
            assert_eq!(match_key(left.0, left.1, left.2), match_key(right.0, right.1, right.2));
        }
    }

    #[test]
    fn different_streets_keep_different_keys() {
        for (left, right) in
            [("5 Court St", "5 Street Ct"), ("5 North St", "5 South St"), ("5 Avenue A", "5 Avenue B")]
        {
            assert_ne!(match_key(left, "", "80419"), match_key(right, "", "80419"));
        }
        assert_eq!(match_key("PO Box 5", "", "80419"), "");
    }
}
