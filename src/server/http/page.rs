//! The page that people look at: one file, which loads nothing from elsewhere.

use std::sync::Arc;

use uuid::Uuid;

use super::response::{Response, Status};

/// In place of `{nonce}` stands, in every answer, a word that nobody knew before.
const PAGE: &str = include_str!("page.html");

/// The page, and the policy by which a browser runs this script, applies this style, asks this
/// registry, and does nothing else. Should a name of a service ever get among the markup, it is
/// dead text: it does not know the word.
pub(super) fn page() -> Response {
    let nonce = Uuid::new_v4().simple().to_string();
    let content_policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    Response {
        status: Status::Ok,
        content_type: "text/html; charset=utf-8",
        content_policy,
        body: Arc::new(PAGE.replace("{nonce}", &nonce).into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for word in ["http:", "https:", "src=", "@import", "url(", "import("] {
            assert!(!PAGE.contains(word), "{word}");
        }
    }

    #[test]
    fn the_page_sets_text_and_never_markup() {
        for word in
            ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", " onclick="]
        {
            assert!(!PAGE.contains(word), "{word}");
        }
    }

    #[test]
    fn every_page_has_a_word_of_its_own_in_its_policy_and_its_tags() {
        let pages = [page(), page()];

        let nonces = pages.map(|page| {
            let (_, behind) = page.content_policy.split_once("script-src 'nonce-").unwrap();
            let (nonce, _) = behind.split_once('\'').unwrap();
            let body = String::from_utf8(page.body.to_vec()).unwrap();
            assert_eq!(body.matches(&format!(" nonce=\"{nonce}\"")).count(), 2);
            assert!(!body.contains("{nonce}"));
            nonce.to_owned()
        });

        assert_ne!(nonces[0], nonces[1]);
    }
}
