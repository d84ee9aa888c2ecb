//! Who asked for something that others notice, as the log says it.

use std::fmt;
use std::net::IpAddr;

/// From where somebody asked, and with whose key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asker {
    /// From where they asked.
    pub(super) address: Option<IpAddr>,
    /// What people call the owner of their key, where there are keys.
    pub(super) key_owner: Option<String>,
}

impl fmt::Display for Asker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(formatter, "{}", address.to_canonical())?,
            None => formatter.write_str("an unknown address")?,
        }
        match &self.key_owner {
            Some(owner) => write!(formatter, " with the key of {owner:?}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asker_is_an_address_and_a_key_and_no_name_breaks_the_line() {
        let asker = |address: &str, owner: Option<&str>| Asker {
            address: address.parse().ok(),
            key_owner: owner.map(str::to_owned),
        };

        assert_eq!(asker("::ffff:192.0.2.1", None).to_string(), "192.0.2.1");
        assert_eq!(
            asker("192.0.2.1", Some("a\nb")).to_string(),
            r#"192.0.2.1 with the key of "a\nb""#
        );
        assert_eq!(asker("", None).to_string(), "an unknown address");
    }
}
