//! The state driven by keys and news, and what is drawn of it on screens of several sizes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use serde_json::json;
use service_registry::client::{Change, Removal, Service};
use service_registry::clock::WallTime;

use super::feed::{News, Sign};
use super::keys::{Effect, Key, Mode};
use super::state::{Hearing, State};
use super::view::{self, Palette};

/// On the registry's clock, when a lab begins.
const BEGIN: u64 = 1_000_000;

const TTL: u32 = 30;

/// A screen of `top`, and the registry that it shows.
struct Lab {
    state: State,
    now: Instant,
    services: Vec<Arc<Service>>,
}

impl Lab {
    /// Services of the kinds that `services` names as id, type and host.
    fn with(services: &[(&str, &str, &str)]) -> Self {
        let services: Vec<_> =
            services.iter().map(|&(id, kind, host)| service(id, kind, host)).collect();
        let there = services.iter().map(|service| service.id.clone()).collect();
        let state = State::new("tcp://lab:6100".to_owned(), there);
        let mut lab = Self { state, now: Instant::now(), services };
        for service in lab.services.clone() {
            lab.state.take_change(&Change::Registered(service), lab.now);
        }
        lab.heard(&[]);
        lab
    }

    /// Three supplies and a camera, on two hosts.
    fn usual() -> Self {
        Self::with(&[
            ("psu-1", "PSU", "10.0.0.7"),
            ("psu-2", "PSU", "10.0.0.8"),
            ("psu-3", "PSU", "10.0.0.7"),
            ("cam-1", "CAMERA", "10.0.0.8"),
        ])
    }

    /// The registry tells of all services, of which those in `ages` were heard so many seconds ago.
    fn heard(&mut self, ages: &[(&str, u64)]) {
        let sign = |service: &Arc<Service>| {
            let age = ages.iter().find(|(id, _)| *id == service.id).map_or(0, |&(_, age)| age);
            Sign {
                id: service.id.clone(),
                last_heartbeat: WallTime::from_unix_seconds(BEGIN - age),
                is_critical: age > u64::from(TTL),
            }
        };
        let signs = self.services.iter().map(sign).collect();
        let now = WallTime::from_unix_seconds(BEGIN);
        self.state.take_news(News::Signs { signs, now, at: self.now }, self.now);
        self.hears(Hearing::default());
    }

    fn hears(&mut self, hearing: Hearing) {
        self.state.take_status(hearing, self.now);
    }

    fn elapse(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn change(&mut self, change: Change) {
        self.state.take_change(&change, self.now);
        self.hears(Hearing::default());
    }

    fn remove(&mut self, id: &str, how: Removal) {
        let at = self.services.iter().position(|service| service.id == id).unwrap();
        let service = self.services.remove(at);
        self.change(Change::Removed { service, how });
    }

    fn press(&mut self, key: Key) -> Effect {
        self.state.press(key, self.now)
    }

    /// Types `text`, none of which is to have an effect.
    #[track_caller]
    fn type_in(&mut self, text: &str) {
        for character in text.chars() {
            assert_eq!(self.press(Key::Character(character)), Effect::Nothing);
        }
    }

    fn buffer(&self, width: u16, height: u16, palette: Palette) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let draw =
            |area, buffer: &mut Buffer| view::draw(&self.state, palette, self.now, area, buffer);
        terminal.draw(|frame| draw(frame.area(), frame.buffer_mut())).unwrap();
        terminal.backend().buffer().clone()
    }

    /// The lines of a screen without colours.
    fn screen(&self, width: u16, height: u16) -> Vec<String> {
        let buffer = self.buffer(width, height, Palette::new(false));
        let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        cells.chunks(usize::from(width)).map(|line| line.concat().trim_end().to_owned()).collect()
    }

    /// The lines of the table on the usual screen.
    fn table(&self) -> Vec<String> {
        let screen = self.screen(80, 24);
        let rows = screen[4..].iter().take_while(|line| !line.starts_with("EVENTS"));
        rows.filter(|line| !line.is_empty()).cloned().collect()
    }

    /// The first words of the lines of the table.
    fn first_words(&self) -> Vec<String> {
        let first = |line: &String| {
            let words: Vec<&str> = line.split_whitespace().filter(|&word| word != ">").collect();
            words[0].to_owned()
        };
        self.table().iter().map(first).collect()
    }

    fn foot(&self) -> String {
        self.screen(80, 24)[23].clone()
    }
}

fn service(id: &str, kind: &str, host: &str) -> Arc<Service> {
    named(id, id, kind, host)
}

fn named(id: &str, name: &str, kind: &str, host: &str) -> Arc<Service> {
    let value = json!({
        "id": id, "name": name, "host": host, "port": 6110, "metadata": {"type": kind, "volts": 24},
        "ttl": TTL, "last_heartbeat": BEGIN, "tags": ["shelf"], "health": "passing",
    });
    Arc::new(Service::from_json(&value).unwrap())
}

#[test]
fn a_screen_of_eighty_by_twenty_four_shows_it_all() {
    let mut lab = Lab::usual();

    lab.heard(&[("psu-2", 15), ("psu-3", 31)]);

    let screen = lab.screen(80, 24);
    let expected = [
        "top tcp://lab:6100                             4 services: 3 passing, 1 critical",
        "by events: 0 expired, 0 registered, 0 deregistered, 0 changed",
        "by type, by name",
        "  NAME           TYPE       ADDRESS               HEALTH   HEARTBEAT  /TTL",
        "CAMERA (1)",
        "> cam-1          CAMERA     10.0.0.8:6110         passing  .......... 0s/30s",
        "PSU (3, 1 critical)",
        "  psu-1          PSU        10.0.0.7:6110         passing  .......... 0s/30s",
        "  psu-2          PSU        10.0.0.8:6110         passing  #####..... 15s/30s",
        "  psu-3          PSU        10.0.0.7:6110         critical ########## 31s/30s",
    ];
    for (line, expected) in screen.iter().zip(expected) {
        assert_eq!(line.trim_end(), expected, "{screen:#?}");
    }
    assert!(screen.contains(&"EVENTS, the latest first".to_owned()), "{screen:#?}");
    assert!(screen[23].starts_with("?:help  q:quit"), "{screen:#?}");
}

#[test]
fn heartbeats_grow_old_between_two_looks() {
    let mut lab = Lab::usual();

    lab.elapse(12);

    assert!(lab.table()[1].ends_with("####...... 12s/30s"), "{:#?}", lab.table());
}

#[test]
fn services_are_grouped_by_type_by_host_or_not() {
    let mut lab = Lab::usual();
    assert_eq!(lab.first_words(), ["CAMERA", "cam-1", "PSU", "psu-1", "psu-2", "psu-3"]);

    lab.type_in("g");
    assert_eq!(lab.first_words(), ["10.0.0.7", "psu-1", "psu-3", "10.0.0.8", "cam-1", "psu-2"]);
    lab.type_in("g");
    assert_eq!(lab.first_words(), ["cam-1", "psu-1", "psu-2", "psu-3"]);
    lab.type_in("g");
    assert_eq!(lab.first_words()[0], "CAMERA");
}

#[test]
fn services_are_sorted_by_name_silence_or_health() {
    let mut lab = Lab::usual();
    lab.type_in("gg");
    lab.heard(&[("psu-1", 5), ("psu-2", 40), ("psu-3", 20)]);

    lab.type_in("s");
    assert_eq!(lab.first_words(), ["psu-2", "psu-3", "psu-1", "cam-1"]);
    lab.type_in("s");
    assert_eq!(lab.first_words(), ["psu-2", "cam-1", "psu-1", "psu-3"]);
    lab.type_in("s");
    assert_eq!(lab.first_words(), ["cam-1", "psu-1", "psu-2", "psu-3"]);
}

#[test]
fn a_filter_is_written_kept_and_cleared() {
    let mut lab = Lab::usual();

    lab.type_in("/Cam");
    assert_eq!(lab.first_words(), ["CAMERA", "cam-1"]);
    assert_eq!(lab.foot(), "filter: Cam_");
    lab.press(Key::Enter);
    assert_eq!(lab.screen(80, 24)[2], "by type, by name, filter \"Cam\": 1 of 4");
    assert_eq!(lab.state.selected(), Some("cam-1"));

    lab.press(Key::Escape);
    assert_eq!(lab.first_words().len(), 6);
}

#[test]
fn a_filter_finds_every_thing_that_is_shown() {
    for (words, found) in
        [("psu-2", 1), ("10.0.0.7", 2), ("camera", 1), ("critical", 1), ("shelf", 4), ("x", 0)]
    {
        let mut lab = Lab::usual();
        lab.type_in("gg");
        lab.heard(&[("psu-3", 31)]);

        lab.type_in(&format!("/{words}"));
        lab.hears(Hearing::default());

        if found == 0 {
            assert_eq!(lab.table(), ["none has the filter"]);
            assert_eq!(lab.state.selected(), None);
        } else {
            assert_eq!(lab.table().len(), found, "{words}");
        }
    }
}

#[test]
fn a_letter_of_a_filter_is_no_command() {
    let mut lab = Lab::usual();

    lab.type_in("/qd");
    lab.press(Key::Backspace);

    assert_eq!(lab.state.filter(), "q");
    assert_eq!(lab.press(Key::Interrupt), Effect::Quit);
}

#[test]
fn the_cursor_moves_over_services_and_stays_on_its_service() {
    let mut lab = Lab::usual();
    let selected = |lab: &Lab| lab.state.selected().map(str::to_owned).unwrap();

    lab.press(Key::Down);
    assert_eq!(selected(&lab), "psu-1", "a group is no place for it");
    lab.press(Key::End);
    assert_eq!(selected(&lab), "psu-3");
    lab.type_in("g");
    assert_eq!(selected(&lab), "psu-3");
    lab.press(Key::PageUp);
    assert_eq!(selected(&lab), "psu-1");
    lab.press(Key::Up);
    assert_eq!(selected(&lab), "psu-1");
}

#[test]
fn the_cursor_takes_the_place_of_a_service_that_goes() {
    let mut lab = Lab::usual();
    lab.type_in("jj");
    assert_eq!(lab.state.selected(), Some("psu-2"));

    lab.remove("psu-2", Removal::Expired);
    assert_eq!(lab.state.selected(), Some("psu-3"));
    lab.remove("psu-3", Removal::Expired);
    assert_eq!(lab.state.selected(), Some("psu-1"));
    lab.remove("psu-1", Removal::Expired);
    lab.remove("cam-1", Removal::Expired);

    assert_eq!(lab.state.selected(), None);
    assert_eq!(lab.table(), ["no services"]);
    assert_eq!(lab.press(Key::Enter), Effect::Nothing);
    assert_eq!(*lab.state.mode(), Mode::Browsing, "there is nothing to inspect");
}

#[test]
fn the_table_follows_the_cursor_when_it_is_longer_than_the_screen() {
    let ids: Vec<String> = (0..200).map(|number| format!("psu-{number:03}")).collect();
    let services: Vec<_> = ids.iter().map(|id| (id.as_str(), "PSU", "lab")).collect();
    let mut lab = Lab::with(&services);

    assert_eq!(lab.first_words()[..2], ["PSU", "psu-000"]);
    lab.press(Key::End);
    assert_eq!(lab.first_words().last().unwrap(), "psu-199");
    lab.press(Key::PageUp);
    let table = lab.table();
    assert!(table.iter().any(|line| line.starts_with("> psu-189")), "{table:#?}");
}

#[test]
fn what_happens_is_counted_and_told_the_latest_first() {
    let mut lab = Lab::usual();

    lab.change(Change::Registered(service("new", "DAQ", "lab")));
    lab.elapse(5);
    lab.remove("psu-1", Removal::Deregistered);
    lab.elapse(2);
    lab.remove("psu-2", Removal::Expired);

    let screen = lab.screen(80, 24);
    let counters = "by events: 1 expired, 1 registered, 1 deregistered, 0 changed";
    assert_eq!(screen[1], counters);
    let at = screen.iter().position(|line| line.starts_with("EVENTS")).unwrap();
    assert!(screen[at + 1].starts_with("  0s  expired       psu-2  PSU"), "{screen:#?}");
    assert!(screen[at + 2].starts_with("  2s  deregistered  psu-1  PSU"), "{screen:#?}");
    assert!(screen[at + 3].starts_with("  7s  registered    new  DAQ"), "{screen:#?}");
    assert!(screen[at + 4].is_empty(), "what was there is no event: {screen:#?}");
}

#[test]
fn all_of_a_service_can_be_inspected() {
    let mut lab = Lab::usual();
    lab.heard(&[("cam-1", 7)]);

    lab.press(Key::Enter);

    let screen = lab.screen(80, 24);
    for expected in
        ["id         cam-1", "heartbeat  7 s ago", "tags       shelf", "  \"volts\": 24"]
    {
        assert!(screen.iter().any(|line| line == expected), "{expected} in {screen:#?}");
    }
    lab.press(Key::Escape);
    assert_eq!(lab.first_words()[0], "CAMERA");
}

#[test]
fn a_service_that_goes_while_it_is_inspected_is_told_to_be_gone() {
    let mut lab = Lab::usual();
    lab.press(Key::Enter);

    lab.remove("cam-1", Removal::Deregistered);

    assert_eq!(*lab.state.mode(), Mode::Browsing);
    assert_eq!(lab.foot(), "cam-1 is gone");
}

#[test]
fn a_service_is_deregistered_after_it_was_asked_for() {
    let mut lab = Lab::usual();

    lab.type_in("d");
    assert_eq!(lab.foot(), "Deregister cam-1? y: yes, other keys: no");
    lab.type_in("n");
    assert_eq!(lab.foot(), "nothing was deregistered");
    assert_eq!(*lab.state.mode(), Mode::Browsing);

    lab.type_in("d");
    assert_eq!(lab.press(Key::Character('y')), Effect::Deregister("cam-1".to_owned()));
    let refusal = Some("it belongs to another host".to_owned());
    let news = News::Deregistered { id: "cam-1".to_owned(), refusal };
    lab.state.take_news(news, lab.now);
    assert_eq!(lab.foot(), "cam-1 is not deregistered: it belongs to another host");
}

#[test]
fn the_answer_is_about_the_service_that_was_asked_for() {
    let mut lab = Lab::usual();
    lab.type_in("d");

    lab.remove("cam-1", Removal::Expired);

    assert_eq!(lab.press(Key::Character('y')), Effect::Deregister("cam-1".to_owned()));
}

#[test]
fn a_registry_that_is_silent_is_told_of_until_it_answers() {
    let mut lab = Lab::usual();

    let silent_since = Some(lab.now);
    lab.hears(Hearing { silent_since, ..Hearing::default() });
    lab.elapse(9);
    let silent = lab.screen(80, 24);
    lab.hears(Hearing::default());
    let found = lab.screen(80, 24);

    assert_eq!(silent[1], "NO ANSWER for 9 s; below is what was last known");
    assert!(silent.iter().any(|line| line == "  9s  the registry does not answer"), "{silent:#?}");
    assert!(found[1].starts_with("by events"), "{found:#?}");
    let expected = "  0s  the registry answers again, after 9 s";
    assert!(found.iter().any(|line| line == expected), "{found:#?}");
}

#[test]
fn a_warning_stands_among_the_events_in_place_of_the_silence() {
    let mut lab = Lab::usual();

    lab.state.take_warning("refused: not\u{1b} allowed", lab.now);
    lab.hears(Hearing { silent_since: Some(lab.now), is_refused: true, ..Hearing::default() });

    let screen = lab.screen(80, 24);
    assert!(screen.iter().any(|line| line.contains(r"refused: not\u{1b} allowed")), "{screen:#?}");
    assert!(!screen.iter().any(|line| line.contains("does not answer")), "{screen:#?}");
}

#[test]
fn the_head_names_the_registry_that_is_watched_now() {
    let mut lab = Lab::usual();

    lab.state.take_registry("tcp://lab-2:6100".to_owned());

    assert!(lab.screen(80, 24)[0].contains("lab-2:6100"), "{:?}", lab.screen(80, 24)[0]);
}

#[test]
fn heartbeats_that_are_not_told_are_complained_of_until_they_are() {
    let mut lab = Lab::usual();

    lab.state.take_news(News::NoSigns("refused".to_owned()), lab.now);
    let untold = lab.foot();
    lab.type_in("j");
    let still_untold = lab.foot();
    lab.heard(&[]);

    assert_eq!(untold, "no heartbeats are told: refused");
    assert_eq!(still_untold, untold);
    assert!(lab.foot().starts_with("?:help"), "{}", lab.foot());
}

#[test]
fn a_registry_that_numbers_no_events_is_told_of() {
    let mut lab = Lab::usual();

    lab.hears(Hearing { by_lists: true, merged: 3, ..Hearing::default() });

    assert!(lab.screen(80, 24)[1].starts_with("by lists, 3 merged: 0 expired"));
}

#[test]
fn help_names_every_key() {
    let mut lab = Lab::usual();

    lab.type_in("?");

    let screen = lab.screen(80, 24);
    let text = screen.join("\n");
    for key in ["/", "s ", "g ", "Enter", "d ", "q "] {
        assert!(text.contains(key), "{key} in {text}");
    }
    assert!(text.contains("registers again by itself"), "all of it fits: {text}");
    assert_eq!(lab.press(Key::Character('q')), Effect::Nothing, "it only ends the help");
    assert_eq!(lab.press(Key::Character('q')), Effect::Quit);
}

#[test]
fn every_size_of_screen_shows_something_and_none_is_too_small() {
    let mut lab = Lab::usual();
    lab.heard(&[("psu-3", 31)]);
    for keys in ["", "?", "x/psu"] {
        lab.type_in(keys);
        for width in (1..40).chain([60, 80, 200]) {
            for height in (1..16).chain([24, 60]) {
                let screen = lab.screen(width, height);

                assert!(!screen[0].is_empty(), "{width} x {height}");
            }
        }
    }
}

#[test]
fn a_narrow_screen_shows_names_and_health() {
    let mut lab = Lab::usual();
    lab.heard(&[("psu-3", 31)]);

    let screen = lab.screen(30, 10);

    assert_eq!(screen[0], "1 critical of 4");
    assert!(screen.iter().any(|line| line.starts_with("  psu-2") && line.ends_with("passing")));
    assert!(!screen.iter().any(|line| line.starts_with("EVENTS")), "{screen:#?}");
}

#[test]
fn text_from_services_does_nothing_to_a_terminal() {
    let evil = "a\u{1b}[2J\u{202e}\r\n\u{9b}31m";
    let mut lab = Lab::usual();

    lab.change(Change::Registered(named(evil, evil, evil, evil)));
    let mut screens = vec![lab.screen(200, 40)];
    lab.type_in("g");
    screens.push(lab.screen(200, 40));
    lab.type_in("gg/2j");
    lab.press(Key::Enter);
    lab.press(Key::Enter);
    screens.push(lab.screen(200, 40));
    lab.type_in("d");
    screens.push(lab.screen(200, 40));
    let news = News::Deregistered { id: evil.to_owned(), refusal: Some(evil.to_owned()) };
    lab.press(Key::Character('y'));
    lab.state.take_news(news, lab.now);
    screens.push(lab.screen(200, 40));

    for screen in screens {
        let text = screen.concat();
        assert!(text.contains(r"a\u{1b}[2J\u{202e}\r\n"), "{screen:#?}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\r', '\u{9b}']), "{screen:#?}");
    }
}

#[test]
fn colours_are_used_unless_they_are_not_wanted() {
    let mut lab = Lab::usual();
    lab.heard(&[("psu-3", 31), ("psu-2", 20)]);
    let colors = |palette| {
        let buffer = lab.buffer(80, 24, palette);
        let is_color = |color: &Color| *color != Color::Reset;
        let colors: Vec<Color> =
            buffer.content().iter().flat_map(|cell| [cell.fg, cell.bg]).filter(is_color).collect();
        colors
    };

    for color in [Color::Green, Color::Yellow, Color::Red, Color::Cyan] {
        assert!(colors(Palette::new(true)).contains(&color), "{color}");
    }
    assert_eq!(colors(Palette::new(false)), []);
}
