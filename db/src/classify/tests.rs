use proptest::prelude::*;

use super::*;

fn intent(statement: &str) -> Intent {
    Classifier::new().intent(statement)
}

#[test]
fn the_list_of_functions_is_sorted() {
    assert!(functions::HARMLESS.is_sorted());
}

#[test]
fn plain_selects_are_reads() {
    for statement in [
        "select 1",
        "SELECT id, name FROM users WHERE id = $1 ORDER BY name LIMIT 10",
        "SELECT count(*), max(created) FROM events GROUP BY kind HAVING count(*) > 3",
        "WITH recent AS (SELECT * FROM events WHERE at > now()) SELECT * FROM recent",
        "SELECT a FROM t UNION ALL SELECT b FROM u",
        "SELECT * FROM generate_series(1, 10)",
        "SELECT u.name FROM users u JOIN favourites f ON f.user_id = u.id WHERE EXISTS (SELECT 1)",
        "VALUES (1, 2), (3, 4)",
        "SELECT lower(pg_catalog.upper(name)) FROM users",
        "SELECT row_number() OVER (PARTITION BY kind ORDER BY at) FROM events",
    ] {
        assert_eq!(intent(statement), Intent::Read, "{statement}");
    }
}

#[test]
fn whatever_may_write_lock_or_is_not_understood_is_a_write() {
    for statement in [
        "",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "WITH gone AS (DELETE FROM jobs RETURNING *) SELECT * FROM gone",
        "WITH new AS (INSERT INTO t VALUES (1) RETURNING id) SELECT id FROM new",
        "SELECT * FROM jobs FOR UPDATE",
        "SELECT * FROM jobs FOR NO KEY UPDATE",
        "SELECT * FROM jobs FOR SHARE SKIP LOCKED",
        "SELECT * FROM (SELECT * FROM jobs FOR UPDATE) AS held",
        "SELECT * INTO copy FROM users",
        "SELECT nextval('ids')",
        "SELECT * FROM nextval('ids')",
        "SELECT a FROM t WHERE id = nextval('ids')",
        "SELECT a FROM t ORDER BY setval('ids', 1)",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_notify('a', 'b')",
        "SELECT set_config('a', 'b', false)",
        "SELECT my_function(1)",
        "SELECT \"lower\"('A')",
        "SELECT count(*) FILTER (WHERE nextval('ids') > 1) FROM t",
        "SELECT 1; DELETE FROM t",
        "EXPLAIN ANALYZE DELETE FROM t",
        "BEGIN",
        "SET search_path = a",
        "LISTEN channel",
        "COPY t TO STDOUT",
        "CREATE TABLE t (a int)",
        "TRUNCATE t",
        "CALL procedure()",
        "this is not SQL",
    ] {
        assert_eq!(intent(statement), Intent::Write, "{statement}");
    }
}

#[test]
fn a_function_can_be_allowed_by_name() {
    let classifier = Classifier::new().allow("Price_Of");
    assert_eq!(classifier.intent("SELECT shop.PRICE_OF(1)"), Intent::Read);
    assert_eq!(classifier.intent("SELECT other(1)"), Intent::Write);
}

#[test]
fn statements_that_nest_deep_or_are_long_do_not_hurt() {
    let chain = format!("SELECT 1{}", "+1".repeat((LONGEST - 8) / 2));
    let _ = intent(&chain);
    let nested = format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000));
    assert_eq!(intent(&nested), Intent::Write);
    let long = format!("SELECT '{}'", "a".repeat(LONGEST));
    assert_eq!(intent(&long), Intent::Write);
}

#[test]
fn what_it_remembers_is_bounded() {
    let classifier = Classifier::new();
    for number in 0..2 * REMEMBERED {
        assert_eq!(classifier.intent(&format!("SELECT {number}")), Intent::Read);
    }
    assert_eq!(classifier.known.read().unwrap().len(), REMEMBERED);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = intent(&text);
    }

    #[test]
    fn no_statement_with_a_writing_verb_inside_is_a_read(
        verb in prop::sample::select(vec!["INSERT INTO t VALUES (1)", "UPDATE t SET a = 1", "DELETE FROM t"]),
        depth in 0usize..4,
    ) {
        let mut statement = format!("WITH w AS ({verb} RETURNING 1) SELECT * FROM w");
        for level in 0..depth {
            statement = format!("SELECT * FROM ({statement}) AS s{level}");
        }
        prop_assert_eq!(intent(&statement), Intent::Write);
    }
}
