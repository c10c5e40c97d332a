use super::*;

fn ring(version: u8) -> Keys {
    Keys::new(version, &[version; 32]).unwrap().tagged_by(&[0x7a; 32]).unwrap()
}

fn mint(keys: &Keys) -> String {
    keys.mint(0, Tag::default()).unwrap().text()
}

fn believes(keys: &Keys, text: &str) -> bool {
    keys.verify(text.as_bytes()).is_some()
}

#[test]
fn an_old_key_is_accepted_until_it_is_removed_and_never_signs() {
    let old = mint(&ring(1));
    let both = ring(2).also(ring(1)).unwrap();
    let new = mint(&both);
    assert!(believes(&both, &old) && believes(&both, &new));
    assert!(believes(&ring(2), &new), "the first key signs");
    assert!(!believes(&ring(1), &new));
    assert!(!believes(&ring(2), &old), "the old one is gone");
}

/// How many tokens are refused while two processes take the steps, one process after the other.
fn refused(steps: &[Keys]) -> usize {
    let mut refused = 0;
    for pair in steps.windows(2) {
        let [before, after] = pair else { unreachable!() };
        for (signs, verifies) in [(before, after), (after, before)] {
            refused += usize::from(!believes(verifies, &mint(signs)));
        }
    }
    refused
}

#[test]
fn changing_the_key_in_three_steps_refuses_nobody() {
    let accepts = ring(1).also(ring(2)).unwrap();
    let signs = ring(2).also(ring(1)).unwrap();
    assert_eq!(refused(&[ring(1), accepts, signs.clone(), ring(2)]), 0);
    // The control: without the first step some processes do not know the key that others sign with, and without
    // the second neither knows the other's.
    assert_eq!(refused(&[ring(1), signs, ring(2)]), 1);
    assert_eq!(refused(&[ring(1), ring(2)]), 2);
}

#[test]
fn a_token_of_one_key_under_the_version_of_another_is_not_believed() {
    let both = ring(2).also(ring(1)).unwrap();
    let stolen_from = |version, under| {
        let bytes = fields(under).bytes();
        let whole = ring(version).sign(&fields(version)).whole;
        text::encode(&text::join(&bytes, text::split(&whole).1))
    };
    assert!(both.verify(&stolen_from(1, 1)).is_some(), "the control: its own version");
    assert!(both.verify(&stolen_from(1, 2)).is_none());
    assert!(both.verify(&stolen_from(2, 1)).is_none());
    assert!(both.verify(&stolen_from(2, 3)).is_none(), "a version that nobody has");
}

#[test]
fn a_subject_keeps_its_tag_when_keys_change() {
    let tag = ring(1).subject("ada").tag;
    assert_eq!(ring(2).also(ring(1)).unwrap().subject("ada").tag, tag);
    assert_eq!(ring(2).subject("ada").tag, tag);
    assert_ne!(ring(2).subject("bob").tag, tag);
    // The first key's own secret can go on to make the tags, too.
    let first = Keys::new(1, &[1; 32]).unwrap();
    let second = Keys::new(2, &[2; 32]).unwrap().tagged_by(&[1; 32]).unwrap();
    assert_eq!(second.subject("ada").tag, first.subject("ada").tag);
    assert!(second.also(first).is_ok());
}

#[test]
fn rings_that_would_move_every_subject_are_not_put_together() {
    let [first, second] = [1, 2].map(|version| Keys::new(version, &[version; 32]).unwrap());
    assert_ne!(first.subject("ada").tag, second.subject("ada").tag);
    assert!(matches!(second.also(first), Err(KeyError::Tags)));
}

#[test]
fn two_keys_of_one_version_are_refused() {
    let other = Keys::new(1, &[9; 32]).unwrap().tagged_by(&[0x7a; 32]).unwrap();
    for again in [ring(1), other, ring(3).also(ring(1)).unwrap()] {
        let both = ring(2).also(ring(1)).unwrap().also(again);
        assert!(matches!(both, Err(KeyError::Duplicate { version: 1 })), "{both:?}");
    }
}

#[test]
fn a_short_secret_is_refused_and_its_length_named() {
    for error in [Keys::new(1, &[0; 31]).unwrap_err(), ring(1).tagged_by(&[0; 31]).unwrap_err()] {
        assert!(matches!(error, KeyError::TooShort { bytes: 31 }));
        assert!(error.to_string().contains("31"), "{error}");
    }
    assert!(Keys::new(1, &[0; 32]).is_ok());
}

#[test]
fn verifying_allocates_nothing() {
    let keys = ring(2).also(ring(1)).unwrap();
    let texts = [mint(&keys), mint(&ring(1)), mint(&ring(3)), "id".to_owned()];
    let info = allocation_counter::measure(|| {
        let believed = texts.iter().filter(|text| believes(&keys, text)).count();
        assert_eq!(believed, 2);
    });
    assert_eq!(info.count_total, 0);
    // The control: a text of its own does.
    assert!(allocation_counter::measure(|| drop(mint(&keys))).count_total > 0);
}
