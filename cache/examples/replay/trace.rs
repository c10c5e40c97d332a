//! The formats of traces.

use std::collections::HashMap;
use std::str::FromStr;

/// More requests than this are taken for a garbled count: they would need gigabytes.
const MOST: usize = 1 << 28;

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Cache2k,
    Arc,
    Lirs,
    Sized,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "plain" => Self::Plain,
            "cache2k" => Self::Cache2k,
            "arc" => Self::Arc,
            "lirs" => Self::Lirs,
            "sized" => Self::Sized,
            _ => {
                let names = "plain, cache2k, arc, lirs, sized";
                return Err(format!("unknown format {name:?}: the formats are {names}"));
            }
        })
    }
}

/// Requests in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) keys: Vec<u64>,
    /// For each request the size of what is asked for, if the format has sizes.
    pub(crate) sizes: Option<Vec<usize>>,
}

/// Reads a trace.
pub(crate) fn parse(format: Format, bytes: &[u8]) -> Result<Trace, String> {
    if let Some(program) = compressed(bytes) {
        return Err(format!("it is compressed: `{program} -dc FILE > trace` makes what is needed"));
    }
    let trace = match format {
        Format::Cache2k => cache2k(bytes)?,
        Format::Plain => plain(bytes)?,
        Format::Arc => arc(bytes)?,
        Format::Lirs => lirs(bytes)?,
        Format::Sized => sized(bytes)?,
    };
    if trace.keys.is_empty() {
        return Err("there is no request in it".to_owned());
    }
    Ok(trace)
}

fn compressed(bytes: &[u8]) -> Option<&'static str> {
    let magics: [(&[u8], _); 3] =
        [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8b\x08", "gzip")];
    magics.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, program)| program)
}

fn cache2k(bytes: &[u8]) -> Result<Trace, String> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        let (at, left) = (bytes.len() - rest.len(), rest.len());
        return Err(format!("byte {at}: only {left} of the 4 bytes of a request are there"));
    }
    let keys = numbers.iter().map(|number| u64::from(u32::from_be_bytes(*number))).collect();
    Ok(Trace { keys, sizes: None })
}

fn plain(bytes: &[u8]) -> Result<Trace, String> {
    let mut numbers = HashMap::new();
    let mut keys = Vec::new();
    for line in lines(bytes) {
        let line = line?;
        let new = numbers.len() as u64;
        keys.push(*numbers.entry(line.text).or_insert(new));
    }
    Ok(Trace { keys, sizes: None })
}

fn arc(bytes: &[u8]) -> Result<Trace, String> {
    let mut keys = Vec::new();
    for line in lines(bytes) {
        let line = line?;
        let [first, count, _, _] =
            line.numbers("first block, number of blocks, 0, request number")?;
        let room = (MOST - keys.len()) as u64;
        let end = first.checked_add(count).filter(|_| (1..=room).contains(&count));
        let end = end.ok_or_else(|| line.error(&format!("{count} blocks from {first} on")))?;
        keys.extend(first..end);
    }
    Ok(Trace { keys, sizes: None })
}

fn lirs(bytes: &[u8]) -> Result<Trace, String> {
    let mut keys = Vec::new();
    for line in lines(bytes) {
        let line = line?;
        if line.text != "*" {
            let [block] = line.numbers("a block number or *")?;
            keys.push(block);
        }
    }
    Ok(Trace { keys, sizes: None })
}

fn sized(bytes: &[u8]) -> Result<Trace, String> {
    let (mut keys, mut sizes) = (Vec::new(), Vec::new());
    for line in lines(bytes) {
        let line = line?;
        let [_, id, size] = line.numbers("time, id, size")?;
        keys.push(id);
        sizes.push(usize::try_from(size).map_err(|_| line.error("a size beyond all memory"))?);
    }
    Ok(Trace { keys, sizes: Some(sizes) })
}

struct Line<'a> {
    number: usize,
    text: &'a str,
}

/// The lines, without white space around them. An empty one is an error: something is missing there.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Result<Line<'_>, String>> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let count = if bytes.is_empty() { 0 } else { usize::MAX };
    body.split(|&byte| byte == b'\n').take(count).enumerate().map(|(index, line)| {
        let number = index + 1;
        let text = std::str::from_utf8(line).map_err(|error| {
            format!("line {number}: not text from its byte {} on", error.valid_up_to())
        })?;
        match text.trim() {
            "" => Err(format!("line {number}: it is empty")),
            text => Ok(Line { number, text }),
        }
    })
}

impl Line<'_> {
    fn numbers<const N: usize>(&self, expected: &str) -> Result<[u64; N], String> {
        let mut numbers = [0; N];
        let mut words = self.text.split_ascii_whitespace();
        for number in &mut numbers {
            let word = words.next().and_then(|word| word.parse().ok());
            *number = word.ok_or_else(|| self.unexpected(expected))?;
        }
        match words.next() {
            None => Ok(numbers),
            Some(_) => Err(self.unexpected(expected)),
        }
    }

    fn unexpected(&self, expected: &str) -> String {
        let start: String = self.text.chars().take(40).collect();
        self.error(&format!("{start:?} where {expected} should be"))
    }

    fn error(&self, message: &str) -> String {
        format!("line {}: {message}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(format: Format, bytes: &[u8]) -> Vec<u64> {
        parse(format, bytes).unwrap().keys
    }

    #[test]
    fn each_format_is_read() {
        assert_eq!(keys(Format::Plain, b"a\nb c\na"), [0, 1, 0]);
        assert_eq!(keys(Format::Cache2k, &[0, 0, 0, 1, 0xff, 0, 0, 0]), [1, 0xff00_0000]);
        assert_eq!(keys(Format::Arc, b"5 3 0 0\n5 1 0 1\n"), [5, 6, 7, 5]);
        assert_eq!(keys(Format::Lirs, b"*\r\n7\r\n8\r\n*\r\n7\r\n"), [7, 8, 7]);
        let sized = parse(Format::Sized, b"1 7 100\n2 8 0\n").unwrap();
        assert_eq!(sized, Trace { keys: vec![7, 8], sizes: Some(vec![100, 0]) });
    }

    #[test]
    fn garbled_traces_are_errors_that_say_where() {
        let cases: [(Format, &[u8], &str); 13] = [
            (Format::Plain, b"", "no request"),
            (Format::Plain, b"\n", "line 1: it is empty"),
            (Format::Plain, b"a\n\nb\n", "line 2: it is empty"),
            (Format::Plain, b"a\nb\xff\n", "line 2: not text from its byte 1 on"),
            (Format::Cache2k, &[0, 0, 0, 1, 9], "byte 4: only 1 of the 4"),
            (Format::Arc, b"1 1 0 0\n1 1 0\n", "line 2: \"1 1 0\""),
            (Format::Arc, b"1 1 0 0 0\n", "line 1"),
            (Format::Arc, b"1 0 0 0\n", "line 1: 0 blocks from 1 on"),
            (Format::Arc, b"1 99999999999 0 0\n", "line 1: 99999999999 blocks"),
            (Format::Arc, b"18446744073709551615 9 0 0\n", "line 1: 9 blocks"),
            (Format::Lirs, b"*\n-1\n", "line 2: \"-1\" where a block number or *"),
            (Format::Lirs, b"*\n", "no request"),
            (Format::Sized, b"1 2 3\n1 2 x\n", "line 2: \"1 2 x\""),
        ];
        for (format, bytes, says) in cases {
            let error = parse(format, bytes).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_compressed_trace_is_refused_with_the_command_that_helps() {
        for (magic, program) in [
            (&b"\xfd7zXZ\0\0"[..], "xz"),
            (b"\x28\xb5\x2f\xfd ", "zstd"),
            (b"\x1f\x8b\x08 ", "gzip"),
        ] {
            let error = parse(Format::Cache2k, magic).unwrap_err();
            assert!(error.contains(&format!("{program} -dc")), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes: Vec<u8>, text in "[0-9 *\n-]{0,60}") {
            for format in
                [Format::Plain, Format::Cache2k, Format::Arc, Format::Lirs, Format::Sized]
            {
                let _ = parse(format, &bytes);
                // Counts of blocks are kept short by the pattern's length, not by luck.
                if format != Format::Arc {
                    let _ = parse(format, text.as_bytes());
                }
            }
        }
    }
}
