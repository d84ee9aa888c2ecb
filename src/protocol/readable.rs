//! What every JSON reader can take.
//!
//! What is registered comes back in the list of all services. A reader that refuses one of them
//! refuses the list, so a single service must not have what some readers refuse.

use crate::json;

/// How many levels of objects and lists a registration can have, its own not counted. JSON
/// readers have a limit, 128 levels for many, and what is registered stands some levels deeper in
/// a reply.
pub(super) const DEPTH_MAX: usize = 64;

/// How long the text of a number can be. Python's reader refuses whole numbers of more than 4300
/// digits; anything close to that is no measurement.
const NUMBER_LENGTH_MAX: usize = 1_000;

/// Why a value might not be readable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// What it must be.
    pub(super) expected: &'static str,
    /// What it is.
    pub(super) found: &'static str,
}

const TOO_DEEP: Unreadable = Unreadable {
    expected: "an object that is nested at most 64 levels deep",
    found: "a deeper one",
};

const TOO_LONG: Unreadable = Unreadable {
    expected: "an object whose numbers have at most 1000 characters",
    found: "one with a longer number",
};

const TOO_LARGE: Unreadable = Unreadable {
    expected: "an object whose numbers a double can hold, up to 1.7e308",
    found: "one with a larger number",
};

/// Whether every reader takes the value that the compact text `json` is.
pub(super) fn check(json: &str) -> Result<(), Unreadable> {
    json::pieces(json).try_for_each(|(depth, piece)| {
        let is_number = piece.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if depth > DEPTH_MAX {
            Err(TOO_DEEP)
        } else if is_number && piece.len() > NUMBER_LENGTH_MAX {
            Err(TOO_LONG)
        } else if is_number && !is_finite(piece) {
            Err(TOO_LARGE)
        } else {
            Ok(())
        }
    })
}

/// Whether readers whose numbers are doubles, as most are, take this one. They round it, and some
/// refuse what is infinite to them.
fn is_finite(number: &str) -> bool {
    number.parse().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(characters: usize) -> String {
        format!(r#"{{"list":[0.1,0.{}]}}"#, "1".repeat(characters - 2))
    }

    #[test]
    fn a_number_is_as_long_as_every_reader_takes_it() {
        assert_eq!(check(&number(NUMBER_LENGTH_MAX)), Ok(()));
        assert_eq!(check(&number(NUMBER_LENGTH_MAX + 1)), Err(TOO_LONG));
    }

    #[test]
    fn a_number_is_as_large_as_a_double_can_be() {
        let large = format!(r#"{{"list":[-1.7e308,1e-400,1{}]}}"#, "0".repeat(308));
        assert_eq!(check(&large), Ok(()));

        for larger in ["1e400", "-1e309", "1.8E308", &format!("1{}", "0".repeat(309))] {
            assert_eq!(check(&format!(r#"{{"list":[{larger}]}}"#)), Err(TOO_LARGE), "{larger}");
        }
        assert_eq!(check(r#"{"text":"1e400"}"#), Ok(()));
    }
}
