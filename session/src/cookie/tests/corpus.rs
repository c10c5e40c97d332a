//! Cookie headers that have led other parsers astray. `A` and `B` stand for tokens that are valid, `F` and `G` for
//! forged ones, `N` for the name.

use super::scan::{NAME, Outcome, forged, found, headers};
use super::token;

const NONE: &[&[&[u8]]] = &[
    &[],
    &[b""],
    &[b";"],
    &[b"="],
    &[b"=A"],
    &[b"A"],
    &[b"N"],
    &[b"N="],
    &[b"N=;"],
    &[b"N=\""],
    &[b"N=\"\""],
    &[b"N=\"A"],
    &[b"N=A\""],
    &[b"N='A'"],
    &[b"N=\"\"A\"\""],
    // Another name.
    &[b"n=A"],
    &[b"NN=A"],
    &[b"N-2=A"],
    &[b"xN=A"],
    &[b"=N=A"],
    &[b"N =A"],
    &[b"N\t=A"],
    &[b"\"N\"=A"],
    &[b"__Host-\xc3\xafd=A"],
    &[b"\xa0N=A"],
    &[b"\xe2\x80\x80N=A"],
    &[b"__HOST-ID=A"],
    &[b"id=A"],
    &[b"__Secure-id=A"],
    &[b"%5F_Host-id=A"],
    &[b"$Version=1, N=A"],
    &[b"$N=A"],
    // Another value.
    &[b"N= A"],
    &[b"N=\" A\""],
    &[b"N==A"],
    &[b"N=A="],
    &[b"N=A,B"],
    &[b"N=A, N=A"],
    &[b"N=A N=A"],
    &[b"N=A\\"],
    &[b"N=A\x80"],
    &[b"N=\xefA"],
    &[b"N=AB"],
    &[b"N=F"],
    &[b"N=F; N=G"],
    &[b"N=F", b"N=G"],
];

const A: &[&[&[u8]]] = &[
    &[b"N=A"],
    &[b" N=A "],
    &[b"\tN=A\t;"],
    &[b";N=A"],
    &[b";;;N=A;;;"],
    &[b"N=\"A\""],
    &[b"x=1;N=A;y=2"],
    &[b"x; N=A"],
    &[b"=x; N=A"],
    &[b"x=; N=A"],
    &[b"N=; N=A"],
    &[b"N=x; N=A"],
    &[b"N; N=A"],
    // What is not UTF-8, or no cookie at all, hides nothing.
    &[b"x=\xff\xfe; N=A"],
    &[b"\xc3; N=A; \xc3"],
    &[b"x={\"a\":[1, 2]}; N=A"],
    // A quote protects no semicolon: `x` cannot swallow ours, and neither can it be hidden in `x`.
    &[b"x=\"; N=A"],
    &[b"x=\"1; N=A; y=2\""],
    &[b"x=\\\"; N=A"],
    &[b"$Version=1; x=\"; N=A; y=\""],
    // The same again.
    &[b"N=A; N=A"],
    &[b"N=A; N=\"A\""],
    &[b"N=A", b"N=A"],
    &[b"N=A; N=A; N=A; N=A; N=A; N=A"],
    // Beside what nobody signed.
    &[b"N=F; N=A"],
    &[b"N=A; N=F"],
    &[b"N=F; N=G; N=A; N=A"],
    &[b"n=B; N=A"],
    &[b"id=B; N=A"],
    // Several lines.
    &[b"x=1", b"N=A", b"y=2"],
    &[b"", b"N=A"],
    &[b"x=\"", b"N=A"],
    &[b"\xff", b"N=A"],
];

const AMBIGUOUS: &[&[&[u8]]] = &[
    &[b"N=A; N=B"],
    &[b"N=B; N=A"],
    &[b"N=A; N=\"B\""],
    &[b"N=A", b"N=B"],
    &[b"N=A; N=A; N=B"],
    &[b"N=F; N=A; N=G; N=B"],
    &[b"x=\"; N=A; N=B; y=\""],
];

fn filled(line: &[u8]) -> Vec<u8> {
    let fill = |byte: &u8| match byte {
        b'A' => token(1).text().into_bytes(),
        b'B' => token(2).text().into_bytes(),
        b'F' => forged(1).into_bytes(),
        b'G' => forged(2).into_bytes(),
        b'N' => NAME.into(),
        other => vec![*other],
    };
    line.iter().flat_map(fill).collect()
}

#[test]
fn nasty_headers_are_read_like_plain_ones() {
    let expected =
        [(NONE, Outcome::None), (A, Outcome::One(token(1).key())), (AMBIGUOUS, Outcome::Ambiguous)];
    for (cases, expected) in expected {
        for lines in cases {
            let shown: Vec<_> = lines.iter().map(|line| line.escape_ascii().to_string()).collect();
            let lines: Vec<_> = lines.iter().map(|line| filled(line)).collect();
            assert_eq!(found(&headers(&lines)), expected, "{shown:?}");
        }
    }
}
