//! The database file under the real binary: what outlives a restart, what is refused, what is
//! copied, and what happens when the disk is full or the file is gone.

mod backup;
mod check;
mod failing_sync;
mod full_disk;
mod growing_disk;
mod missing_file;
mod older_files;
mod refused_files;
mod restart;
