//! What an ingest tells while it runs. How it is shown is not decided here.

/// Watches an ingest.
pub trait Progress: Sync {
    /// This many bytes, as delivered, are to be read in this many objects.
    fn planned(&self, objects: u64, bytes: u64);
    /// This many more bytes, as delivered, were read.
    fn read(&self, bytes: u64);
    /// An object is done.
    fn object_done(&self);
    /// All entries below this ledger size are on disk.
    fn acknowledged(&self, size: u64);
}

/// Nobody watches.
pub struct Silent;

impl Progress for Silent {
    fn planned(&self, _objects: u64, _bytes: u64) {}
    fn read(&self, _bytes: u64) {}
    fn object_done(&self) {}
    fn acknowledged(&self, _size: u64) {}
}
