//! The page, as far as it can be seen without a browser; `scripts/page` has one.

use super::exchange::{address, get, launch, wait_until};

#[test]
fn the_page_is_one_file_whose_policy_lets_it_do_what_it_does_and_nothing_else() {
    let registry = launch().start();

    let page = get(address(&registry), "/");

    let policy = page.header("Content-Security-Policy");
    let (_, behind) = policy.split_once("script-src 'nonce-").unwrap();
    let (nonce, _) = behind.split_once('\'').unwrap();
    assert_eq!(nonce.len(), 32);
    assert_eq!(page.body.matches(&format!("<script nonce=\"{nonce}\">")).count(), 1);
    assert_eq!(page.body.matches("<script").count(), 1);
    assert!(policy.contains("connect-src 'self'") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn a_service_named_like_markup_is_not_in_the_page_and_is_data_everywhere_else() {
    const NAME: &str = "<script>alert(1)</script>";
    let registry = launch().start();
    let address = address(&registry);
    registry.client().register(NAME, "DEV");

    for path in ["/", "/metrics", "/health"] {
        assert!(!get(address, path).body.contains("alert(1)"), "{path}");
    }
    wait_until(|| get(address, "/api/events").json()["seq"] == 1);
    for path in ["/api/services", "/api/events"] {
        let answer = get(address, path);
        assert!(answer.body.contains(NAME), "{path}");
        assert_eq!(answer.header("Content-Type"), "application/json");
        assert_eq!(answer.header("X-Content-Type-Options"), "nosniff");
    }
}
