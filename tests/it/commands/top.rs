//! `top` in a pseudo terminal: what a person sees of a real registry, and what keys do to it.

use super::screen::Screen;
use super::terminal::Terminal;
use crate::support::{Place, Registry};

/// What a terminal sends for the key.
const ENTER: &str = "\r";
const ESCAPE: &str = "\u{1b}";
const CTRL_C: &str = "\u{3}";

#[test]
fn services_and_events_are_seen_as_they_come_and_go() {
    let registry = Registry::start();
    let client = registry.client();
    client.register("psu-1", "PSU");
    let mut screen = Screen::open(80, 24);

    let top = screen.begin(registry.endpoints(), &["top"]);
    screen.wait_for("1 service: 1 passing, 0 critical");
    screen.wait_for("> psu-1");
    client.register("cam-1", "CAMERA");
    screen.wait_for("registered    cam-1");
    client.deregister("psu-1");
    screen.wait_for("deregistered  psu-1");

    screen.wait_until(|seen| seen.contains("> cam-1") && !seen.contains("PSU (1)"));
    assert!(screen.is_full());
    screen.press("q");
    top.wait().assert_code(0);
    screen.wait_until_given_back();
}

#[test]
fn a_service_is_inspected_and_deregistered_after_asking() {
    let registry = Registry::start();
    let client = registry.client();
    client.register("cam-1", "CAMERA");
    let mut screen = Screen::open(80, 24);
    let top = screen.begin(registry.endpoints(), &["top"]);
    screen.wait_for("> cam-1");

    screen.press(ENTER);
    screen.wait_for("\"type\": \"CAMERA\"");
    screen.press(ESCAPE);
    screen.wait_for("> cam-1");
    screen.press("d");
    screen.wait_for("Deregister cam-1?");
    screen.press("n");
    screen.wait_for("nothing was deregistered");
    assert_eq!(client.get("cam-1")["success"], true);
    screen.press("dy");
    screen.wait_for("deregistered cam-1");

    assert_eq!(client.get("cam-1")["success"], false);
    screen.press(CTRL_C);
    top.wait().assert_code(0);
}

#[test]
fn a_registry_that_goes_and_comes_back_is_told_of() {
    let (place, registry) = Place::start();
    registry.client().register("psu-1", "PSU");
    let mut screen = Screen::open(80, 24);
    let top = screen.begin(place.endpoints(), &["top"]);
    screen.wait_for("> psu-1");

    registry.kill();
    screen.wait_for("NO ANSWER for");
    assert!(screen.text().contains("psu-1"), "what was known stays: {}", screen.text());
    let registry = place.start_again();
    screen.wait_for("the registry answers again");
    registry.client().register("cam-1", "CAMERA");
    screen.wait_for("registered    cam-1");

    screen.press("q");
    top.wait().assert_code(0);
}

#[test]
fn a_terminal_of_another_size_gets_another_picture() {
    let registry = Registry::start();
    registry.client().register("psu-1", "PSU");
    let mut screen = Screen::open(80, 24);
    let top = screen.begin(registry.endpoints(), &["top"]);
    screen.wait_for("ADDRESS");

    screen.resize(40, 10);
    screen.wait_until(|seen| seen.contains("> psu-1") && !seen.contains("ADDRESS"));
    screen.resize(10, 3);
    screen.wait_for("needs 24");
    screen.resize(130, 30);
    screen.wait_for("ADDRESS");
    screen.wait_for("EVENTS");

    screen.press("q");
    top.wait().assert_code(0);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let registry = Registry::start();
    let screen = Screen::open(80, 24);
    let top = screen.begin(registry.endpoints(), &["top"]);
    screen.wait_for("no services");

    top.signal("TERM");

    top.wait().assert_code(0);
    screen.wait_until_given_back();
}

#[test]
fn without_a_terminal_it_says_so() {
    let registry = Registry::start();

    let finished = registry.run(&["top"]);

    assert!(finished.assert_code(2).complaint().contains("needs a terminal"), "{finished:?}");
}

#[test]
fn a_terminal_that_is_closed_ends_it() {
    let registry = Registry::start();
    let mut terminal = Terminal::open();
    let top = terminal.begin_on_screen(registry.endpoints(), &["top"]);
    terminal.wait_for("service");

    drop(terminal);

    top.wait();
}
