//! The voters that lists are matched with, in the order of the members table.

use bellwether_linkage::{Birth, Record, Reference};

use crate::members::{integer, texts};
use crate::session::each_batch;
use crate::{Copy, Error};

impl Copy {
    /// Names, births, addresses and telephone numbers of all voters, ready to be matched with: a row is that of the
    /// electorate.
    pub fn linkage(&self) -> Result<Reference, Error> {
        self.questions().with(|connection| {
            let mut voters = Reference::default();
            let mut ordered = true;
            each_batch(connection, include_str!("questions/linkage.sql"), &[], |_, batch| {
                let Some(batch) = batch else { return true };
                let text = ["last_name", "first_name", "middle_name", "gender", "address", "zip", "phone"]
                    .map(|name| texts(&batch, name));
                let [last_name, first_name, middle_name, gender, address, zip, phone] = &text;
                let [rows, years, dates] =
                    ["row", "birth_year", "birth_date"].map(|name| batch.column_by_name(name));
                for at in 0..batch.num_rows() {
                    ordered &= integer(rows, at) == Some(voters.rows() as i64);
                    let date = integer(dates, at).map(|date| Birth::digits(date as i32));
                    voters.push(&Record {
                        last_name: last_name(at),
                        first_name: first_name(at),
                        middle_name: middle_name(at),
                        birth: date.or_else(|| integer(years, at).map(|year| Birth::year(year as i32))),
                        gender: gender(at),
                        address: address(at),
                        zip: zip(at),
                        phone: phone(at),
                    });
                }
                ordered
            })
            .map_err(Error::engine("read the voters for matching"))?;
            if !ordered {
                return Err(Error::BadQuery("the members table is not read in its order".into()));
            }
            voters.finish();
            Ok(voters)
        })
    }
}
