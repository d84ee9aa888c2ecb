//! What a registry tells of its cluster: in `info`, in `status`, and as metrics.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::wait_until;
use crate::http::exchange::address;
use crate::support::{Etcd, Registry};

#[test]
fn the_members_of_etcd_their_leader_and_how_far_all_has_come_are_told() {
    let etcd = Etcd::start(3);
    let a = etcd.launch("a").flag("--http", "127.0.0.1:0").start();
    let client = a.client();
    client.register("psu-1", "PSU");

    // Each of these is known a moment later, and etcd may be slow for another.
    wait_until("the members, their leader and how far they are is known", || {
        let cluster = &client.info()["cluster"];
        cluster["etcd"]["members"].as_array().map(Vec::len) == Some(3)
            && cluster["etcd"]["leader"].as_str().is_some_and(|name| name.starts_with('m'))
            && cluster["etcd"]["revision"].as_u64().is_some_and(|revision| revision > 1)
            && cluster["registries"] == json!(["a"])
    });
    wait_until("status tells it", || {
        let status = a.run(&["status"]);
        let text = &status.assert_code(0).stdout;
        text.contains("in contact with etcd, heard 0.") && text.contains(" leads; revision ")
    });
    wait_until("the metrics tell it", || {
        let metrics = metrics(&a);
        [
            "cluster_in_contact 1\n",
            "cluster_heard_seconds 0.",
            "cluster_registries 1\n",
            "etcd_members 3\n",
            "etcd_has_leader 1\n",
        ]
        .iter()
        .all(|line| metrics.contains(&format!("\nservice_registry_{line}")))
    });
}

fn metrics(registry: &Registry) -> String {
    let mut stream = TcpStream::connect(address(registry)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    metrics
}

#[test]
fn who_is_out_of_contact_knows_no_members() {
    let etcd = Etcd::start(1);
    let a = etcd.registry("a");
    let client = a.client();
    wait_until("the member is known", || client.info()["cluster"]["etcd"].is_object());

    etcd.signal_all("STOP");

    wait_until("it is not known any more", || client.info()["cluster"]["etcd"].is_null());
    wait_until("the contact is lost", || client.info()["cluster"]["in_contact"] == false);
    etcd.signal_all("CONT");
    wait_until("it is known again", || client.info()["cluster"]["etcd"].is_object());
}
