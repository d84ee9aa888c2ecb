//! `service-registry top`: all services of a registry on the full screen, and what happens.
//!
//! What is shown is decided in `state`, drawn into a buffer in `view`, and both know nothing of
//! terminals, threads and registries. `feed` asks the registry, `screen` is the terminal.

use std::env;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use service_registry::client::{ClientError, Watch};

use super::asking::{Timeout, asking_command};
use super::failure::Failure;
use super::{Exit, warnings};

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

/// How many warnings may wait to be shown.
const WARNINGS_WAITING_MAX: usize = 64;

/// Where everything new comes from.
struct Sources {
    watch: Watch,
    feed: Feed,
    warnings: Receiver<String>,
}

asking_command! {
    #[json("refused: `watch --json` and `status --json` tell the same")]
    /// Show the services of a registry and their events live on the full screen.
    #[argh(
        subcommand,
        name = "top",
        help_triggers("-h", "--help", "help"),
        note = "? shows all keys, q quits. It goes on after a restart of the registry. \
            There are no colours with --no-color, or if NO_COLOR is set."
    )]
    struct Top {
        /// how many seconds between updates of the heartbeats (default: 1)
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
        let (warn, warnings) = bounded(WARNINGS_WAITING_MAX);
        // What finds no room is one of many.
        warnings::show(move |warning| drop(warn.try_send(warning)));
        let asking = self.asking();
        let client = asking.client()?;
        let watch = client.watch()?;
        let registry = asking.registry()?;
        let endpoint = watch.registry().requests.to_string();
        let interval = self.interval.map_or(INTERVAL, Timeout::duration);
        let feed = Feed::start(registry, interval).map_err(Failure::Output)?;
        let there = watch.services().iter().map(|service| service.id.clone()).collect();
        let palette = Palette::new(!self.no_color && !is_set("NO_COLOR"));
        // Last, so that what goes wrong before is told on an ordinary terminal.
        let mut screen = Screen::open().map_err(Failure::Output)?;
        let news = Sources { watch, feed, warnings };
        follow(State::new(endpoint, there), &news, palette, &mut screen)
    }
}

/// Ends when somebody presses the key for it, or the terminal is gone.
fn follow(
    mut state: State,
    news: &Sources,
    palette: Palette,
    screen: &mut Screen,
) -> Result<(), Failure> {
    loop {
        take_news(&mut state, news)?;
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
            Effect::Deregister(id) => news.feed.deregister(id),
        }
    }
}

/// Tells `state` all that has happened.
fn take_news(state: &mut State, sources: &Sources) -> Result<(), Failure> {
    let Sources { watch, feed, warnings } = sources;
    for _ in 0..CHANGES_PER_TURN {
        match watch.next_change(Duration::ZERO) {
            Ok(change) => state.take_change(&change, Instant::now()),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return Err(ClientError::ThreadFailed.into()),
        }
    }
    for warning in warnings.try_iter() {
        state.take_warning(&warning, Instant::now());
    }
    for news in feed.news() {
        state.take_news(news, Instant::now());
    }
    state.take_registry(watch.registry().requests.to_string());
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
