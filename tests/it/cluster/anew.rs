//! What becomes of registries when etcd loses what it kept, and goes on as another one.

use super::{in_contact, pair, wait_until, wait_until_agreed, wait_until_registered};
use crate::support::short_lived;

/// In seconds: longer than a busy disk takes for hundreds of registrations, one after the other.
const LONG_TTL: u32 = 600;

#[test]
fn a_list_that_was_deleted_is_empty_everywhere_and_begins_anew() {
    let (etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    for number in 0..3 {
        at_a.register(&format!("old{number}"), "");
    }
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 3);
    let epoch = at_a.health()["epoch"].clone();

    etcd.delete_all();

    wait_until_agreed(&[&at_a, &at_b], <[_]>::is_empty);
    wait_until_registered(&at_a, "new");
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 1);
    assert_ne!(at_a.health()["epoch"], epoch);
    assert_eq!(at_a.health()["epoch"], at_b.health()["epoch"]);
    assert_eq!(at_a.health()["seq"], at_b.health()["seq"]);
}

#[test]
fn an_etcd_that_is_set_up_anew_has_an_empty_list_which_all_take_over() {
    let (mut etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    // Far enough that the new one takes a while to come as far.
    for number in 0..200 {
        let request = short_lived(&format!("old{number}"), "", LONG_TTL);
        wait_until("it registers", || at_a.request(&request)["success"] == true);
    }
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 200);

    etcd.set_up_anew();

    wait_until_agreed(&[&at_a, &at_b], <[_]>::is_empty);
    wait_until("they are in contact", || in_contact(&at_a) && in_contact(&at_b));
    wait_until_registered(&at_b, "new");
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 1);
    assert_eq!(at_a.health()["epoch"], at_b.health()["epoch"]);
}
