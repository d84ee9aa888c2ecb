//! Where several registries keep one list of services: the traits that such a store fulfils.
//!
//! Everything that is stored has its place in one order, the same for all registries. A registry
//! proposes changes that were decided against the list as it stands at one place; where another
//! one was first, the proposal is *overtaken*, and decided anew after what was first. Each half
//! of such a store is used by a thread of its own.

use std::sync::Arc;

use crate::clock::{ListeningTime, Now, WallTime};
use crate::registry::{Change, Epoch, Fact, Sequence};
use crate::service::{ServiceId, TypePolicy};

use super::{BackendError, StoredService};

/// What a thread calls before each wait of limited length, to show that it gets on with its work.
pub type SignOfLife = Arc<dyn Fn() + Send + Sync>;

/// What is registered, as it stands at one place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Where the events stand.
    pub sequence: Sequence,
    /// The services, in the order of registration, each with the name of the registry that heard
    /// it last.
    pub services: Vec<(StoredService, Box<str>)>,
    /// What ids said about sharing their type, in the order in which they said it.
    pub policies: Vec<(ServiceId, TypePolicy)>,
    /// The names of the registries that are there.
    pub registries: Vec<Box<str>>,
    /// What the store itself calls the place at which it stands so: news from there on count.
    pub revision: u64,
}

/// What a registry stored in one piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// Of which list. Another one comes with a store that was set up anew.
    pub epoch: Epoch,
    /// Its place in the order: one more than that of the one before.
    pub number: u64,
    /// What tells it from whatever else was ever stored at that place: a store may be set back, and
    /// go on in another way.
    pub mark: Box<str>,
    /// The mark of the one before.
    pub behind: Box<str>,
    /// What the store itself calls that place.
    pub revision: u64,
    /// The name of the registry that stored it.
    pub by: Box<str>,
    /// When, by the clock of that registry.
    pub at: WallTime,
    /// What it changes, in this order.
    pub facts: Vec<Fact>,
}

/// What became of a proposal.
#[derive(Debug, PartialEq)]
pub enum Proposal {
    /// It is kept, and will be told to the others.
    Stored,
    /// Nothing of it is kept: another registry was first.
    Overtaken(Missed),
}

/// What others stored that a registry has not followed yet.
#[derive(Debug, PartialEq)]
pub enum Missed {
    /// These, in their order. There may be more after them.
    Transactions(Vec<Transaction>),
    /// More than is remembered, or another list altogether: all of it must be taken anew.
    TooMuch,
}

/// Where a transaction stands, seen from a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionPlace {
    /// It is part of what the registry has.
    Known,
    /// It is the one to apply next.
    Next,
    /// Others before it are missing, or it is part of another list.
    Beyond,
}

/// What a registry hears of the others, and of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Something was stored.
    Stored(Transaction),
    /// A registry is alive, and has heard services.
    Beat(Beat),
    /// A registry of this name is there.
    Present(Box<str>),
    /// The registry of this name is not there any more.
    Gone(Box<str>),
    /// Another process has come under the name of this registry.
    Replaced,
    /// The store was out of reach, and stands there now: it may have been set back.
    Resumed(Standing),
    /// News may be missing before this.
    Interrupted,
}

/// How far a store has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// With which list.
    pub epoch: Epoch,
    /// The number of the last transaction.
    pub number: u64,
    /// The mark of it.
    pub mark: Box<str>,
}

/// A sign of life of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The name of the registry.
    pub by: Box<str>,
    /// When it was given, where this very process gave it, and the number of pauses by then.
    pub own: Option<(ListeningTime, u64)>,
    /// Which services it heard, and when.
    pub heard: Vec<(ServiceId, WallTime)>,
}

/// Who is there, and what they heard last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lives {
    /// The last beats in which something was heard, in their order.
    pub heard: Vec<Beat>,
    /// The names of the registries that are there.
    pub registries: Vec<Box<str>>,
}

/// How the store itself is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreState {
    /// The names of its members.
    pub members: Vec<Box<str>>,
    /// Which of them leads, if one does.
    pub leader: Option<Box<str>>,
    /// The revision of what it has.
    pub revision: u64,
}

/// Keeps one list for several registries. Used by the thread that changes the registry.
pub trait SharedBackend: Send {
    /// Everything that is kept. After it, what was stored before is known; where it fails, no more
    /// is known than before. Where the store was set back to a state before what is known, it
    /// begins another epoch.
    ///
    /// # Errors
    /// [`BackendError`], where it cannot be read.
    fn load(&mut self) -> Result<Picture, BackendError>;

    /// Keeps all `changes`, in their order, or none of them. They must have been decided against
    /// the list as it stood after the last transaction that was loaded, stored or followed.
    ///
    /// # Errors
    /// [`BackendError`], which says whether they may come true all the same. Then they are heard
    /// of among the [`News`].
    fn propose(&mut self, changes: &[&Change], at: WallTime) -> Result<Proposal, BackendError>;

    /// What was stored since.
    ///
    /// # Errors
    /// [`BackendError`], where it cannot be read.
    fn missed(&mut self) -> Result<Missed, BackendError>;

    /// Who is there, and what they heard last.
    ///
    /// # Errors
    /// [`BackendError`], where it cannot be read.
    fn lives(&mut self) -> Result<Lives, BackendError>;

    /// Where `transaction` stands. One that is next counts as applied from then on.
    fn follow(&mut self, transaction: &Transaction) -> TransactionPlace;

    /// Whether a store that stands there is the one that is known, without anything more.
    fn knows_all_of(&self, standing: &Standing) -> bool;

    /// The number of the last transaction that is known.
    fn number(&self) -> u64;

    /// Gives it what to call before each wait. Called before all else; a store that waits for
    /// nothing need not care.
    fn show_life(&mut self, _sign: SignOfLife) {}
}

/// Hears what happens to the shared list. Used by a thread of its own.
pub trait Follower: Send {
    /// Goes on after `revision`, which is that of a [`Picture`]. Called before all else.
    fn begin_behind(&mut self, revision: u64);

    /// Waits for news. Nothing may come, after a while.
    ///
    /// # Errors
    /// [`BackendError`], where nothing can be heard just now. The next call tries again; no news
    /// is lost in between.
    fn listen(&mut self) -> Result<Vec<News>, BackendError>;

    /// As [`SharedBackend::show_life`].
    fn show_life(&mut self, _sign: SignOfLife) {}
}

/// Tells the others that this registry is there and what it hears. Used by a thread of its own.
pub trait Herald: Send {
    /// Gives a sign of life, and tells of services that were heard.
    ///
    /// # Errors
    /// [`BackendError`], where nobody may have been told.
    fn beat(&mut self, now: Now, heard: &[(&ServiceId, WallTime)]) -> Result<(), BackendError>;

    /// How the store itself is; none, from one that has no members.
    ///
    /// # Errors
    /// [`BackendError`], where it does not tell.
    fn look(&mut self) -> Result<Option<StoreState>, BackendError> {
        Ok(None)
    }

    /// Says that this registry is there no more. The last call.
    fn say_goodbye(&mut self);

    /// As [`SharedBackend::show_life`].
    fn show_life(&mut self, _sign: SignOfLife) {}
}

/// A store that several registries share, in its three halves.
pub struct SharedStore {
    /// What this registry is called among them.
    pub name: Box<str>,
    /// Keeps the list.
    pub backend: Box<dyn SharedBackend>,
    /// Hears of it.
    pub follower: Box<dyn Follower>,
    /// Tells of this registry.
    pub herald: Box<dyn Herald>,
}
