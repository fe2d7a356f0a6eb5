//! Delimited and fixed-width text as blocks of whole lines, decoded to UTF-8, with line numbers, and lines as
//! fields. Blocks are the unit of parallel parsing: memory is a few blocks, whatever the file's size.

use std::borrow::Cow;
use std::io::Read;

use encoding_rs::Encoding;
use memchr::{memchr, memchr_iter, memrchr};

use crate::Error;
use crate::source::Text;

/// Bytes of a block before it is cut at a line's end.
const BLOCK: usize = 4 << 20;
/// Longest run of lines that one quoted field may span.
const LINES_OF_A_RECORD: usize = 20;

/// Whole lines of one file.
pub struct Block {
    pub text: String,
    /// Number of the first line, from 1.
    pub first_line: u64,
}

/// Reads a text in blocks.
pub struct Blocks {
    name: String,
    reader: Box<dyn Read + Send>,
    carry: Vec<u8>,
    line: u64,
    quoted: bool,
    fallback: &'static Encoding,
    /// Decoder of a UTF-16 file, found by its byte order mark.
    utf16: Option<encoding_rs::Decoder>,
    started: bool,
    ended: bool,
}

impl Blocks {
    /// `encoding` is the WHATWG label that applies to lines that are not valid UTF-8.
    pub fn new(text: Text, quoted: bool, encoding: &str) -> Blocks {
        Blocks {
            name: text.name,
            reader: text.reader,
            carry: Vec::new(),
            line: 1,
            quoted,
            fallback: Encoding::for_label(encoding.as_bytes()).unwrap_or(encoding_rs::WINDOWS_1252),
            utf16: None,
            started: false,
            ended: false,
        }
    }

    /// The next block, or none at the end of the file.
    pub fn next_block(&mut self) -> Result<Option<Block>, Error> {
        while !self.ended && self.carry.len() < BLOCK {
            self.fill()?;
        }
        if self.carry.is_empty() {
            return Ok(None);
        }
        let cut = if self.ended { self.carry.len() } else { self.cut() };
        let rest = self.carry.split_off(cut);
        let bytes = std::mem::replace(&mut self.carry, rest);
        let first_line = self.line;
        self.line += memchr_iter(b'\n', &bytes).count() as u64;
        Ok(Some(Block { text: self.decode(bytes), first_line }))
    }

    fn fill(&mut self) -> Result<(), Error> {
        let mut piece = Vec::with_capacity(BLOCK);
        let outcome = (&mut self.reader).take(BLOCK as u64).read_to_end(&mut piece);
        let count = outcome.map_err(|cause| match cause.kind() {
            std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::InvalidData
            | std::io::ErrorKind::InvalidInput => {
                Error::Damaged { file: self.name.clone(), detail: cause.to_string() }
            }
            _ => Error::Read { file: self.name.clone(), cause },
        })?;
        self.ended = count == 0;
        if !self.started {
            self.started = true;
            if let Some((encoding, mark)) = Encoding::for_bom(&piece) {
                piece.drain(..mark);
                if encoding != encoding_rs::UTF_8 {
                    self.utf16 = Some(encoding.new_decoder_without_bom_handling());
                }
            }
        }
        match &mut self.utf16 {
            None if self.carry.is_empty() => self.carry = piece,
            None => self.carry.extend_from_slice(&piece),
            Some(decoder) => {
                let need = decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len() * 3 + 16);
                let mut text = String::with_capacity(need);
                let _ = decoder.decode_to_string(&piece, &mut text, self.ended);
                self.carry.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }

    /// Where to cut: behind the last line's end, or an earlier one if the last record looks unfinished because
    /// a quote is open there.
    fn cut(&self) -> usize {
        let last = memrchr(b'\n', &self.carry).map_or(self.carry.len(), |at| at + 1);
        if !self.quoted {
            return last;
        }
        let mut cut = last;
        for _ in 0..LINES_OF_A_RECORD {
            if memchr_iter(b'"', &self.carry[..cut]).count().is_multiple_of(2) {
                return cut;
            }
            match memrchr(b'\n', &self.carry[..cut - 1]) {
                Some(at) => cut = at + 1,
                None => break,
            }
        }
        last
    }

    fn decode(&self, bytes: Vec<u8>) -> String {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let bytes = error.into_bytes();
                let mut text = String::with_capacity(bytes.len() + bytes.len() / 16);
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    match std::str::from_utf8(line) {
                        Ok(line) => text.push_str(line),
                        Err(_) => text.push_str(&self.fallback.decode_without_bom_handling(line).0),
                    }
                }
                text
            }
        };
        // Some states pad empty fields with NUL characters; a blank for each keeps what follows in its place.
        if memchr(0, text.as_bytes()).is_some() { text.replace('\0', " ") } else { text }
    }
}

/// Where a field stands in its record.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
    /// Holds doubled quotes.
    doubled: bool,
}

/// The fields of one record. Made once and filled again for every record.
#[derive(Debug, Default)]
pub struct Fields {
    spans: Vec<Span>,
    /// Fields that a record of the file has, once its header is known: lines are only joined to make as many.
    pub expected: Option<usize>,
}

impl Fields {
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The field's text without quotes and surrounding blanks.
    pub fn get<'a>(&self, record: &'a str, index: usize) -> Cow<'a, str> {
        let Some(span) = self.spans.get(index) else {
            return Cow::Borrowed("");
        };
        let text = record.get(span.start as usize..span.end as usize).unwrap_or_default();
        let blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
        let bytes = text.as_bytes();
        let text = if blank(bytes.first()) || blank(bytes.last()) { text.trim_ascii() } else { text };
        if span.doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) }
    }

    /// Splits a record at its delimiters. False if a quote is still open at the end.
    ///
    /// A quoted field ends at a quote that a delimiter or the record's end follows; other single quotes within
    /// are taken as they are, because voter files seldom double them.
    fn split(&mut self, record: &str, delimiter: u8, quoted: bool) -> bool {
        self.spans.clear();
        let bytes = record.as_bytes();
        let mut at = 0;
        loop {
            if quoted && bytes.get(at) == Some(&b'"') {
                let start = at + 1;
                let mut doubled = false;
                let mut probe = start;
                let end = loop {
                    let Some(offset) = bytes[probe..].iter().position(|byte| *byte == b'"') else {
                        return false;
                    };
                    let quote = probe + offset;
                    match bytes.get(quote + 1) {
                        None => break quote,
                        Some(next) if *next == delimiter => break quote,
                        Some(b'"') => {
                            doubled = true;
                            probe = quote + 2;
                        }
                        Some(_) => probe = quote + 1,
                    }
                    if probe > bytes.len() {
                        return false;
                    }
                };
                self.spans.push(Span { start: start as u32, end: end as u32, doubled });
                at = end + 1;
            } else {
                let end =
                    bytes[at..].iter().position(|byte| *byte == delimiter).map_or(bytes.len(), |o| at + o);
                self.spans.push(Span { start: at as u32, end: end as u32, doubled: false });
                at = end;
            }
            if at >= bytes.len() {
                return true;
            }
            at += 1;
            if at == bytes.len() {
                self.spans.push(Span { start: at as u32, end: at as u32, doubled: false });
                return true;
            }
        }
    }

    /// Cuts a record at fixed ranges of characters; ranges behind the record's end are empty.
    fn slice(&mut self, record: &str, ranges: &[(usize, usize)]) {
        self.spans.clear();
        let place = |at: usize| match record.is_ascii() {
            true => at.min(record.len()) as u32,
            false => record.char_indices().nth(at).map_or(record.len(), |(byte, _)| byte) as u32,
        };
        self.spans.extend(ranges.iter().map(|(start, end)| Span {
            start: place(*start),
            end: place(*end),
            doubled: false,
        }));
    }
}

/// How lines become fields.
#[derive(Debug, Clone)]
pub enum Framing {
    Delimited { delimiter: u8, quoted: bool },
    FixedWidth(Vec<(usize, usize)>),
}

/// Calls `each` with line number, record and fields for every record of the block that is not blank; `broken`
/// with the line number of records whose quote never closes. Stops at the first error.
pub fn for_each_record<E>(
    block: &Block,
    framing: &Framing,
    fields: &mut Fields,
    mut each: impl FnMut(u64, &str, &Fields) -> Result<(), E>,
    mut broken: impl FnMut(u64),
) -> Result<(), E> {
    let text = block.text.as_str();
    let mut line = block.first_line;
    let mut start = 0;
    while start < text.len() {
        let (record, next) = line_at(text, start);
        let first = line;
        line += 1;
        if record.is_empty() {
            start = next;
            continue;
        }
        match framing {
            Framing::FixedWidth(ranges) => {
                fields.slice(record, ranges);
                each(first, record, fields)?;
            }
            Framing::Delimited { delimiter, quoted } => {
                if fields.split(record, *delimiter, *quoted) {
                    each(first, record, fields)?;
                } else if let Some((record, following, lines)) = longer(text, start, next, *delimiter, fields)
                {
                    each(first, record, fields)?;
                    line += lines;
                    start = following;
                    continue;
                } else {
                    broken(first);
                }
            }
        }
        start = next;
    }
    Ok(())
}

/// The line that starts at `start` without its end, and where the next one starts.
fn line_at(text: &str, start: usize) -> (&str, usize) {
    let bytes = text.as_bytes();
    let end = memchr(b'\n', &bytes[start..]).map_or(text.len(), |offset| start + offset);
    let next = (end + 1).min(text.len().max(end));
    let stop = if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
    (&text[start..stop], next)
}

/// Tries to close an open quote with the lines that follow.
fn longer<'a>(
    text: &'a str,
    start: usize,
    mut next: usize,
    delimiter: u8,
    fields: &mut Fields,
) -> Option<(&'a str, usize, u64)> {
    for lines in 1..LINES_OF_A_RECORD as u64 {
        if next >= text.len() {
            return None;
        }
        let (line, following) = line_at(text, next);
        let record = &text[start..next + line.len()];
        // A line that starts with a quote and is a record by itself is no part of a broken one.
        if line.starts_with('"')
            && fields.split(line, delimiter, true)
            && fields.expected == Some(fields.len())
        {
            return None;
        }
        let fits = |fields: &Fields| fields.expected.is_none_or(|expected| fields.len() == expected);
        if fields.split(record, delimiter, true) && fits(fields) {
            return Some((record, following, lines));
        }
        next = following;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(u64, &[&str])], broken_lines: &[u64]) {
        let block = Block { text: text.to_string(), first_line: 1 };
        let framing = Framing::Delimited { delimiter: b',', quoted: true };
        let (mut records, mut broken) = (Vec::new(), Vec::new());
        let outcome: Result<(), ()> = for_each_record(
            &block,
            &framing,
            &mut Fields { expected: Some(2), ..Fields::default() },
            |line, record, fields| {
                records.push((
                    line,
                    (0..fields.len()).map(|i| fields.get(record, i).to_string()).collect::<Vec<_>>(),
                ));
                Ok(())
            },
            |line| broken.push(line),
        );
        assert!(outcome.is_ok());
        let expect: Vec<_> = expect
            .iter()
            .map(|(line, f)| (*line, f.iter().map(|s| s.to_string()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(records, expect);
        assert_eq!(broken, broken_lines);
    }

    #[test]
    fn quotes_delimiters_and_line_ends_within_fields_are_kept() {
        check("\"b,c\",\"d\"\"e\"\r\n\"\",\n", &[(1, &["b,c", "d\"e"]), (2, &["", ""])], &[]);
        check("\"two\nlines\",x\ny,z\n", &[(1, &["two\nlines", "x"]), (3, &["y", "z"])], &[]);
    }

    #[test]
    fn fixed_width_fields_are_cut_at_their_ranges_and_short_lines_end_empty() {
        let block = Block { text: "SMITH   0042F\nLEE     0043\nPEÑA    0044M\n".into(), first_line: 1 };
        let framing = Framing::FixedWidth(vec![(0, 8), (8, 12), (12, 13)]);
        let mut records = Vec::new();
        let outcome: Result<(), ()> = for_each_record(
            &block,
            &framing,
            &mut Fields::default(),
            |_, record, fields| {
                records.push([0, 1, 2].map(|index| fields.get(record, index).to_string()));
                Ok(())
            },
            |_| {},
        );
        assert!(outcome.is_ok());
        assert_eq!(records, [["SMITH", "0042", "F"], ["LEE", "0043", ""], ["PEÑA", "0044", "M"]]);
    }

    #[test]
    fn a_stray_quote_spoils_at_most_its_own_line() {
        check("\"Robert \"Bob\" B\",x\ny,z\n", &[(1, &["Robert \"Bob\" B", "x"]), (2, &["y", "z"])], &[]);
        check("\"open,x\ny,z\n", &[(2, &["y", "z"])], &[1]);
        check("\"a\",\"open\n\"y\",\"z\"\n", &[(2, &["y", "z"])], &[1]);
        check("\"open\n\"y\",\"z\"\n", &[(2, &["y", "z"])], &[1]);
    }

    #[test]
    fn a_file_in_a_legacy_encoding_is_read_line_by_line() {
        let bytes: &[u8] = b"caf\xe9\nna\xc3\xafve\n";
        let text = Text { name: "x".into(), reader: Box::new(bytes) };
        let block = Blocks::new(text, false, "windows-1252").next_block().ok().flatten();
        assert_eq!(block.map(|block| block.text).as_deref(), Some("café\nnaïve\n"));
    }
}
