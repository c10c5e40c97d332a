use super::*;

#[test]
fn a_server_that_takes_nobody_in_says_whether_it_is_worth_asking_again() {
    // Password, role, database, a database without connections, an unknown parameter.
    for code in ["28P01", "28000", "3D000", "55000", "42704", "22023"] {
        assert_eq!(refused(code), Fault::Denied, "{code}");
    }
    // Starting, shutting down, full, out of memory, internal error.
    for code in ["57P03", "57P01", "53300", "53200", "XX000", "58030"] {
        assert_eq!(refused(code), Fault::Unavailable, "{code}");
    }
    assert_eq!(refused("08P01"), Fault::Unreachable);
}

#[test]
fn what_ends_the_connection_is_no_error_of_the_statement() {
    let ended = ["57P01", "57P02", "57P04", "57P05", "25P03", "08006", "08P01", "08003", "40003"];
    for code in ended {
        assert_eq!(meaning(code, false), Fault::Broken, "{code}");
        assert_eq!(meaning(code, true), Fault::Broken, "{code}");
    }
    assert_eq!(meaning("XX000", true), Fault::Broken);
    assert_eq!(meaning("57P03", true), Fault::Unavailable);
    assert_eq!(meaning("53300", true), Fault::Unavailable);
    assert_eq!(meaning("28P01", true), Fault::Denied);
    assert_eq!(meaning("3D000", true), Fault::Denied);
}

#[test]
fn a_recovery_conflict_ends_the_statement_or_the_connection() {
    assert_eq!(meaning("40001", false), Fault::Conflict);
    assert_eq!(meaning("40001", true), Fault::Broken);
}

#[test]
fn what_a_statement_did_wrong_is_an_error_of_the_statement() {
    // Unique, syntax, cancelled, aborted, disk full, lock not available, role that does not exist.
    for code in ["23505", "42601", "57014", "25P02", "53100", "55P03", "28000", "3D000", "XX001"] {
        assert_eq!(meaning(code, false), Fault::Statement, "{code}");
    }
    assert_eq!(meaning("40P01", false), Fault::Conflict);
    assert_eq!(meaning("25006", false), Fault::ReadOnly);
    assert_eq!(meaning("", false), Fault::Statement);
}

#[test]
fn what_the_driver_says_is_told_apart_by_its_words() {
    let named = [
        ("error encoding message to server", Kind::Unsent),
        ("error serializing parameter 0", Kind::Unsent),
        ("expected 1 parameters but got 2", Kind::Unsent),
        ("query returned an unexpected number of rows", Kind::Answer),
        ("query returned an unexpected number of columns", Kind::Answer),
        ("error deserializing column 3", Kind::Answer),
        ("invalid column `x`", Kind::Answer),
        ("error performing TLS handshake", Kind::Tls),
        ("authentication error", Kind::Authentication),
        ("invalid configuration", Kind::Config),
        ("connection closed", Kind::Other),
        ("error communicating with the server", Kind::Other),
    ];
    for (words, kind) in named {
        assert_eq!(Kind::named(words), kind, "{words}");
    }
}

#[test]
fn nothing_that_was_carried_out_is_called_refused() {
    assert_eq!(PgError::Unconfirmed.fault(), Fault::Unconfirmed);
    assert_eq!(PgError::Ended.fault(), Fault::Unconfirmed);
    let lost = PgError::Unintelligible("x").after_the_fact();
    assert_eq!(lost.fault(), Fault::Broken);
    assert_eq!(PgError::Aborted.after_the_fact().fault(), Fault::Unconfirmed);
    // Of several statements, those before may have been carried out.
    assert_eq!(PgError::Unsent(None).fault(), Fault::Unreachable);
    assert_eq!(PgError::Unsent(None).among_others().fault(), Fault::Broken);
    // A replica has carried nothing out.
    assert_eq!(PgError::InRecovery.after_the_fact().fault(), Fault::ReadOnly);
}
