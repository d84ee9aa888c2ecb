//! What the registry takes at the most: each limit refuses what is beyond it, says so, and harms
//! nobody else.

mod descriptors;
mod fairness;
mod memory;
mod refused;
mod settings;
