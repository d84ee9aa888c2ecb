//! `service-registry top`: all services of a registry on the full screen, and what happens.
//!
//! What is shown is decided in `state`, drawn into a buffer in `view`, and both know nothing of
//! terminals, threads and registries. `feed` asks the registry, `screen` is the terminal.

use std::env;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use service_registry::client::{ClientError, Watch};

use super::Exit;
use super::asking::{Timeout, asking_command};
use super::failure::Failure;

mod events;
mod feed;
mod keys;
mod screen;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod view;

use feed::Feed;
use keys::Effect;
use screen::{Input, Screen};
use state::State;
use view::Palette;

/// From one look at all heartbeats to the next, where nobody says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);

/// For how long nothing new is drawn at the most. Keys are heard at once.
const TICK: Duration = Duration::from_millis(250);

/// How many changes are taken before the keyboard has its turn.
const CHANGES_PER_TURN: usize = 1_000;

asking_command! {
    /// Show all services of a registry on the full screen, how they are, and what happens.
    #[argh(
        subcommand,
        name = "top",
        help_triggers("-h", "--help", "help"),
        note = "The key ? tells all keys, q ends it. It goes on when the registry is restarted. \
            Colours are left out with --no-color, and where NO_COLOR is set."
    )]
    struct Top {
        /// seconds from one look at the heartbeats to the next (default: 1)
        #[argh(option)]
        interval: Option<super::asking::Timeout>,

        /// show no colours
        #[argh(switch)]
        no_color: bool,
    }
}

impl Top {
    pub(super) fn run(&self) -> Exit {
        self.show().map_or_else(|failure| failure.tell(), |()| Exit::Done)
    }

    fn show(&self) -> Result<(), Failure> {
        if self.json {
            return Err(Failure::Usage(
                "top has no --json; `watch --json` and `status --json` tell the same".to_owned(),
            ));
        }
        if !has_terminal() {
            return Err(Failure::Usage(
                "top needs a terminal; `status` and `watch` tell the same line by line".to_owned(),
            ));
        }
        let asking = self.asking();
        let client = asking.client()?;
        let watch = client.watch()?;
        let registry = asking.registry()?;
        let endpoint = registry.endpoint().to_owned();
        let interval = self.interval.map_or(INTERVAL, Timeout::duration);
        let feed = Feed::start(registry, interval).map_err(Failure::Output)?;
        let there = watch.services().iter().map(|service| service.id.clone()).collect();
        let palette = Palette::new(!self.no_color && !is_set("NO_COLOR"));
        // Last, so that what goes wrong before is told on an ordinary terminal.
        let mut screen = Screen::open().map_err(Failure::Output)?;
        follow(State::new(endpoint, there), &watch, &feed, palette, &mut screen)
    }
}

/// Ends when somebody presses the key for it, or the terminal is gone.
fn follow(
    mut state: State,
    watch: &Watch,
    feed: &Feed,
    palette: Palette,
    screen: &mut Screen,
) -> Result<(), Failure> {
    loop {
        take_news(&mut state, watch, feed)?;
        let now = Instant::now();
        screen
            .draw(|area, buffer| view::draw(&state, palette, now, area, buffer))
            .map_err(Failure::Output)?;
        let effect = match screen.next(TICK).map_err(Failure::Output)? {
            Input::Key(key) => state.press(key, Instant::now()),
            Input::Nothing => Effect::Nothing,
            Input::End => Effect::Quit,
        };
        match effect {
            Effect::Nothing => {}
            Effect::Quit => return Ok(()),
            Effect::Deregister(id) => feed.deregister(id),
        }
    }
}

/// Tells `state` all that has happened.
fn take_news(state: &mut State, watch: &Watch, feed: &Feed) -> Result<(), Failure> {
    for _ in 0..CHANGES_PER_TURN {
        match watch.next_change(Duration::ZERO) {
            Ok(change) => state.take_change(&change, Instant::now()),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return Err(ClientError::Closed.into()),
        }
    }
    for news in feed.news() {
        state.take_news(news, Instant::now());
    }
    state.take_status(watch.status().into(), Instant::now());
    Ok(())
}

/// A terminal that calls itself dumb has no full screen.
fn has_terminal() -> bool {
    io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}
