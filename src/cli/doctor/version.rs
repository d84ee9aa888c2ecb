//! Which registry it is, and whether it is of the version of this program.

use serde_json::Value;

use super::finding::Finding;

const CHECK: &str = "version";

/// Which registry it is, and of which version.
pub(super) fn check(info: &Value) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    match info["version"].as_str() {
        Some(version) if version == ours => {
            Finding::ok(CHECK, &format!("{version}, as this program"))
        }
        Some(version) => Finding::warning(
            CHECK,
            &format!("the registry is {version}, this program {ours}"),
            "restart the registry if it was upgraded, or upgrade this host",
        ),
        None => Finding::ok(
            CHECK,
            "the Python registry: it numbers no events, so watches ask it every second",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn registries_are_told_apart_by_their_version() {
        assert_eq!(check(&json!({"version": env!("CARGO_PKG_VERSION")})).verdict, Verdict::Ok);
        assert_eq!(check(&json!({"version": "99.0.0"})).verdict, Verdict::Warning);
        assert!(check(&json!({})).found.contains("Python"));
    }
}
