//! Events of one type and hour on their way into a Parquet file: public fields as columns, private ones sealed.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use bellwether_schema::catalog::{ColumnType, Privacy, Table};
use bellwether_schema::events::EventType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::Error;
use crate::reading::{Event, Value};
use crate::vault::{Person, Sealer, Vault};

/// Columns whose values hardly repeat: a dictionary of them would only cost.
const DISTINCT: [&str; 3] = ["event_id", "person", "sealed"];

/// The type of a column in Arrow's words.
fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Integer => DataType::Int32,
        ColumnType::Bigint => DataType::Int64,
        ColumnType::Double => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Bytes => DataType::Binary,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// A column that grows.
enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(column_type: ColumnType) -> Builder {
        match column_type {
            ColumnType::Bigint | ColumnType::Integer => Builder::Integer(Int64Builder::new()),
            ColumnType::Double => Builder::Number(Float64Builder::new()),
            ColumnType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            ColumnType::Date => Builder::Date(Date32Builder::new()),
            ColumnType::Timestamp => Builder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            ColumnType::Text | ColumnType::Bytes => Builder::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, value: &Value) {
        match (self, value) {
            (Builder::Text(builder), Value::Text(text)) => builder.append_value(text),
            (Builder::Text(builder), _) => builder.append_null(),
            (Builder::Integer(builder), Value::Integer(number)) => builder.append_value(*number),
            (Builder::Integer(builder), _) => builder.append_null(),
            (Builder::Number(builder), Value::Number(number)) => builder.append_value(*number),
            (Builder::Number(builder), _) => builder.append_null(),
            (Builder::Boolean(builder), Value::Boolean(value)) => builder.append_value(*value),
            (Builder::Boolean(builder), _) => builder.append_null(),
            (Builder::Date(builder), Value::Date(day)) => builder.append_value(*day),
            (Builder::Date(builder), _) => builder.append_null(),
            (Builder::Time(builder), Value::Time(time)) => builder.append_value(*time),
            (Builder::Time(builder), _) => builder.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Builder::Text(mut builder) => Arc::new(builder.finish()),
            Builder::Integer(mut builder) => Arc::new(builder.finish()),
            Builder::Number(mut builder) => Arc::new(builder.finish()),
            Builder::Boolean(mut builder) => Arc::new(builder.finish()),
            Builder::Date(mut builder) => Arc::new(builder.finish()),
            Builder::Time(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// Private texts that wait to be sealed, each with its person.
#[derive(Default)]
struct Private {
    texts: Vec<u8>,
    ends: Vec<usize>,
    persons: Vec<Option<Person>>,
}

impl Private {
    /// Seals all of them: what each became, and the person where one is known and was not erased. `context` gives what
    /// each is bound to.
    fn seal(
        &self,
        vault: &Vault,
        context: impl Fn(usize) -> Vec<u8>,
    ) -> Result<(BinaryBuilder, BinaryBuilder), Error> {
        let known: Vec<Person> = self.persons.iter().flatten().copied().collect();
        let mut keys = vault.keys(&known)?.into_iter();
        let mut sealer = Sealer::new()?;
        let (mut sealed, mut persons) = (BinaryBuilder::new(), BinaryBuilder::new());
        let (mut from, mut out) = (0, Vec::new());
        for (at, (end, person)) in self.ends.iter().zip(&self.persons).enumerate() {
            let text = &self.texts[from..*end];
            from = *end;
            match person.and_then(|person| Some((person, keys.next()??))) {
                Some((person, key)) => {
                    persons.append_value(person.0.to_be_bytes());
                    match text.is_empty() {
                        true => sealed.append_null(),
                        false => {
                            sealer.seal(&key, &context(at), text, &mut out)?;
                            sealed.append_value(&out);
                        }
                    }
                }
                None => {
                    persons.append_null();
                    sealed.append_null();
                }
            }
        }
        Ok((persons, sealed))
    }
}

/// What an event's sealed fields are bound to.
pub fn context(name: &str, event_id: &str) -> Vec<u8> {
    [name.as_bytes(), b"/", event_id.as_bytes()].concat()
}

/// Rows of an event table.
pub struct Rows {
    name: String,
    version: i32,
    ids: StringBuilder,
    occurred: TimestampMicrosecondBuilder,
    received: TimestampMicrosecondBuilder,
    late: BooleanBuilder,
    private: Private,
    /// Columns of the public fields, with the place of each among the fields.
    public: Vec<(usize, Builder)>,
}

/// One event's part that is not in its fields.
pub struct Place<'a> {
    /// None where the row was stripped of it.
    pub id: Option<&'a str>,
    /// Microseconds since 1970.
    pub occurred: i64,
    /// Milliseconds since 1970.
    pub received: u64,
    pub late: bool,
    /// None where the row was stripped of it.
    pub person: Option<Person>,
}

impl Rows {
    pub fn new(event_type: &EventType) -> Rows {
        let stored = event_type.stored();
        let public =
            event_type.fields.iter().enumerate().filter(|(_, field)| field.privacy == Privacy::Public);
        let utc = || TimestampMicrosecondBuilder::new().with_timezone("UTC");
        let column = |name: &str| stored.column(name).expect("a public field is a column").column_type;
        Rows {
            name: event_type.name.clone(),
            version: event_type.version as i32,
            ids: StringBuilder::new(),
            occurred: utc(),
            received: utc(),
            late: BooleanBuilder::new(),
            private: Private::default(),
            public: public.map(|(at, field)| (at, Builder::new(column(&field.name)))).collect(),
        }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn push(&mut self, event_type: &EventType, event: &Event, place: &Place) {
        self.ids.append_option(place.id);
        self.occurred.append_value(place.occurred);
        self.received.append_value(place.received as i64 * 1000);
        self.late.append_value(place.late);
        for (at, builder) in &mut self.public {
            builder.push(&event.values[*at]);
        }
        private_text(event_type, event, &mut self.private.texts);
        self.private.ends.push(self.private.texts.len());
        let has_private =
            self.private.ends.iter().rev().nth(1).copied().unwrap_or(0) < self.private.texts.len();
        let of_someone = has_private || !event_type.subject.is_empty();
        self.private.persons.push(place.person.filter(|_| of_someone));
    }

    /// Writes the rows to a Parquet file of the stored table. Their keys are made, but not synced.
    pub fn write(mut self, table: &Table, vault: &Vault, path: &Path) -> Result<(), Error> {
        let ids = self.ids.finish();
        let (mut persons, mut sealed) = self.private.seal(vault, |at| context(&self.name, ids.value(at)))?;
        let count = ids.len();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(ids),
            Arc::new(self.occurred.finish()),
            Arc::new(self.received.finish()),
            Arc::new(self.late.finish()),
            Arc::new(arrow_array::Int32Array::from(vec![self.version; count])),
            Arc::new(persons.finish()),
            Arc::new(sealed.finish()),
        ];
        columns.extend(self.public.into_iter().map(|(_, builder)| builder.finish()));
        write(table, columns, path)
    }
}

/// The private fields of an event as one JSON object, and what the type does not know under `more`; nothing where there
/// are none.
fn private_text(event_type: &EventType, event: &Event, out: &mut Vec<u8>) {
    let before = out.len();
    let start = |out: &mut Vec<u8>, name: &str| {
        out.push(if out.len() == before { b'{' } else { b',' });
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    };
    for (field, raw) in event_type.fields.iter().zip(&event.raw) {
        if let Some(raw) = raw.filter(|raw| field.privacy != Privacy::Public && *raw != "null") {
            start(out, &field.name);
            out.extend_from_slice(raw.as_bytes());
        }
    }
    if !event.more.is_empty() {
        start(out, "more");
        for (at, (name, raw)) in event.more.iter().enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            // Names may hold what must be escaped.
            out.extend_from_slice(serde_json::Value::from(&**name).to_string().as_bytes());
            out.push(b':');
            out.extend_from_slice(raw.as_bytes());
        }
        out.push(b'}');
    }
    if out.len() > before {
        out.push(b'}');
    }
}

/// Rows of a dead-letter table.
#[derive(Default)]
pub struct DeadRows {
    numbers: Int64Builder,
    received: Vec<i64>,
    reasons: StringBuilder,
    details: StringBuilder,
    private: Private,
    positions: Vec<u64>,
}

impl DeadRows {
    pub fn push(
        &mut self,
        number: u64,
        received: u64,
        fault: &crate::reading::Fault,
        person: Person,
        bytes: &[u8],
    ) {
        self.numbers.append_value(number as i64);
        self.positions.push(number);
        self.received.push(received as i64 * 1000);
        self.reasons.append_value(fault.reason);
        self.details.append_value(&fault.detail);
        self.private.texts.extend_from_slice(bytes);
        self.private.ends.push(self.private.texts.len());
        self.private.persons.push(Some(person));
    }

    pub fn write(mut self, name: &str, table: &Table, vault: &Vault, path: &Path) -> Result<(), Error> {
        let (mut persons, mut sealed) =
            self.private.seal(vault, |at| context(name, &self.positions[at].to_string()))?;
        let received = arrow_array::TimestampMicrosecondArray::from(self.received).with_timezone("UTC");
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.numbers.finish()),
            Arc::new(received),
            Arc::new(self.reasons.finish()),
            Arc::new(self.details.finish()),
            Arc::new(persons.finish()),
            Arc::new(sealed.finish()),
        ];
        write(table, columns, path)
    }
}

/// The Arrow schema of a table's files.
pub fn schema(table: &Table) -> Arc<Schema> {
    let field = |column: &bellwether_schema::catalog::Column| {
        Field::new(&column.name, data_type(column.column_type), true)
    };
    Arc::new(Schema::new(table.file_columns().map(field).collect::<Vec<_>>()))
}

/// A writer of one of a table's files.
pub fn writer(table: &Table, path: &Path) -> Result<ArrowWriter<File>, Error> {
    let fail = |cause: std::io::Error| Error::File { operation: "write", path: path.to_path_buf(), cause };
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level")))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by("bellwether".into());
    for name in ["occurred_at", "received_at"] {
        properties =
            properties.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Chunk);
    }
    for name in DISTINCT {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    // Sealed bytes and hashes cannot be made smaller.
    for name in ["person", "sealed"] {
        properties = properties.set_column_compression(ColumnPath::from(name), Compression::UNCOMPRESSED);
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fail)?;
    }
    let file = File::create(path).map_err(fail)?;
    ArrowWriter::try_new(file, schema(table), Some(properties.build()))
        .map_err(|cause| fail(std::io::Error::other(cause)))
}

fn write(table: &Table, columns: Vec<ArrayRef>, path: &Path) -> Result<(), Error> {
    let fail = |cause: Box<dyn std::error::Error + Send + Sync>| Error::File {
        operation: "write",
        path: path.to_path_buf(),
        cause: std::io::Error::other(cause),
    };
    let batch = RecordBatch::try_new(schema(table), columns).map_err(|cause| fail(cause.into()))?;
    let mut writer = writer(table, path)?;
    writer.write(&batch).map_err(|cause| fail(cause.into()))?;
    writer.close().map_err(|cause| fail(cause.into()))?;
    Ok(())
}
