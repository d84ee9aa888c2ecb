//! What the Python registry answered, recorded, asked of this one: every file in
//! `tests/conformance` is one case.

use std::fs;

use serde_json::Value;

mod matching;
mod replay;

/// One test for each file of the same name.
macro_rules! recorded_cases {
    ($($name:ident),* $(,)?) => {
        const CASES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                replay::replay(&recorded(stringify!($name)));
            }
        )*
    };
}

recorded_cases![
    critical_until_cleaned,
    deregister_errors,
    discover_errors,
    documented_example,
    duplicates_allowed,
    expire,
    expired_type_is_free,
    extra_fields,
    generated_id_from_name,
    get_errors,
    given_id,
    health_and_info,
    list_filters,
    no_reply,
    no_type_never_conflicts,
    policy_conflict,
    register_again_same_id,
    register_minimal,
    register_missing_fields,
    renew_errors,
    request_errors,
    tags_and_type,
    terminate,
    type_overwrites_metadata_type,
    unique_types,
    unique_types_by_tag,
    values_kept,
];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

#[test]
fn every_recorded_case_is_replayed() {
    let mut files: Vec<String> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();

    let expected: Vec<String> = CASES.iter().map(|name| format!("{name}.json")).collect();

    assert_eq!(files, expected);
}

fn recorded(name: &str) -> Value {
    let text = fs::read_to_string(format!("{FOLDER}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
