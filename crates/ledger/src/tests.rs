//! Tests that need more than the public interface: small segments, and a disk that fails.

mod altered;
mod anchors;
mod crash;
mod erasure;
mod fixture;
mod group_commit;
mod layouts;
mod torn;
mod witness;
