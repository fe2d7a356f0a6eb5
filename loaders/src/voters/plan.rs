//! What becomes of every source column: the layout resolved against the catalog once, and against each file's
//! header once a file.

use bellwether_schema::catalog::{self, ColumnType, Table};
use bellwether_schema::ids::Kind;
use bellwether_schema::layout::{CodeTable, FileLayout, Layout, SourceColumn};

use crate::Error;
use crate::convert::parse_date;
use crate::records::{Block, Fields, Framing, for_each_record};

use super::Which;

/// Columns that a wide history fills beside the voter's id.
pub const WIDE: [&str; 9] = [
    "election",
    "voted",
    "election_date",
    "election_type",
    "election_type_raw",
    "description",
    "method",
    "method_raw",
    "party",
];

/// The layout resolved against the catalog.
pub struct Plan {
    pub layout: &'static Layout,
    pub which: Which,
    pub file: &'static FileLayout,
    /// The main table first, then the state's source table where there is one.
    pub tables: Vec<&'static Table>,
    pub steps: Vec<Step>,
    pub framing: Framing,
}

/// What becomes of one source column.
pub struct Step {
    pub source: &'static SourceColumn,
    /// The part that the value plays in columns made of several values.
    pub role: Role,
    pub target: Target,
    /// Column of the main table for the normalised code, with the code table.
    pub code: Option<(String, &'static CodeTable)>,
    /// Kind of district that the value names, with the column that takes the id.
    pub district: Option<(Kind, String)>,
}

/// Values that other columns are made of. Resolved once: these decide something for every field of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    VoterId,
    City,
    Zip,
    Precinct,
    Method,
    Description,
    CountyNumber,
    ElectionDate,
    None,
}

fn role(column: &SourceColumn) -> Role {
    match column.to.as_deref() {
        _ if column.county_number => Role::CountyNumber,
        Some("voter_id") => Role::VoterId,
        Some("city") => Role::City,
        Some("zip") => Role::Zip,
        Some("precinct_raw") => Role::Precinct,
        Some("method_raw") => Role::Method,
        Some("description") => Role::Description,
        Some("election_date") => Role::ElectionDate,
        _ => Role::None,
    }
}

/// Where the raw value goes.
pub enum Target {
    Text {
        table: usize,
        column: String,
    },
    /// Text with runs of blanks folded.
    Address {
        column: String,
    },
    Integer {
        column: String,
    },
    Date {
        column: String,
    },
    Boolean {
        column: String,
    },
    /// The value only feeds a code.
    Nowhere,
}

impl Plan {
    pub fn new(layout: &'static Layout, which: Which) -> Plan {
        let (file, names) = match which {
            Which::Voters => (&layout.voters, vec!["voters".to_string(), layout.source_table_name()]),
            Which::History => (&layout.history, vec!["voter_history".to_string()]),
        };
        let tables: Vec<&'static Table> = names
            .iter()
            .map(|name| catalog::table(name).expect("the catalog has every loader's table"))
            .collect();
        let steps = file.columns.iter().map(|column| step(column, file, tables[0], which)).collect();
        let framing = match file.reader.delimiter {
            Some(delimiter) => Framing::Delimited { delimiter: delimiter as u8, quoted: file.reader.quoted },
            None => Framing::FixedWidth(file.columns.iter().filter_map(|column| column.range).collect()),
        };
        Plan { layout, which, file, tables, steps, framing }
    }

    /// Columns of each table that rows of this layout fill.
    pub fn filled(&self) -> Vec<Vec<&str>> {
        let mut filled: Vec<Vec<&str>> = vec![Vec::new(); self.tables.len()];
        for step in &self.steps {
            match &step.target {
                Target::Text { table, column } => filled[*table].push(column),
                Target::Address { column }
                | Target::Integer { column }
                | Target::Date { column }
                | Target::Boolean { column } => filled[0].push(column),
                Target::Nowhere => {}
            }
            filled[0].extend(step.code.as_ref().map(|(column, _)| column.as_str()));
            filled[0].extend(step.district.as_ref().map(|(_, column)| column.as_str()));
        }
        match self.which {
            Which::Voters => filled[0].extend(["county_fips", "precinct_id", "match_key"]),
            Which::History if self.file.wide.is_some() => filled[0].extend(WIDE),
            Which::History => filled[0].extend(["election", "voted"]),
        }
        if let Some(source) = filled.get_mut(1) {
            source.push("voter_id");
        }
        filled
    }
}

fn step(column: &'static SourceColumn, file: &'static FileLayout, main: &Table, which: Which) -> Step {
    let target = match (&column.to, which) {
        (None, Which::History) => Target::Nowhere,
        (None, Which::Voters) => Target::Text { table: 1, column: column.table_name() },
        (Some(to), _) => {
            let column = to.clone();
            match main.column(to).map(|column| column.column_type) {
                Some(ColumnType::Integer) => Target::Integer { column },
                Some(ColumnType::Date) => Target::Date { column },
                Some(ColumnType::Boolean) => Target::Boolean { column },
                _ if to == "address" => Target::Address { column },
                _ => Target::Text { table: 0, column },
            }
        }
    };
    let code = column.code.as_ref().map(|code| (code.clone(), &file.codes[code]));
    let district = column
        .district
        .as_ref()
        .and_then(|kind| Kind::parse(kind))
        .map(|kind| (kind, format!("{}_named", kind.name())));
    Step { source: column, role: role(column), target, code, district }
}

/// One file's header against the layout.
pub struct FilePlan {
    pub name: String,
    /// Number of the file within the load.
    pub number: u64,
    /// Position of each step's field; past the end where the file lacks the column.
    pub positions: Vec<usize>,
    /// Fields that a record must have.
    pub width: usize,
    /// Of a wide history: the columns that stand for elections.
    pub elections: Vec<ElectionColumn>,
}

/// A column that stands for an election.
pub struct ElectionColumn {
    /// Position of the field.
    pub position: usize,
    /// The column's name.
    pub name: String,
    /// Day of the election, since 1970-01-01.
    pub day: i32,
    pub type_raw: String,
    pub election_type: String,
}

/// The elections that a header's columns name.
fn elections(file: &FileLayout, header: &[String]) -> Vec<ElectionColumn> {
    let Some(wide) = &file.wide else { return Vec::new() };
    let codes = file.codes.get("election_type");
    let found = header.iter().enumerate().filter_map(|(position, name)| {
        let (type_raw, day) = name.split_once(&wide.separator)?;
        let day = file.dates.iter().find_map(|pattern| parse_date(day, pattern))?;
        let code = codes.and_then(|codes| codes.get(type_raw).or_else(|| codes.get("*")));
        let election_type = code.cloned().unwrap_or_else(|| "other".into());
        Some(ElectionColumn { position, name: name.clone(), day, type_raw: type_raw.into(), election_type })
    });
    found.collect()
}

impl FilePlan {
    /// Reads the header off the first block, or takes the layout's order where there is none. Refuses a file
    /// that lacks columns of the layout; columns that the layout does not know are noted.
    pub fn open(
        plan: &Plan,
        name: &str,
        number: u64,
        block: &mut Block,
        notes: &mut Vec<String>,
    ) -> Result<FilePlan, Error> {
        let columns = &plan.file.columns;
        if !plan.file.reader.header {
            let positions = (0..columns.len()).collect();
            let elections = Vec::new();
            return Ok(FilePlan {
                name: name.to_string(),
                number,
                positions,
                width: columns.len(),
                elections,
            });
        }
        let header = take_header(plan, block);
        let find = |column: &SourceColumn| {
            let named = |field: &String| *field == column.name || column.also.contains(field);
            header.iter().position(named)
        };
        let missing: Vec<&str> = columns
            .iter()
            .filter(|column| !column.optional && find(column).is_none())
            .map(|column| column.name.as_str())
            .collect();
        if !missing.is_empty() {
            let detail = format!(
                "of the {} {} columns it lacks {}: {}",
                columns.len(),
                plan.layout.name,
                missing.len(),
                missing.iter().take(8).copied().collect::<Vec<_>>().join(", ")
            );
            return Err(Error::WrongLayout { file: name.to_string(), detail });
        }
        let known = |field: &&String| columns.iter().any(|c| c.name == **field || c.also.contains(field));
        let unknown: Vec<&str> = header.iter().filter(|field| !known(field)).map(String::as_str).collect();
        if !unknown.is_empty() && plan.which == Which::Voters {
            notes.push(format!(
                "{name}: columns that the layout does not know are left out: {}",
                unknown.join(", ")
            ));
        }
        let positions = columns.iter().map(|column| find(column).unwrap_or(usize::MAX)).collect();
        let elections = elections(plan.file, &header);
        if plan.file.wide.is_some() && elections.is_empty() {
            let detail = "none of its columns names an election".to_string();
            return Err(Error::WrongLayout { file: name.to_string(), detail });
        }
        Ok(FilePlan { name: name.to_string(), number, positions, width: header.len(), elections })
    }
}

/// Takes the first line off the block and splits it.
fn take_header(plan: &Plan, block: &mut Block) -> Vec<String> {
    let end = block.text.find('\n').map_or(block.text.len(), |at| at + 1);
    let rest = block.text.split_off(end);
    let head = Block { text: std::mem::replace(&mut block.text, rest), first_line: 1 };
    block.first_line += 1;
    let mut header = Vec::new();
    let outcome: Result<(), Error> = for_each_record(
        &head,
        &plan.framing,
        &mut Fields::default(),
        |_, record, fields| {
            header = (0..fields.len()).map(|index| fields.get(record, index).into_owned()).collect();
            Ok(())
        },
        |_| {},
    );
    debug_assert!(outcome.is_ok(), "reading a header never fails");
    header
}
