//! What a cache scored, and how that differs from what was expected.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;

use serde_json::Value;

/// How much a case matters to the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A cache that fails it breaks a rule.
    Required,
    /// A good cache passes it.
    Optimal,
    /// There is no right answer: it tells what the cache does.
    Check,
}

/// How a case ended, by the suite's own grading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// A [`Kind::Check`]: it does.
    Yes,
    /// A [`Kind::Check`]: it does not.
    No,
    /// What had to happen before the question could be asked did not happen.
    Setup,
    /// A case that it builds on did not pass, so this one says nothing.
    Dependency,
    /// The origin saw a request twice.
    Retry,
    /// The suite itself failed.
    Harness,
    /// It did not run.
    Untested,
}

const KINDS: [(Kind, &str); 3] =
    [(Kind::Required, "required"), (Kind::Optimal, "optimal"), (Kind::Check, "check")];

const VERDICTS: [(Verdict, &str); 9] = [
    (Verdict::Pass, "pass"),
    (Verdict::Fail, "fail"),
    (Verdict::Yes, "yes"),
    (Verdict::No, "no"),
    (Verdict::Setup, "setup"),
    (Verdict::Dependency, "dependency"),
    (Verdict::Retry, "retry"),
    (Verdict::Harness, "harness"),
    (Verdict::Untested, "untested"),
];

/// The word of `value` in `table`, which holds every value.
fn word<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    table.iter().find(|(known, _)| known == value).map_or("?", |(_, word)| word)
}

fn value<T: Copy>(table: &[(T, &'static str)], word: &str) -> Option<T> {
    table.iter().find(|(_, known)| *known == word).map(|(value, _)| *value)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&KINDS, self))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&VERDICTS, self))
    }
}

/// The graded cases of one run, by their ids.
///
/// As text it is one line a case, sorted: `ID KIND VERDICT`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grades(BTreeMap<String, (Kind, Verdict)>);

/// A line or an entry that is no graded case.
#[derive(Debug)]
pub struct NoGrade(String);

impl fmt::Display for NoGrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not the grade of a case", self.0)
    }
}

impl Error for NoGrade {}

impl Grades {
    /// From the lines that its display form has.
    ///
    /// # Errors
    ///
    /// [`NoGrade`] with the first line that has another form, or an id that was there before.
    pub fn parse(text: &str) -> Result<Grades, NoGrade> {
        let mut grades = Grades::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let case = (words.next(), words.next(), words.next(), words.next());
            let (Some(id), Some(kind), Some(verdict), None) = case else {
                return Err(NoGrade(line.to_owned()));
            };
            if grades.0.contains_key(id) {
                return Err(NoGrade(line.to_owned()));
            }
            grades.insert(id, kind, verdict)?;
        }
        Ok(grades)
    }

    /// From `{id: {kind, result}}`, which `grade.mjs` prints.
    pub(super) fn from_json(json: &Value) -> Result<Grades, NoGrade> {
        let cases = json.as_object().ok_or_else(|| NoGrade(json.to_string()))?;
        let mut grades = Grades::default();
        for (id, case) in cases {
            let word = |name: &str| case[name].as_str().unwrap_or_default();
            grades.insert(id, word("kind"), word("result"))?;
        }
        Ok(grades)
    }

    fn insert(&mut self, id: &str, kind: &str, verdict: &str) -> Result<(), NoGrade> {
        let (Some(kind), Some(verdict)) = (value(&KINDS, kind), value(&VERDICTS, verdict)) else {
            return Err(NoGrade(format!("{id} {kind} {verdict}")));
        };
        self.0.insert(id.to_owned(), (kind, verdict));
        Ok(())
    }

    /// The required cases that do not pass, sorted by name.
    #[must_use]
    pub fn required_that_fail(&self) -> Vec<&str> {
        let fails = |(_, (kind, verdict)): &(&String, &(Kind, Verdict))| {
            *kind == Kind::Required && *verdict != Verdict::Pass
        };
        self.0.iter().filter(fails).map(|(id, _)| id.as_str()).collect()
    }

    /// How many cases of each kind there are, and how many of them passed.
    #[must_use]
    pub fn score(&self) -> Score {
        let count = |kind, verdict: Option<Verdict>| {
            let cases = self.0.values().filter(|(of, _)| *of == kind);
            cases.filter(|(_, is)| verdict.is_none_or(|verdict| verdict == *is)).count()
        };
        Score {
            required: count(Kind::Required, Some(Verdict::Pass)),
            of_required: count(Kind::Required, None),
            optimal: count(Kind::Optimal, Some(Verdict::Pass)),
            of_optimal: count(Kind::Optimal, None),
            yes: count(Kind::Check, Some(Verdict::Yes)),
            of_check: count(Kind::Check, None),
        }
    }

    /// Every case that is not as in `expected`, better or worse, new or gone.
    #[must_use]
    pub fn differences(&self, expected: &Grades) -> Vec<Difference> {
        let ids: BTreeSet<&String> = self.0.keys().chain(expected.0.keys()).collect();
        ids.into_iter()
            .map(|id| Difference {
                id: id.clone(),
                expected: expected.0.get(id).copied(),
                found: self.0.get(id).copied(),
            })
            .filter(|difference| difference.expected != difference.found)
            .collect()
    }
}

impl fmt::Display for Grades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, (kind, verdict)) in &self.0 {
            writeln!(f, "{id} {kind} {verdict}")?;
        }
        Ok(())
    }
}

/// The sums of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Score {
    /// Required cases that passed.
    pub required: usize,
    /// Required cases there are.
    pub of_required: usize,
    /// Optimal cases that passed.
    pub optimal: usize,
    /// Optimal cases there are.
    pub of_optimal: usize,
    /// Checks that were answered with yes.
    pub yes: usize,
    /// Checks there are.
    pub of_check: usize,
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Score { required, of_required, optimal, of_optimal, yes, of_check } = self;
        write!(f, "required {required} of {of_required}, optional {optimal} of {of_optimal}")?;
        write!(f, ", checks answered yes {yes} of {of_check}")
    }
}

/// One case that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The case.
    pub id: String,
    /// What was expected of it; `None` for a case that nobody knew.
    pub expected: Option<(Kind, Verdict)>,
    /// What it did; `None` for a case that is gone.
    pub found: Option<(Kind, Verdict)>,
}

impl Difference {
    /// Whether it says something itself. A case that only waits for another does not.
    pub(super) fn is_root(&self) -> bool {
        self.found.is_some_and(|(_, verdict)| verdict != Verdict::Dependency)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |case: Option<(Kind, Verdict)>| {
            case.map_or_else(|| "nothing".to_owned(), |(kind, is)| format!("{kind} {is}"))
        };
        let (expected, found) = (told(self.expected), told(self.found));
        write!(f, "{}: expected {expected}, found {found}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a required pass\nb required fail\nc optimal pass\nd check no\n\
                        e required dependency\n";

    fn differences(found: &str) -> Vec<String> {
        let expected = Grades::parse(TEXT).unwrap();
        let found = Grades::parse(found).unwrap();
        found.differences(&expected).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_results_do_not_differ() {
        assert_eq!(differences(TEXT), [""; 0]);
    }

    #[test]
    fn control_one_result_turned_around_is_reported_whichever_way() {
        let turned = TEXT.replace("a required pass", "a required fail");
        assert_eq!(differences(&turned), ["a: expected required pass, found required fail"]);
        let turned = TEXT.replace("b required fail", "b required pass");
        assert_eq!(differences(&turned), ["b: expected required fail, found required pass"]);
        let turned = TEXT.replace("d check no", "d check yes");
        assert_eq!(differences(&turned), ["d: expected check no, found check yes"]);
    }

    #[test]
    fn control_a_case_that_is_new_or_gone_or_of_another_kind_is_reported() {
        let gone = TEXT.replace("c optimal pass\n", "");
        assert_eq!(differences(&gone), ["c: expected optimal pass, found nothing"]);
        let new = format!("{TEXT}f check yes\n");
        assert_eq!(differences(&new), ["f: expected nothing, found check yes"]);
        let other = TEXT.replace("c optimal pass", "c required pass");
        assert_eq!(differences(&other), ["c: expected optimal pass, found required pass"]);
    }

    #[test]
    fn only_what_passed_counts() {
        let score = Grades::parse(TEXT).unwrap().score();
        assert_eq!((score.required, score.of_required), (1, 3));
        assert_eq!((score.optimal, score.of_optimal), (1, 1));
        assert_eq!((score.yes, score.of_check), (0, 1));
    }

    #[test]
    fn text_and_json_are_read_back_as_written() {
        let grades = Grades::parse(TEXT).unwrap();
        assert_eq!(grades.to_string(), TEXT);
        let json = serde_json::json!({ "a": { "kind": "check", "result": "setup" } });
        assert_eq!(Grades::from_json(&json).unwrap().to_string(), "a check setup\n");
    }

    #[test]
    fn what_is_no_grade_is_an_error() {
        for text in ["a required", "a required pass b", "a needed pass", "a required ✅", "a", ""]
        {
            let text = format!("{text}\n");
            assert!(Grades::parse(&text).is_err(), "{text}");
        }
        assert!(Grades::parse("a check no\na check yes\n").is_err());
        let json = serde_json::json!({ "a": { "kind": "check", "result": "?" } });
        assert!(Grades::from_json(&json).is_err());
        assert!(Grades::from_json(&Value::Null).is_err());
    }
}
