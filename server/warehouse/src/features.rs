//! The features of voters, as models see them.

use bellwether_schema::features::features;
use bellwether_targeting::Matrix;
use duckdb::arrow::array::{Array, AsArray};
use duckdb::arrow::datatypes::Float64Type;
use duckdb::arrow::record_batch::RecordBatch;

use crate::members::{integer, texts};
use crate::session::{Cancel, Param, each_batch};
use crate::told::{self, LiveTables};
use crate::{Copy, Error};

/// Voters that are handed over together.
const TOGETHER: usize = 1 << 16;
/// What voters have in common, where that is asked for.
pub const COMMON: [&str; 4] = ["age_band", "gender", "race", "congressional"];

/// Whose features are wanted, and from when.
pub struct FeaturesOf<'a> {
    pub state: &'a str,
    /// Nothing from this day on is known: `2020-11-03`.
    pub day: &'a str,
    /// The election whose participation is the label.
    pub election: Option<&'a str>,
    /// Also what they have in common.
    pub common: bool,
    /// These voters alone, by their ids.
    pub voters: Option<&'a [String]>,
    /// What was delivered since the release, contacts among it.
    pub live: Option<LiveTables<'a>>,
}

/// Some voters, a place each in every list.
#[derive(Default)]
pub struct Voters {
    pub ids: Vec<String>,
    /// The same for those who live together.
    pub households: Vec<u64>,
    /// 1 for those who took part in the election, where one is named.
    pub labels: Vec<f32>,
    pub common: [Vec<String>; 4],
    pub matrix: Matrix,
}

impl Voters {
    fn empty() -> Voters {
        let names: Vec<String> = features().iter().map(|feature| feature.name.clone()).collect();
        let columns = vec![Vec::new(); names.len()];
        Voters { matrix: Matrix { names, columns }, ..Voters::default() }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Adds a batch. False where a feature is not there as a number.
    fn push(&mut self, batch: &RecordBatch, common: bool) -> bool {
        let (id, household) = (texts(batch, "voter_id"), batch.column_by_name("household"));
        for row in 0..batch.num_rows() {
            self.ids.push(id(row).unwrap_or_default().to_string());
            self.households.push(integer(household, row).unwrap_or_default() as u64);
        }
        if common {
            for (list, name) in self.common.iter_mut().zip(COMMON) {
                let text = texts(batch, name);
                list.extend((0..batch.num_rows()).map(|row| text(row).unwrap_or("unknown").to_string()));
            }
        }
        let features = self.matrix.names.iter().zip(&mut self.matrix.columns);
        let mut columns = features.map(|(name, column)| numbers(batch, name, column));
        columns.all(|is_there| is_there) && numbers(batch, "label", &mut self.labels)
    }
}

/// Adds a column of numbers, null as NaN. False where there is no such column.
fn numbers(batch: &RecordBatch, name: &str, out: &mut Vec<f32>) -> bool {
    let column = batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<Float64Type>());
    let Some(column) = column else { return false };
    let value = |row: usize| if column.is_null(row) { f32::NAN } else { column.value(row) as f32 };
    out.extend((0..batch.num_rows()).map(value));
    true
}

impl Copy {
    /// Hands over the features of a state's voters who were registered before a day, some at a time and in no order,
    /// until `take` wants no more.
    ///
    /// Memory is that of the engine and of the voters that are handed over together.
    pub fn features(
        &self,
        of: &FeaturesOf,
        cancel: &Cancel,
        mut take: impl FnMut(Voters) -> bool,
    ) -> Result<(), Error> {
        let mut params = vec![Param::text(of.state), Param::text(of.day), Param::optional(of.election)];
        let mut question = include_str!("questions/features.sql").to_string();
        if let Some(voters) = of.voters {
            params.push(Param::text(voters.join("\n")));
            question.push_str(include_str!("questions/features_of.sql"));
        }
        self.questions().with(|connection| {
            cancel.watch(Some(connection.interrupt_handle()));
            told::put(connection, of.live, of.state)?;
            let mut voters = Voters::empty();
            let mut whole = true;
            let outcome = each_batch(connection, &question, &params, |_, batch| {
                let Some(batch) = batch else { return true };
                whole = voters.push(&batch, of.common);
                if whole && voters.len() < TOGETHER {
                    return true;
                }
                whole && take(std::mem::replace(&mut voters, Voters::empty()))
            });
            cancel.watch(None);
            told::clear(connection);
            outcome.map_err(Error::engine("work out the features"))?;
            if !whole {
                return Err(Error::BadQuery("a feature is not answered as a number".into()));
            }
            if !voters.is_empty() {
                take(voters);
            }
            Ok(())
        })
    }
}
