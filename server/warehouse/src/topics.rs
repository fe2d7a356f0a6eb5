//! What the posts of a district are about, asked of the live table that they land in.

use bellwether_schema::ids::Kind;

use crate::live::Live;
use crate::session::each_batch;
use crate::{Answer, Copy, Error, Param};

impl Copy {
    /// What posts are about, from a day on and before another, with a day in the middle: `topic, day, half, posts, authors,
    /// tone_authors, tone`, expected numbers where a district is asked for. The empty topic stands for all posts; a row has
    /// a day, or a half (0 before the middle, 1 from it on), or neither and is of all days.
    pub fn topics(
        &self,
        live: &Live,
        district: Option<(Kind, &str)>,
        days: [&str; 3],
    ) -> Result<Answer, Error> {
        let posts = match district {
            Some((kind, _)) => {
                include_str!("questions/topics_in_district.sql").replace("{kind}", kind.name())
            }
            None => include_str!("questions/topics_everywhere.sql").to_string(),
        };
        let sql = include_str!("questions/topics.sql").replace("{posts}", &posts);
        let [from, end, middle] = days.map(Param::text);
        let mut params = vec![from, end];
        params.extend(district.map(|(_, id)| Param::text(id)));
        params.push(middle);
        let mut answer = Answer::default();
        self.sql().with(|connection| {
            live.show(connection, &sql)?;
            each_batch(connection, &sql, &params, |schema, batch| answer.take(schema, batch))
                .map_err(Error::live("read what posts are about"))
        })?;
        Ok(answer)
    }
}
