//! Running one statement: bound values, limits on time, rows and memory, and cancelling.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use duckdb::arrow::record_batch::RecordBatch;
use duckdb::types::Value;
use duckdb::{Connection, InterruptHandle, params_from_iter};

use crate::answer::Answer;
use crate::copy::Copy;
use crate::live::{Live, is_gone};
use crate::pieces::Stream;
use crate::questions::Question;
use crate::{Error, Format, gate};

/// What questions and callers' SQL may use. Memory and sizes as DuckDB writes them: `512MB`, `2GB`.
#[derive(Debug, Clone)]
pub struct Limits {
    pub threads: usize,
    /// Of the instance that answers questions.
    pub question_memory: String,
    /// Of the instance that runs callers' SQL, all queries together.
    pub sql_memory: String,
    /// While a copy is built or tables are derived.
    pub build_memory: String,
    /// On disk, for queries that outgrow their memory.
    pub spill: String,
    pub sql_seconds: f64,
    pub sql_rows: usize,
    /// Folder of the files that live tables are read from.
    pub live_folder: Option<PathBuf>,
}

/// Memory that one answer of callers' SQL may take.
const MOST_BYTES: usize = 256 << 20;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            threads: std::thread::available_parallelism().map_or(2, |count| count.get()),
            question_memory: "1GB".into(),
            sql_memory: "1GB".into(),
            build_memory: "2GB".into(),
            spill: "8GB".into(),
            sql_seconds: 30.0,
            sql_rows: 1_000_000,
            live_folder: None,
        }
    }
}

/// A value bound to a statement's parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    Null,
    Text(String),
    Integer(i64),
    Double(f64),
    Boolean(bool),
}

impl Param {
    pub fn text(value: impl Into<String>) -> Param {
        Param::Text(value.into())
    }

    pub fn optional(value: Option<&str>) -> Param {
        value.map_or(Param::Null, Param::text)
    }

    /// Binds JSON scalars; lists and objects are refused.
    pub fn from_json(value: &serde_json::Value) -> Result<Param, Error> {
        Ok(match value {
            serde_json::Value::Null => Param::Null,
            serde_json::Value::Bool(value) => Param::Boolean(*value),
            serde_json::Value::String(value) => Param::Text(value.clone()),
            serde_json::Value::Number(value) => match value.as_i64() {
                Some(whole) => Param::Integer(whole),
                None => Param::Double(value.as_f64().unwrap_or(f64::NAN)),
            },
            _ => {
                return Err(Error::BadQuery(
                    "a parameter must be a text, a number, true, false or null".into(),
                ));
            }
        })
    }

    fn value(&self) -> Value {
        match self {
            Param::Null => Value::Null,
            Param::Text(value) => Value::Text(value.clone()),
            Param::Integer(value) => Value::BigInt(*value),
            Param::Double(value) => Value::Double(*value),
            Param::Boolean(value) => Value::Boolean(*value),
        }
    }
}

/// Stops a running statement from another thread: when the caller has gone, say.
#[derive(Clone, Default)]
pub struct Cancel {
    inner: Arc<CancelState>,
}

#[derive(Default)]
struct CancelState {
    cancelled: AtomicBool,
    running: Mutex<Option<Arc<InterruptHandle>>>,
}

impl Cancel {
    /// Stops the statement that runs now, or the one about to start.
    pub fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::SeqCst);
        if let Ok(running) = self.inner.running.lock()
            && let Some(handle) = running.as_ref()
        {
            handle.interrupt();
        }
    }

    fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn watch(&self, handle: Option<Arc<InterruptHandle>>) {
        if let Ok(mut running) = self.inner.running.lock() {
            *running = handle;
        }
    }
}

/// Interrupts a connection when its time is up; stops when dropped.
struct Deadline {
    done: Arc<(Mutex<bool>, Condvar)>,
    expired: Arc<AtomicBool>,
}

impl Deadline {
    fn start(handle: Arc<InterruptHandle>, limit: Duration) -> Deadline {
        let deadline = Deadline { done: Arc::default(), expired: Arc::default() };
        let (done, expired) = (deadline.done.clone(), deadline.expired.clone());
        std::thread::spawn(move || {
            let (lock, condition) = &*done;
            let Ok(guard) = lock.lock() else { return };
            let Ok((mut guard, _)) = condition.wait_timeout_while(guard, limit, |done| !*done) else {
                return;
            };
            // An interrupt that falls before the statement starts is lost, so it is repeated. The lock is held while
            // interrupting: when the query has ended, no late interrupt can meet the connection's next one.
            while !*guard {
                expired.store(true, Ordering::SeqCst);
                handle.interrupt();
                match condition.wait_timeout(guard, Duration::from_millis(50)) {
                    Ok((next, _)) => guard = next,
                    Err(_) => return,
                }
            }
        });
        deadline
    }

    fn has_expired(&self) -> bool {
        self.expired.load(Ordering::SeqCst)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let (lock, condition) = &*self.done;
        if let Ok(mut done) = lock.lock() {
            *done = true;
        }
        condition.notify_all();
    }
}

impl Copy {
    /// Answers one of the built-in questions.
    pub fn ask(&self, sql: &str, params: &[Param]) -> Result<Answer, Error> {
        self.questions().with(|connection| ask_on(connection, sql, params))
    }

    /// Answers a question whole.
    pub fn answer(&self, question: &Question) -> Result<Answer, Error> {
        self.ask(question.sql, &question.params)
    }

    /// How many rows the answer of a question has.
    pub fn count(&self, question: &Question) -> Result<u64, Error> {
        let sql = format!("SELECT count(*) AS rows FROM ({})", question.sql.trim_end());
        let answer = self.ask(&sql, &question.params)?;
        Ok(answer.integers("rows").first().copied().flatten().unwrap_or(0) as u64)
    }

    /// Hands over the first `most` rows of a question's answer piece by piece, until `give` wants no more.
    pub fn stream(
        &self,
        question: &Question,
        most: u64,
        format: Format,
        cancel: &Cancel,
        mut give: impl FnMut(Vec<u8>) -> bool,
    ) -> Result<(), Error> {
        let engine =
            |cause: duckdb::Error| Error::Engine { operation: "answer the question", cause: Box::new(cause) };
        self.questions().with(|connection| {
            cancel.watch(Some(connection.interrupt_handle()));
            let mut stream = Stream::new(format, &mut give);
            let mut room = most as usize;
            let outcome = each_batch(connection, question.sql, &question.params, |schema, batch| {
                let batch = batch.map(|batch| batch.slice(0, batch.num_rows().min(room)));
                room -= batch.as_ref().map_or(0, RecordBatch::num_rows);
                stream.take(schema, batch)
            });
            cancel.watch(None);
            outcome.map_err(engine)?;
            stream.end()
        })
    }

    /// Runs a caller's SQL: one SELECT over the tables of the copy, within the limits. The answer stops at the row
    /// limit and says so.
    pub fn run_sql(
        &self,
        sql: &str,
        params: &[Param],
        live: &Live,
        cancel: &Cancel,
    ) -> Result<Answer, Error> {
        let mut answer = Answer::default();
        let most = self.limits.sql_rows;
        self.each_sql_batch((sql, params, live), cancel, |schema, batch| {
            Ok(answer.take_up_to(schema, batch, most) && answer.memory() <= MOST_BYTES)
        })?;
        if answer.memory() > MOST_BYTES {
            return Err(Error::TooBig(format!("{} MB", MOST_BYTES >> 20)));
        }
        Ok(answer)
    }

    /// Runs a caller's SQL and hands over the answer piece by piece, in a format that can be written so, until
    /// `give` wants no more. An answer beyond the row limit ends as an error: a cut one would look whole.
    pub fn stream_sql(
        &self,
        (sql, params, live): (&str, &[Param], &Live),
        format: Format,
        cancel: &Cancel,
        mut give: impl FnMut(Vec<u8>) -> bool,
    ) -> Result<(), Error> {
        let most = self.limits.sql_rows;
        let mut rows = 0;
        let mut stream = Stream::new(format, &mut give);
        self.each_sql_batch((sql, params, live), cancel, |schema, batch| {
            rows += batch.as_ref().map_or(0, RecordBatch::num_rows);
            if rows > most {
                return Err(Error::TooBig(format!("{most} rows")));
            }
            Ok(stream.take(schema, batch))
        })?;
        stream.end()
    }

    fn each_sql_batch(
        &self,
        (sql, params, live): (&str, &[Param], &Live),
        cancel: &Cancel,
        mut take: impl FnMut(&duckdb::arrow::datatypes::SchemaRef, Option<RecordBatch>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let limit = Duration::from_secs_f64(self.limits.sql_seconds);
        let started = Instant::now();
        let refuse = |cause: duckdb::Error, expired: bool| {
            let text = cause.to_string();
            if expired || (text.contains("INTERRUPT") && started.elapsed() >= limit) {
                return Error::TooSlow(limit);
            }
            if text.contains("INTERRUPT") {
                return Error::Cancelled;
            }
            if is_gone(&text) {
                return Error::Moved;
            }
            if text.contains("Out of Memory") {
                return Error::TooBig(self.limits.sql_memory.clone());
            }
            Error::BadQuery(first_lines(&text))
        };
        self.sql().with(|connection| {
            gate::check(connection, sql, &live.names())?;
            live.show(connection, sql)?;
            let handle = connection.interrupt_handle();
            cancel.watch(Some(handle.clone()));
            let deadline = Deadline::start(handle, limit);
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let mut fault = None;
            let outcome = each_batch(connection, sql, params, |schema, batch| match take(schema, batch) {
                Ok(more) => more,
                Err(error) => {
                    fault = Some(error);
                    false
                }
            });
            cancel.watch(None);
            outcome.map_err(|cause| refuse(cause, deadline.has_expired()))?;
            fault.map_or(Ok(()), Err)
        })
    }
}

/// Answers a question whole on a connection.
pub(crate) fn ask_on(connection: &Connection, sql: &str, params: &[Param]) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    each_batch(connection, sql, params, |schema, batch| answer.take(schema, batch))
        .map_err(Error::engine("answer the question"))?;
    Ok(answer)
}

/// Runs a statement and hands over its batches until `take` wants no more.
pub(crate) fn each_batch(
    connection: &Connection,
    sql: &str,
    params: &[Param],
    mut take: impl FnMut(&duckdb::arrow::datatypes::SchemaRef, Option<RecordBatch>) -> bool,
) -> Result<(), duckdb::Error> {
    let mut statement = connection.prepare(sql)?;
    let values: Vec<Value> = params.iter().map(Param::value).collect();
    let schema = statement.stream_arrow(params_from_iter(values.iter()))?.get_schema();
    if !take(&schema, None) {
        return Ok(());
    }
    // The stream's own iterator panics on an error in mid-stream; stepping gives it back.
    while let Some(batch) = statement.step()? {
        if !take(&schema, Some(RecordBatch::from(&batch))) {
            break;
        }
    }
    Ok(())
}

/// The engine's message without its picture of the query.
fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take_while(|line| !line.starts_with("LINE ")).collect();
    lines.join(" ").trim().to_string()
}
