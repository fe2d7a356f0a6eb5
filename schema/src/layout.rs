//! Voter-file layouts: how each state writes its voter file and vote history. A layout is a TOML file in
//! `layouts/`, one a state; a new state needs no Rust. `like = "CO"` starts from another state's layout.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::catalog::{self, Column, ColumnType, Privacy, Table};
use crate::ids::Kind;

/// One state's layout.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Postal code.
    pub state: String,
    /// Two-digit FIPS code.
    pub state_fips: String,
    /// The state's name.
    pub name: String,
    /// How the state numbers its counties.
    #[serde(default)]
    pub counties: CountyNumbering,
    /// How a precinct code names its VTD, where it does.
    pub precinct: Option<PrecinctRule>,
    pub voters: FileLayout,
    pub history: FileLayout,
}

/// How one kind of file is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLayout {
    pub reader: ReaderLayout,
    /// `strftime` patterns tried in order: %Y %m %d and literals.
    #[serde(default)]
    pub dates: Vec<String>,
    /// Values that stand for nothing in date and number columns (masks such as `##/##/####`).
    #[serde(default)]
    pub masks: Vec<String>,
    pub columns: Vec<SourceColumn>,
    /// Raw code to normalised code, by code table.
    #[serde(default)]
    pub codes: BTreeMap<String, CodeTable>,
    /// Vote methods that say that the voter did not take part.
    #[serde(default)]
    pub not_votes: Vec<String>,
    /// One column an election, named by this pattern, instead of one row an election.
    pub wide: Option<WideHistory>,
}

/// The file's framing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderLayout {
    /// Field delimiter; none for fixed width.
    pub delimiter: Option<char>,
    /// Whether fields may stand in double quotes.
    #[serde(default)]
    pub quoted: bool,
    /// Whether the first line names the columns. Without it, columns come in the layout's order.
    #[serde(default)]
    pub header: bool,
    /// Encoding where the file is not valid UTF-8 and has no byte order mark: a WHATWG label.
    #[serde(default = "windows_1252")]
    pub encoding: String,
}

fn windows_1252() -> String {
    "windows-1252".into()
}

/// One column of the source file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceColumn {
    /// The column's name in the header.
    pub name: String,
    /// Names that the same column had in other years.
    #[serde(default)]
    pub also: Vec<String>,
    /// Column of the catalog that takes the value; none keeps it in the state's source table.
    pub to: Option<String>,
    /// Code table that gives the normalised twin: `party` fills `party` beside `party_raw`.
    pub code: Option<String>,
    /// The value names the county by the state's own number.
    #[serde(default)]
    pub county_number: bool,
    /// The value names a district of this kind.
    pub district: Option<String>,
    /// A date in front of the value is dropped before the code table is asked.
    #[serde(default)]
    pub after_date: bool,
    /// Half-open range of characters, in fixed-width files.
    pub range: Option<(usize, usize)>,
    /// The file may lack the column.
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub meaning: String,
    pub privacy: Option<Privacy>,
}

/// How county numbers become the three digits of a county FIPS code.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountyNumbering {
    /// The usual rule: the n-th county in alphabetical order has code 2n - 1.
    #[serde(default)]
    pub odd: bool,
    #[serde(default)]
    pub exceptions: BTreeMap<String, String>,
}

impl CountyNumbering {
    /// The three-digit county code for the state's own county number.
    pub fn fips(&self, number: &str) -> Option<String> {
        let digits = number.trim().trim_start_matches('0');
        if let Some(code) = self.exceptions.get(digits) {
            return Some(code.clone());
        }
        let number: u32 = digits.parse().ok()?;
        let code = if self.odd { 2 * number - 1 } else { number };
        Some(format!("{code:03}"))
    }
}

impl CountyNumbering {
    /// The state's own county number for a three-digit county code: the way back of [`CountyNumbering::fips`].
    pub fn number(&self, county: &str) -> Option<String> {
        if let Some((number, _)) = self.exceptions.iter().find(|(_, code)| *code == county) {
            return Some(number.clone());
        }
        let code: u32 = county.parse().ok()?;
        Some(if self.odd { code.div_ceil(2) } else { code }.to_string())
    }
}

/// How a precinct code becomes a VTD's GEOID20.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrecinctRule {
    /// Length that a code must have; others stand for no precinct.
    pub length: Option<usize>,
    /// Half-open range of the characters that name the precinct within its county; all without it.
    pub code: Option<(usize, usize)>,
    /// Half-open range of the county's number within the code, where the code names it.
    pub county_number: Option<(usize, usize)>,
    /// Pattern of the id: {state}, {county} and {code} are replaced.
    pub id: String,
    /// Width to which the code is padded with zeros; longer codes stand for no precinct.
    #[serde(default)]
    pub pad: usize,
    /// Ids that the pattern gets wrong, with the right ones.
    #[serde(default)]
    pub exceptions: BTreeMap<String, String>,
    /// What the code says of districts, where it says something.
    pub lines: Option<PrecinctLines>,
}

/// District numbers within a precinct code. From a redistricting on, codes are given anew: they no longer name
/// VTDs, but they name the districts of the new lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrecinctLines {
    /// First day of the new codes, `YYYY-MM-DD`.
    pub since: String,
    /// Vintage of the lines that the codes since then name.
    pub vintage: i32,
    /// Half-open range of the district's number within the code, by kind.
    pub districts: BTreeMap<String, (usize, usize)>,
}

/// A history with one column an election, in the voter file or a file of its own. A value means that the voter
/// took part: the code tables `method` and `party` say how, where they name it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WideHistory {
    /// Text between the election's type and its day in the column's name: `GENERAL-11/07/2000` has `-`.
    pub separator: String,
}

/// Raw code to normalised code. The key `*` takes what no other key names.
pub type CodeTable = BTreeMap<String, String>;

impl Layout {
    /// Reads a layout from TOML.
    pub fn parse(text: &str) -> Result<Layout, toml::de::Error> {
        toml::from_str(text)
    }

    /// The three-digit county code that a precinct code names, where it names one.
    pub fn county_of_precinct(&self, code: &str) -> Option<String> {
        let rule = self.precinct.as_ref()?;
        let (from, to) = rule.county_number?;
        let code = code.trim();
        let fits = rule.length.is_none_or(|length| length == code.len());
        self.counties.fips(code.get(from..to)?).filter(|_| fits)
    }

    /// The districts that a precinct code names on the day of an election (`YYYY-MM-DD`), as (kind, id); none
    /// where the code names a VTD instead.
    pub fn districts_of_precinct(&self, code: &str, day: &str) -> Option<Vec<(Kind, String)>> {
        let rule = self.precinct.as_ref()?;
        let lines = rule.lines.as_ref().filter(|lines| day >= lines.since.as_str())?;
        let fits = rule.length.is_none_or(|length| length == code.len());
        let named = lines.districts.iter().filter_map(|(kind, (from, to))| {
            let kind = Kind::parse(kind)?;
            Some((kind, kind.district_id(&self.state, code.get(*from..*to).filter(|_| fits)?)?))
        });
        Some(named.collect())
    }

    /// The GEOID20 that a precinct code stands for, given the three-digit county code beside it.
    pub fn precinct_id(&self, code: &str, county: Option<&str>) -> Option<String> {
        let rule = self.precinct.as_ref()?;
        let code = code.trim();
        if code.is_empty() || !code.is_ascii() || rule.length.is_some_and(|length| length != code.len()) {
            return None;
        }
        let county = match rule.county_number {
            Some((from, to)) => self.counties.fips(code.get(from..to)?)?,
            None => county?.to_string(),
        };
        let code = match rule.code {
            Some((from, to)) => code.get(from..to)?,
            None => code,
        };
        if rule.pad > 0 && code.len() > rule.pad {
            return None;
        }
        let code = format!("{code:0>width$}", width = rule.pad);
        let id = rule.id.replace("{state}", &self.state_fips).replace("{county}", &county);
        let id = id.replace("{code}", &code);
        Some(rule.exceptions.get(&id).cloned().unwrap_or(id))
    }

    /// Name of the table that keeps the source columns without a twin in `voters`.
    pub fn source_table_name(&self) -> String {
        format!("voters_{}_source", self.state.to_lowercase())
    }

    /// The catalog entry of that table.
    pub fn source_table(&self) -> Table {
        let mut columns = vec![Column::from((
            "voter_id".to_string(),
            ColumnType::Text,
            Privacy::Identifying,
            "The state's own voter id.".to_string(),
        ))];
        columns.extend(self.voters.columns.iter().filter(|column| column.to.is_none()).map(|column| {
            let meaning = match column.meaning.as_str() {
                "" => format!("Source column {}, as printed.", column.name),
                meaning => meaning.to_string(),
            };
            let privacy = column.privacy.unwrap_or(Privacy::Person);
            Column::from((column.table_name(), ColumnType::Text, privacy, meaning))
        }));
        Table {
            name: self.source_table_name(),
            meaning: format!(
                "Columns of the {} voter file that have no twin in `voters`, as text.",
                self.name
            ),
            partition_by: Vec::new(),
            derived: false,
            columns,
        }
    }
}

impl SourceColumn {
    /// The column's name in the source table.
    pub fn table_name(&self) -> String {
        self.name.to_lowercase().replace([' ', '-', '/'], "_")
    }
}

macro_rules! layouts {
    ($($file:literal),*) => { &[$(($file, include_str!(concat!("../layouts/", $file)))),*] };
}

const SOURCES: &[(&str, &str)] = layouts!["colorado.toml", "franklin.toml", "north_carolina.toml"];

/// Every layout that the build knows.
pub fn all() -> &'static [Layout] {
    static LAYOUTS: OnceLock<Vec<Layout>> = OnceLock::new();
    LAYOUTS.get_or_init(|| {
        let table = |text: &str| text.parse::<toml::Table>().expect("layouts are checked by a test");
        let tables: Vec<toml::Table> = SOURCES.iter().map(|(_, text)| table(text)).collect();
        let finish = |own: &toml::Table| -> Layout {
            let mut whole = toml::Table::new();
            if let Some(like) = own.get("like") {
                let other = tables.iter().find(|other| other.get("state") == Some(like));
                whole.extend(other.expect("`like` names a layout").clone());
            }
            whole.extend(own.clone());
            whole.remove("like");
            let state = whole.get("state").cloned();
            match whole.try_into() {
                Ok(layout) => layout,
                Err(error) => panic!("the layout of {state:?} is at fault: {error}"),
            }
        };
        tables.iter().map(finish).collect()
    })
}

/// The layout of a state, by postal code in any case.
pub fn of_state(state: &str) -> Option<&'static Layout> {
    all().iter().find(|layout| layout.state.eq_ignore_ascii_case(state))
}

/// Every fault of a layout that a reader of the file would trip over.
pub fn faults(layout: &Layout) -> Vec<String> {
    let mut faults = Vec::new();
    for (table, file) in [("voters", &layout.voters), ("voter_history", &layout.history)] {
        let table = catalog::table(table).expect("the catalog has both tables");
        for column in &file.columns {
            if let Some(to) = &column.to
                && table.column(to).is_none()
            {
                faults.push(format!("{}: {} goes to unknown column {to}", layout.state, column.name));
            }
            if let Some(code) = &column.code
                && (!file.codes.contains_key(code) || table.column(code).is_none())
            {
                faults.push(format!("{}: {} names unknown code table {code}", layout.state, column.name));
            }
            if file.reader.delimiter.is_none() && column.range.is_none() {
                faults.push(format!("{}: {} has no range", layout.state, column.name));
            }
        }
        if !file.columns.iter().any(|column| column.to.as_deref() == Some("voter_id")) {
            faults.push(format!("{}: no column goes to voter_id", layout.state));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_goes_only_where_the_catalog_has_a_column() {
        for layout in all() {
            assert_eq!(faults(layout), Vec::<String>::new());
        }
    }

    #[test]
    fn a_colorado_precinct_code_names_its_vtd() {
        let colorado = of_state("co").expect("Colorado has a layout");
        assert_eq!(colorado.precinct_id("4304518258", None).as_deref(), Some("08035035258"));
        assert_eq!(colorado.precinct_id("2203364001", None).as_deref(), Some("08014014001"));
        assert_eq!(
            colorado.precinct_id("3053340001", None).as_deref(),
            Some("08079040001"),
            "Mineral County"
        );
        assert_eq!(colorado.precinct_id("PROVISIONAL", None), None);
        let named = colorado.districts_of_precinct("4215601243", "2022-11-08");
        assert_eq!(
            named.and_then(|named| named.first().cloned()),
            Some((Kind::Congressional, "CO-CD-04".into()))
        );
        assert_eq!(colorado.districts_of_precinct("1160116112", "2018-11-06"), None);
    }
}
