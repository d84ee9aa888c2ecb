//! The database file under the real binary: what outlives a restart, what is refused, and what
//! happens when the disk is full.

mod full_disk;
mod refused_files;
mod restart;
