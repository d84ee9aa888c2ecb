//! Commits that fail, and the ones after them.

use super::*;

/// Makes the disk as good as full: the file may have this many pages and no more.
fn limit_pages(backend: &SqliteBackend, pages: u32) {
    backend.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
}

fn pages(backend: &SqliteBackend) -> u32 {
    backend.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
}

#[test]
fn nothing_of_a_commit_that_fails_is_kept_and_the_next_one_works_when_there_is_space() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("before"), 1).unwrap();
    let (small, large) = (service("small"), large_service("large", 100_000));
    let batch = [
        Record::Stored { service: &small, last_heartbeat: at(2) },
        Record::Removed { id: &id("before") },
        Record::Stored { service: &large, last_heartbeat: at(2) },
    ];

    let enough = pages(&backend);
    limit_pages(&backend, enough);
    let failure = backend.commit(&batch).unwrap_err().to_string();
    let kept_meanwhile = backend.load().unwrap();
    backend.commit(&[Record::Renewed { id: &id("before"), last_heartbeat: at(3) }]).unwrap();
    let failure_again = backend.commit(&batch).unwrap_err().to_string();
    limit_pages(&backend, u32::MAX);
    register(&mut backend, &large, 4).unwrap();
    close(backend);

    let path = lab.path().canonicalize().unwrap();
    assert!(failure.starts_with(&format!("cannot write to {}: ", path.display())), "{failure}");
    assert!(failure.contains("disk is full"), "{failure}");
    assert!(failure.ends_with("; free space on the disk that holds it"), "{failure}");
    assert_eq!(failure_again, failure);
    assert_eq!(ids(&kept_meanwhile), ["before"]);
    let kept = lab.kept();
    assert_eq!(ids(&kept), ["before", "large"]);
    assert_eq!(kept[0].last_heartbeat, at(3));
}

#[test]
fn nothing_of_a_commit_that_failed_comes_back_after_a_kill() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("before"), 1).unwrap();
    let enough = pages(&backend);
    limit_pages(&backend, enough);

    register(&mut backend, &large_service("large", 100_000), 2).unwrap_err();
    let after_kill = lab.copy();

    assert_eq!(ids(&after_kill.kept()), ["before"]);
}

#[test]
fn closing_that_fails_says_so_and_loses_nothing() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();
    // SQLite moves no log into a file that is being written to.
    backend.connection.execute_batch("BEGIN IMMEDIATE").unwrap();

    let failure = Box::new(backend).close().unwrap_err().to_string();

    assert!(failure.starts_with("cannot close "), "{failure}");
    assert!(failure.contains("nothing is lost"), "{failure}");
    assert_eq!(ids(&lab.kept()), ["a"]);
}
