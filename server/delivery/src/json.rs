//! JSON, looked at and not taken apart: where the members of an object lie. It checks the whole grammar (RFC 8259) on its
//! way and copies nothing. Events are read millions at a time, and few of their values are ever wanted as anything but
//! the text that they are.

use std::borrow::Cow;
use std::ops::Range;

/// Objects and lists that may lie in each other.
pub const DEEPEST: usize = 64;

/// Why a text could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is no JSON from this byte on.
    At(usize),
    /// More than [`DEEPEST`] objects and lists lie in each other.
    TooDeep,
    /// It is JSON, and no object.
    NoObject,
}

/// Gives the members of an object to `each`, names as they read and where their values stand, until that says no.
/// The text must hold nothing but the object; where `each` said no, what follows was not looked at.
pub fn members<'a>(
    text: &'a [u8],
    mut each: impl FnMut(Cow<'a, str>, Range<usize>) -> bool,
) -> Result<(), Broken> {
    let mut at = blank(text, 0);
    if text.get(at) != Some(&b'{') {
        let end = blank(text, value(text, at, 0)?);
        return Err(if end == text.len() { Broken::NoObject } else { Broken::At(end) });
    }
    at = blank(text, at + 1);
    if text.get(at) == Some(&b'}') {
        return end(text, at + 1);
    }
    loop {
        let name_end = string(text, at)?;
        let name = read(&text[at + 1..name_end - 1]).ok_or(Broken::At(at))?;
        at = blank(text, name_end);
        if text.get(at) != Some(&b':') {
            return Err(Broken::At(at));
        }
        at = blank(text, at + 1);
        let value_end = value(text, at, 1)?;
        if !each(name, at..value_end) {
            return Ok(());
        }
        at = blank(text, value_end);
        match text.get(at) {
            Some(b',') => at = blank(text, at + 1),
            Some(b'}') => return end(text, at + 1),
            _ => return Err(Broken::At(at)),
        }
    }
}

/// A string's text as it reads; none where it is not UTF-8 or its escapes are wrong. Without its quotes.
fn read(inner: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    let quoted = [b"\"", inner, b"\""].concat();
    serde_json::from_slice(&quoted).ok().map(Cow::Owned)
}

/// A string value as it reads; none where the value is something else.
pub fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

fn end(text: &[u8], at: usize) -> Result<(), Broken> {
    let at = blank(text, at);
    if at == text.len() { Ok(()) } else { Err(Broken::At(at)) }
}

fn blank(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Where the value that begins here ends.
fn value(text: &[u8], at: usize, depth: usize) -> Result<usize, Broken> {
    match text.get(at) {
        Some(b'"') => string(text, at),
        Some(b'-' | b'0'..=b'9') => number(text, at),
        Some(b't') => word(text, at, b"true"),
        Some(b'f') => word(text, at, b"false"),
        Some(b'n') => word(text, at, b"null"),
        Some(open @ (b'{' | b'[')) => {
            if depth >= DEEPEST {
                return Err(Broken::TooDeep);
            }
            let is_object = *open == b'{';
            let close = if is_object { b'}' } else { b']' };
            let mut at = blank(text, at + 1);
            if text.get(at) == Some(&close) {
                return Ok(at + 1);
            }
            loop {
                if is_object {
                    at = blank(text, string(text, at)?);
                    if text.get(at) != Some(&b':') {
                        return Err(Broken::At(at));
                    }
                    at = blank(text, at + 1);
                }
                at = blank(text, value(text, at, depth + 1)?);
                match text.get(at) {
                    Some(b',') => at = blank(text, at + 1),
                    Some(byte) if *byte == close => return Ok(at + 1),
                    _ => return Err(Broken::At(at)),
                }
            }
        }
        _ => Err(Broken::At(at)),
    }
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Result<usize, Broken> {
    if text[at..].starts_with(word) { Ok(at + word.len()) } else { Err(Broken::At(at)) }
}

/// Where the string that begins here ends, behind its quote.
fn string(text: &[u8], start: usize) -> Result<usize, Broken> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if text.get(start) != Some(&b'"') {
        return Err(Broken::At(start));
    }
    let mut at = start + 1;
    loop {
        // Eight bytes at once, as long as none is a quote, a backslash or a control character.
        while let Some(eight) = text.get(at..at + 8) {
            let word = u64::from_le_bytes(eight.try_into().unwrap_or_default());
            let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
            let quote = zero_in(word ^ (ONES * u64::from(b'"')));
            let slash = zero_in(word ^ (ONES * u64::from(b'\\')));
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            if (quote | slash | control) & HIGH != 0 {
                at += (((quote | slash | control) & HIGH).trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match text.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') => match (unit(text, at), unit(text, at + 6)) {
                    // Halves of a character come in pairs.
                    (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
                    (Some(0xd800..=0xdfff), _) | (None, _) => return Err(Broken::At(at)),
                    _ => at += 6,
                },
                _ => return Err(Broken::At(at)),
            },
            Some(0x20..) => at += 1,
            _ => return Err(Broken::At(at)),
        }
    }
}

/// The UTF-16 unit that the escape at a place stands for.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit: u16, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

fn number(text: &[u8], start: usize) -> Result<usize, Broken> {
    let digits = |mut at: usize| {
        let from = at;
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at > from { Ok(at) } else { Err(Broken::At(at)) }
    };
    let mut at = start + usize::from(text[start] == b'-');
    at = match text.get(at) {
        Some(b'0') => at + 1,
        _ => digits(at)?,
    };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(at)?;
        // A number that no machine can hold is one that no reader takes.
        let size = std::str::from_utf8(&text[start..at]).ok().and_then(|text| text.parse::<f64>().ok());
        if !size.is_some_and(f64::is_finite) {
            return Err(Broken::At(start));
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// The members as serde_json sees them; none where it sees no object.
    fn oracle(text: &[u8]) -> Option<serde_json::Map<String, Value>> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        }
    }

    fn ours(text: &[u8]) -> Option<serde_json::Map<String, Value>> {
        let mut object = serde_json::Map::new();
        let mut whole = true;
        let outcome = members(text, |name, raw| {
            match serde_json::from_slice(&text[raw]) {
                Ok(value) => drop(object.insert(name.into_owned(), value)),
                Err(_) => whole = false,
            }
            true
        });
        (outcome.is_ok() && whole).then_some(object)
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9_f64).prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..5)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_sees_in_a_document_what_the_library_sees(
            value in prop::collection::btree_map(".{0,6}", any_value(), 0..6),
            pretty in any::<bool>(),
        ) {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
            let text = text.expect("JSON");
            prop_assert_eq!(ours(&text), oracle(&text));
        }

        #[test]
        fn it_refuses_what_the_library_refuses(
            value in prop::collection::btree_map(".{0,6}", any_value(), 1..4),
            at in any::<prop::sample::Index>(),
            byte in prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\",:\\ntu0-.e\x1f "[..])],
            how in 0..3,
        ) {
            let mut text = serde_json::to_vec(&value).expect("JSON");
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
            // What is no UTF-8 is refused before.
            prop_assume!(std::str::from_utf8(&text).is_ok());
            prop_assert_eq!(ours(&text), oracle(&text), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn depth_is_bounded_and_faults_have_a_place() {
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(members(deep.as_bytes(), |_, _| true), Err(Broken::TooDeep));
        assert_eq!(members(b"[1, 2]", |_, _| true), Err(Broken::NoObject));
        assert_eq!(members(b"{\"a\": 01}", |_, _| true), Err(Broken::At(7)));
    }
}
