//! Lists of members: the chosen columns of the voters that a bitmap names, whole or piece by piece.

use bellwether_electorate::nearest;
use bellwether_schema::catalog;
use duckdb::Connection;
use duckdb::arrow::array::BooleanArray;
use duckdb::arrow::datatypes::SchemaRef;
use duckdb::arrow::record_batch::RecordBatch;

use crate::members::MERGED;
use crate::pieces::Stream;
use crate::session::each_batch;
use crate::{Answer, Cancel, Copy, Error, Format, Param};

/// Rows that one scan begins with; a scan goes on while members are not too thin on the ground.
const BLOCK: usize = 122_880;
/// A scan reads at most so many rows for one member.
const THIN: usize = 128;

/// Columns that a list may have.
pub(crate) fn known() -> Vec<&'static str> {
    let tables = MERGED.iter().filter_map(|name| catalog::table(name));
    let mut names: Vec<&str> =
        tables.flat_map(|table| table.columns.iter().map(|column| column.name.as_str())).collect();
    names.push("age");
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

/// Ranges of rows that are read together, each with the members that it holds.
fn ranges(bitmap: &[u64]) -> Vec<(usize, usize)> {
    let words = BLOCK / 64;
    let mut ranges: Vec<(usize, usize, usize)> = Vec::new();
    for (at, block) in bitmap.chunks(words).enumerate() {
        let members: usize = block.iter().map(|word| word.count_ones() as usize).sum();
        if members == 0 {
            continue;
        }
        let first = block.iter().position(|word| *word != 0).unwrap_or(0);
        let last = block.iter().rposition(|word| *word != 0).unwrap_or(0);
        let start = (at * words + first) * 64 + block[first].trailing_zeros() as usize;
        let end = (at * words + last + 1) * 64 - block[last].leading_zeros() as usize;
        match ranges.last_mut() {
            Some((from, to, held)) if end - *from <= (*held + members) * THIN => {
                (*to, *held) = (end, *held + members)
            }
            _ => ranges.push((start, end, members)),
        }
    }
    ranges.into_iter().map(|(start, end, _)| (start, end)).collect()
}

/// The bits of the members from the `offset`th on, at most `limit` of them.
fn page(bitmap: &[u64], offset: u64, limit: u64) -> Vec<u64> {
    let (mut skip, mut left) = (offset, limit);
    let keep = |word: &u64| {
        let mut word = *word;
        let count = u64::from(word.count_ones());
        if skip >= count {
            skip -= count;
            return 0;
        }
        for _ in 0..std::mem::take(&mut skip) {
            word &= word - 1;
        }
        while u64::from(word.count_ones()) > left {
            word &= !(1 << (63 - word.leading_zeros()));
        }
        left -= u64::from(word.count_ones());
        word
    };
    bitmap.iter().map(keep).collect()
}

impl Copy {
    /// Refuses columns that a list cannot have, naming the nearest.
    pub fn knows_columns(&self, columns: &[String]) -> Result<(), Error> {
        let known = known();
        match columns.iter().find(|column| !known.contains(&column.as_str())) {
            None if columns.len() <= known.len() => Ok(()),
            None => Err(Error::BadQuery("a column is named twice".into())),
            Some(column) => {
                let near = nearest(column, known.iter().copied()).join(", ");
                let near = if near.is_empty() { known.join(", ") } else { near };
                Err(Error::BadQuery(format!("unknown column {column}; nearest: {near}")))
            }
        }
    }

    /// The chosen columns of the members from the `offset`th on, at most `limit` of them.
    pub fn members(
        &self,
        bitmap: &[u64],
        columns: &[String],
        offset: u64,
        limit: u64,
    ) -> Result<Answer, Error> {
        let mut answer = Answer::default();
        self.questions().with(|connection| {
            each_member(connection, &page(bitmap, offset, limit), columns, |schema, batch| {
                answer.take(schema, batch)
            })
        })?;
        Ok(answer)
    }

    /// The same piece by piece, until `give` wants no more.
    #[expect(clippy::too_many_arguments, reason = "what, which part of it, how, and where to")]
    pub fn stream_members(
        &self,
        bitmap: &[u64],
        columns: &[String],
        offset: u64,
        limit: u64,
        format: Format,
        cancel: &Cancel,
        give: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> Result<(), Error> {
        self.questions().with(|connection| {
            cancel.watch(Some(connection.interrupt_handle()));
            let mut stream = Stream::new(format, give);
            let outcome = each_member(connection, &page(bitmap, offset, limit), columns, |schema, batch| {
                stream.take(schema, batch)
            });
            cancel.watch(None);
            outcome?;
            stream.end()
        })
    }
}

fn each_member(
    connection: &Connection,
    bitmap: &[u64],
    columns: &[String],
    mut take: impl FnMut(&SchemaRef, Option<RecordBatch>) -> bool,
) -> Result<(), Error> {
    let failed = |cause: Box<dyn std::error::Error + Send + Sync>| Error::Engine {
        operation: "read the members",
        cause,
    };
    let sql = format!("SELECT {} FROM members WHERE rowid >= $1 AND rowid < $2", columns.join(", "));
    let mut begun = false;
    let mut ranges = ranges(bitmap);
    if ranges.is_empty() {
        ranges.push((0, 0));
    }
    for (start, end) in ranges {
        let (mut row, mut wanted, mut fault) = (start, true, None);
        let params = [Param::Integer(start as i64), Param::Integer(end as i64)];
        each_batch(connection, &sql, &params, |schema, batch| {
            let Some(batch) = batch else {
                let first = !std::mem::replace(&mut begun, true);
                wanted = !first || take(schema, None);
                return wanted;
            };
            let bits = row..row + batch.num_rows();
            row = bits.end;
            let mask: BooleanArray =
                bits.map(|row| bitmap.get(row / 64).map(|word| word >> (row % 64) & 1 == 1)).collect();
            wanted = match mask.true_count() {
                0 => true,
                all if all == batch.num_rows() => take(schema, Some(batch)),
                _ => match arrow::compute::filter_record_batch(&batch, &mask) {
                    Ok(batch) => take(schema, Some(batch)),
                    Err(error) => {
                        fault = Some(error);
                        false
                    }
                },
            };
            wanted
        })
        .map_err(|cause| failed(cause.into()))?;
        if let Some(fault) = fault {
            return Err(failed(fault.into()));
        }
        if !wanted {
            return Ok(());
        }
        if row != end {
            return Err(failed("the copy lacks rows of the electorate".into()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_the_members_from_its_offset_on() {
        let bitmap = [0b1011, 0, u64::MAX];
        assert_eq!(page(&bitmap, 0, 2), [0b0011, 0, 0]);
        assert_eq!(page(&bitmap, 1, 3), [0b1010, 0, 1]);
        assert_eq!(page(&bitmap, 3, 1000), [0, 0, u64::MAX]);
        assert_eq!(page(&bitmap, 100, 5), [0, 0, 0]);
    }

    #[test]
    fn scans_begin_and_end_with_a_member_and_leave_empty_stretches_out() {
        let mut bitmap = vec![0u64; 4 * BLOCK / 64];
        assert_eq!(ranges(&bitmap), []);
        bitmap[1] = 0b100;
        bitmap[3 * BLOCK / 64] = 0b1;
        assert_eq!(ranges(&bitmap), [(66, 67), (3 * BLOCK, 3 * BLOCK + 1)]);
    }
}
