//! Keys: which there are, what they mean at the moment, and what they can bring about.

/// What keys mean at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Browsing,
    /// The filter is written.
    Filtering,
    /// All that is known of the selected service is shown, from this line on.
    Inspecting {
        line: usize,
    },
    /// Whether to deregister the service with this id.
    Asking {
        id: String,
    },
    Help,
}

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Character(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    Interrupt,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Quit,
    Deregister(String),
}
