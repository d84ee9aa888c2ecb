//! What a check found, for people and for scripts.

use serde_json::{Value, json};

use crate::cli::output;

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What was seen.
    pub(super) found: String,
    /// What to do, where something is to be done.
    pub(super) remedy: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// It works, and may not for long, or not for all.
    Warning,
    /// It does not work.
    Problem,
    /// It could not be seen.
    Unknown,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: &str) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.to_owned(), remedy: None }
    }

    pub(super) fn warning(check: &'static str, found: &str, remedy: &str) -> Self {
        Self::bad(check, Verdict::Warning, found, remedy)
    }

    pub(super) fn problem(check: &'static str, found: &str, remedy: &str) -> Self {
        Self::bad(check, Verdict::Problem, found, remedy)
    }

    pub(super) fn unknown(check: &'static str, found: &str) -> Self {
        Self { verdict: Verdict::Unknown, ..Self::ok(check, found) }
    }

    /// The finding, if it is bad; what is well is so only on a condition that nobody can see.
    pub(super) fn unless_ok(self, condition: &str) -> Self {
        match self.verdict {
            Verdict::Ok => Self::unknown(self.check, &format!("{}, {condition}", self.found)),
            _ => self,
        }
    }

    fn bad(check: &'static str, verdict: Verdict, found: &str, remedy: &str) -> Self {
        Self { check, verdict, found: found.to_owned(), remedy: Some(remedy.to_owned()) }
    }
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
        }
    }
}

/// A line for each finding, another for its remedy, and the sum of them.
pub(super) fn text(findings: &[Finding]) -> String {
    let check_width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for Finding { check, verdict, found, remedy } in findings {
        let word = verdict.word();
        lines.push(format!("{word:<7}  {check:<check_width$}  {}", output::harmless(found)));
        if let Some(remedy) = remedy {
            let indent = " ".repeat(7 + 2 + check_width + 2);
            lines.push(format!("{indent}> {}", output::harmless(remedy)));
        }
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let problems = counted(count(Verdict::Problem), "problem");
    lines.push(format!("{problems}, {}", counted(count(Verdict::Warning), "warning")));
    lines.join("\n")
}

/// The findings in the form of a registry's reply.
pub(super) fn reply(findings: &[Finding]) -> Value {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let problems = count(Verdict::Problem);
    let findings: Vec<Value> = findings
        .iter()
        .map(|Finding { check, verdict, found, remedy }| {
            json!({
                "check": check, "verdict": verdict.word(), "found": found, "remedy": remedy,
            })
        })
        .collect();
    json!({
        "success": problems == 0,
        "problems": problems,
        "warnings": count(Verdict::Warning),
        "findings": findings,
    })
}

fn counted(number: usize, thing: &str) -> String {
    match number {
        0 => format!("no {thing}s"),
        _ => output::counted(number, thing, &format!("{thing}s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_remedy_stands_below() {
        let findings = [
            Finding::ok("name", "lab is 10.0.0.7"),
            Finding::problem("requests", "refused\u{1b}[2J", "start it"),
        ];

        assert_eq!(
            text(&findings),
            "ok       name      lab is 10.0.0.7\n\
             problem  requests  refused\\u{1b}[2J\n\
             \u{20}                  > start it\n\
             1 problem, no warnings"
        );
        let reply = reply(&findings);
        assert_eq!((&reply["success"], &reply["problems"]), (&json!(false), &json!(1)));
        assert_eq!(reply["findings"][1]["verdict"], "problem");
    }

    #[test]
    fn warnings_are_no_failure() {
        let reply = reply(&[Finding::warning("clock", "late", "set it")]);

        assert_eq!((&reply["success"], &reply["warnings"]), (&json!(true), &json!(1)));
    }
}
