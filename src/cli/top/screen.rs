//! The terminal: the full screen to draw on, the keys, and its ordinary state afterwards.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::keys::Key;

/// The terminal while `top` has it. Dropping it gives it back as it was.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    /// Set by signals: a process that they killed would leave the terminal unusable.
    end: Arc<AtomicBool>,
    /// Keys that came together with one that was taken.
    keys: VecDeque<Key>,
}

/// What came from the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Key(Key),
    /// Nothing in time, or nothing that means anything. A terminal that was resized is one
    /// to draw anew.
    Nothing,
    /// A signal, or the terminal, says that it is over.
    End,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&end))?;
        }
        Ok(Self { terminal: ratatui::try_init()?, end, keys: VecDeque::new() })
    }

    /// Lets `draw` make the next picture.
    pub(super) fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame.area(), frame.buffer_mut())).map(|_| ())
    }

    /// The next key, waited for up to `timeout`.
    pub(super) fn next(&mut self, timeout: Duration) -> io::Result<Input> {
        if self.keys.is_empty() && wait_for_input(timeout)?.is_none() {
            return Ok(Input::End);
        }
        if self.end.load(Ordering::Relaxed) {
            return Ok(Input::End);
        }
        // Several keys can come at once, and the library keeps those that it is not asked for.
        while event::poll(Duration::ZERO)? {
            self.keys.extend(key(&event::read()?));
        }
        Ok(self.keys.pop_front().map_or(Input::Nothing, Input::Key))
    }
}

/// Whether something can be read from the terminal in time; none where it was closed. Asked before
/// the library reads, because that never returns from reading a terminal that is gone.
fn wait_for_input(timeout: Duration) -> io::Result<Option<bool>> {
    let terminal = io::stdin();
    let mut watched = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
    match poll(&mut watched, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)) {
        Err(Errno::EINTR) => return Ok(Some(false)),
        polled => polled?,
    };
    let [terminal] = watched;
    let found = terminal.revents().unwrap_or(PollFlags::empty());
    if found.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL) {
        return Ok(None);
    }
    Ok(Some(found.contains(PollFlags::POLLIN)))
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Fails where the terminal is gone.
        let _ = ratatui::try_restore();
    }
}

fn key(event: &Event) -> Option<Key> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key),
        _ => None,
    }
}

fn key_of(event: &KeyEvent) -> Option<Key> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        KeyCode::Char('c') if control => Key::Interrupt,
        KeyCode::Char(_) if control || event.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(character) => Key::Character(character),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_ends_it_and_other_control_keys_are_no_letters() {
        let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);

        assert_eq!(key_of(&control('c')), Some(Key::Interrupt));
        assert_eq!(key_of(&control('d')), None);
        let letter = KeyEvent::new(KeyCode::Char('D'), KeyModifiers::SHIFT);
        assert_eq!(key_of(&letter), Some(Key::Character('D')));
    }

    #[test]
    fn a_key_that_is_let_go_is_none_and_a_new_size_only_draws() {
        let mut key = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(super::key(&Event::Key(key)), Some(Key::Enter));

        key.kind = KeyEventKind::Release;
        assert_eq!(super::key(&Event::Key(key)), None);
        assert_eq!(super::key(&Event::Resize(20, 5)), None);
    }
}
