//! The database file under the real binary: what outlives a restart, what is refused, what is
//! copied, and what happens when the disk is full or the file is gone.

mod backup;
mod check;
#[cfg(target_os = "linux")]
mod cut_off_backup;
#[cfg(target_os = "linux")]
mod failing_disk;
mod full_disk;
mod growing_disk;
mod missing_file;
mod moving;
mod older_files;
#[cfg(target_os = "linux")]
mod read_only;
mod refused_files;
mod restart;
