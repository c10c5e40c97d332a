//! What comes out is what went in, byte by byte.

use super::super::ground::{Ground, Verdict, applied, login, same, session_of, setting, subject};
use crate::record::Device;

super::checks![
    values_are_kept_byte_by_byte,
    names_are_kept_byte_by_byte,
    devices_are_kept_byte_by_byte,
    a_full_session_is_kept,
];

async fn values_are_kept_byte_by_byte(ground: Ground) -> Verdict {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let long = format!("\"{}\"", "x".repeat(30_000));
    let values = [
        "null",
        "true",
        "0",
        "-0",
        "1.0",
        "1.10",
        "1e400",
        "1E+2",
        "-1e-7",
        "12345678901234567890123456789",
        "9007199254740993",
        "0.1000000000000000055511151231257827",
        "\"\"",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\ud83d\\ude00\"",
        "\"\u{1F600}\"",
        "\"\\\"\"",
        "\"'\"",
        "\"\\\\\"",
        "\"\\/\"",
        "\"$1\"",
        "\"%s\"",
        "\"\u{7f}\u{2028}\"",
        "\"e\u{301} \u{e9}\"",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1,\"a\":2}",
        "{ \"a\" : [ 1 , 2 ] }",
        "[]",
        "{}",
        "[1,\n\t2]",
        "\"--\"",
        "\"';DROP TABLE x\"",
        deep.as_str(),
        long.as_str(),
    ];
    for json in values {
        let key = ground.stranger(&[("created", json)]).await?;
        applied(&ground.set(&key, "patched", json).await?)?;
        ground.holds(&key, &[("created", json), ("patched", json)]).await?;
        ground.store.delete(&key).await?;
    }
    Ok(())
}

async fn names_are_kept_byte_by_byte(ground: Ground) -> Verdict {
    let long = "n".repeat(128);
    let names = [
        "a",
        "A",
        "a.b",
        "a b",
        " a",
        "a ",
        "a'b",
        "a\"b",
        "a\\b",
        "$",
        "$1",
        "$.a",
        "a:b",
        ":",
        "{a}",
        "{}",
        "[0]",
        "*",
        "%",
        "_",
        "-1",
        "0",
        "00",
        "null",
        "__proto__",
        "constructor",
        "version",
        "created",
        "subject",
        "expires",
        "é",
        "e\u{301}",
        "\u{1F600}",
        "\u{202e}",
        "a,b",
        "a/b",
        "~1",
        "#",
        "?",
        "@",
        long.as_str(),
    ];
    let values: Vec<_> = names.iter().enumerate().map(|(n, name)| (*name, n.to_string())).collect();
    let values: Vec<_> = values.iter().map(|(name, json)| (*name, json.as_str())).collect();
    let created = ground.stranger(&values).await?;
    ground.holds(&created, &values).await?;
    let key = ground.stranger(&[]).await?;
    for (name, json) in &values {
        applied(&ground.set(&key, name, json).await?)?;
    }
    ground.holds(&key, &values).await?;
    let mut left = values;
    while let Some((name, _)) = left.pop() {
        let patch = super::super::ground::removing(&[name]);
        let limits = crate::record::Limits::default();
        applied(&ground.store.patch(&key, &patch, crate::store::Guard::Exists, limits).await?)?;
        ground.holds(&key, &left).await?;
    }
    Ok(())
}

async fn devices_are_kept_byte_by_byte(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let texts = [
        None,
        Some(""),
        Some("null"),
        Some("a:b|c\n"),
        Some("\"'\\"),
        Some("\u{1F600} e\u{301}"),
        Some("{\"a\":1}"),
        Some("\u{1}\u{7f}"),
    ];
    for text in texts {
        let text = text.map(str::to_owned);
        for turn in 0..3 {
            let pick = |nth| if turn == nth { text.clone() } else { None };
            let device = Device { label: pick(0), agent: pick(1), network: pick(2) };
            let mut login = login(&alice);
            login.device = device.clone();
            let key = ground.key_at(alice.tag);
            ground.store.create(&key, &session_of(login)).await?;
            same("the device", &device, &ground.found(&key).await?.record.device)?;
            let listed = ground.list(&alice).await?.into_iter().map(|listed| listed.device);
            same("the device in the list", &vec![device], &listed.collect())?;
            ground.store.delete(&key).await?;
        }
    }
    Ok(())
}

async fn a_full_session_is_kept(ground: Ground) -> Verdict {
    let names: Vec<_> = (0..128).map(|n| format!("name{n:04}")).collect();
    // 128 of 8 and 504 bytes: 64 KiB to the byte.
    let json = format!("\"{}\"", "v".repeat(502));
    let values: Vec<_> = names.iter().map(|name| (name.as_str(), json.as_str())).collect();
    let key = ground.stranger(&values).await?;
    ground.holds(&key, &values).await?;
    let other = ground.stranger(&[]).await?;
    let (patch, limits) = (setting(&values), crate::record::Limits::default());
    applied(&ground.store.patch(&other, &patch, crate::store::Guard::Exists, limits).await?)?;
    ground.holds(&other, &values).await
}
