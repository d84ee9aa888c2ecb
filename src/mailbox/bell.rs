//! What wakes the owner of a mailbox when there is nothing to be said.

use std::sync::{Arc, Weak};

use super::{Mailbox, Rope};

/// Wakes the receiver without a message. It keeps no mailbox open.
#[derive(Debug, Clone)]
pub(crate) struct Bell(Weak<Rope>);

impl<T> Mailbox<T> {
    /// What wakes whoever polls this mailbox.
    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }
}

impl Bell {
    pub(super) fn on(rope: &Arc<Rope>) -> Self {
        Self(Arc::downgrade(rope))
    }

    /// Wakes the receiver, where the mailbox is still open. Never waits.
    pub(crate) fn ring(&self) {
        if let Some(rope) = self.0.upgrade() {
            rope.pull();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mailbox::tests::readable;
    use crate::mailbox::{Post, mailbox};

    #[test]
    fn a_bell_wakes_without_a_message_and_keeps_nothing_open() {
        let (postbox, mut mailbox) = mailbox(4).unwrap();
        let bell = mailbox.bell();

        bell.ring();
        bell.ring();
        assert!(readable(&mailbox));
        mailbox.answer_bell();
        assert!(!readable(&mailbox), "no second ring is left in the pipe");
        assert_eq!(mailbox.take(), Post::Empty);

        drop(postbox);
        assert!(readable(&mailbox));
        bell.ring();
        mailbox.answer_bell();
        assert_eq!(mailbox.take(), Post::Closed);
    }
}
