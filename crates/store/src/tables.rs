//! The tables of a segment: every column, once. `docs/formats/store.md` lists the same columns and a test compares.
//!
//! Rows stand in leaf order, except in `sightings` and `coverage`, which are sums: those stand in the order of the
//! keys (value, kind, scope) and of the stream, then of the hour. This file deliberately does not know how rows are made (`rows.rs`) or written (`table_file.rs`).

use crate::cell::{
    Choice, Column, Columns, Flag, Id, MaybeChoice, MaybeMoment, MaybeText, MaybeWhole, MaybeWord, Moment,
    Small, Text, Whole, Word, table,
};

/// A table as the format document states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name; the file is `<name>.parquet`.
    pub name: &'static str,
    /// What one row is.
    pub about: &'static str,
    /// The columns in order.
    pub columns: &'static [Column],
}

/// Every table of a segment, in the order in which the format document lists them.
pub const TABLES: [Table; 9] = [
    describe::<EventColumns>(),
    describe::<KeyColumns>(),
    describe::<EffectColumns>(),
    describe::<SightingColumns>(),
    describe::<DeliveryColumns>(),
    describe::<CoverageColumns>(),
    describe::<RejectColumns>(),
    describe::<ObjectColumns>(),
    describe::<StreamColumns>(),
];

const fn describe<C: Columns>() -> Table {
    Table { name: C::TABLE, about: C::ABOUT, columns: C::COLUMNS }
}

table! {
    /// One event, at its first sighting.
    "events", EventRow, EventColumns {
        /// Leaf of the record in the ledger.
        leaf: Whole,
        /// Position of the event among those of its record, from 0.
        ordinal: Small,
        /// Content id of the event, 64 hexadecimal digits.
        event_id: Id,
        /// Id of the source.
        source: Word,
        /// Native scope: the account, the cluster.
        scope: Word,
        /// Part of the scope that is delivered apart, such as a region.
        partition: MaybeWord,
        /// When it happened, as the record says.
        time: MaybeMoment,
        /// End of the request.
        end_time: MaybeMoment,
        /// Smallest step that the stated moment can express, in nanoseconds.
        time_precision_ns: Whole,
        /// Where the moment comes from.
        time_basis: Choice,
        /// What sort of act.
        verb: Choice,
        /// Service that offers the operation.
        service: Word,
        /// Operation in the source's words.
        operation: Word,
        /// How it ended, in one word.
        status: Choice,
        /// The source's code for the outcome.
        status_code: MaybeWord,
        /// The source's sentence on the outcome.
        status_detail: MaybeWord,
        /// Kind of the identity that acted.
        actor_kind: Choice,
        /// Namespace of the acting identity's key.
        actor_uid_kind: Word,
        /// The acting identity's key.
        actor_uid: Word,
        /// Readable name of the acting identity.
        actor_name: MaybeWord,
        /// Name that the caller gave to its session. Proves nothing.
        session_name: MaybeWord,
        /// On whose behalf, outermost, as `kind:uid`.
        on_behalf_of: MaybeWord,
        /// Namespace of the credential used.
        credential_kind: MaybeWord,
        /// Scope in which the credential is unique.
        credential_scope: MaybeWord,
        /// Identifier of the credential used.
        credential: MaybeWord,
        /// What sort of secret it is.
        credential_class: MaybeChoice,
        /// The record's own id.
        native_uid: MaybeText,
        /// The request's own id.
        request_uid: MaybeText,
        /// Id shared with the copy that another account received.
        correlation_uid: MaybeText,
        /// Stage of the request.
        stage: MaybeWord,
        /// Address nearest to the recording system that it observed itself.
        src_ip: MaybeWord,
        /// What the client calls itself. Proves nothing.
        user_agent: MaybeWord,
        /// Service that called on the caller's behalf.
        via: MaybeWord,
        /// Type of the first resource acted upon.
        resource_type: MaybeWord,
        /// Identifier of the first resource acted upon.
        resource_uid: MaybeWord,
        /// How many resources the record names.
        resource_count: Small,
        /// First rule that allowed or refused it, as `kind:uid`.
        authority: MaybeWord,
        /// Leaf of the object's opening entry.
        object: MaybeWhole,
        /// When the record was received.
        received_at: Moment,
        /// Whether parts of the record were withheld.
        withheld: Flag,
    }
}

table! {
    /// One key that an event lists, except for native identifiers and names, which are only in the key index.
    "keys", KeyRow, KeyColumns {
        /// Leaf of the record.
        leaf: Whole,
        /// Position of the event among those of its record.
        ordinal: Small,
        /// What the event has to do with the value.
        role: Choice,
        /// Namespace of the value.
        kind: Word,
        /// Where the value is unique; empty where it is unique everywhere.
        scope: Word,
        /// The value.
        value: Word,
        /// How the value stands to the identifier.
        form: Choice,
        /// Who vouches for it.
        trust: Choice,
        /// Moment that the record ties to the value.
        at: MaybeMoment,
    }
}

table! {
    /// One thing that an event does to a credential.
    "effects", EffectRow, EffectColumns {
        /// Leaf of the record.
        leaf: Whole,
        /// Position of the event among those of its record.
        ordinal: Small,
        /// What happens to the credential.
        kind: Choice,
        /// Namespace of the credential.
        credential_kind: MaybeWord,
        /// Scope in which it is unique.
        credential_scope: MaybeWord,
        /// Identifier of the credential.
        credential: MaybeWord,
        /// What sort of secret it is.
        credential_class: MaybeChoice,
        /// Credentials that are meant where none is named.
        selector: MaybeWord,
        /// Who the credential speaks for, as `kind:uid`.
        subject: MaybeWord,
        /// Declared end of its life.
        expires: MaybeMoment,
        /// Declared length of its life, in seconds.
        ttl_seconds: MaybeWhole,
        /// When the event happened.
        time: MaybeMoment,
    }
}

table! {
    /// Use of one credential from one workload in one hour. An event that lists two workloads counts in both rows.
    "sightings", SightingRow, SightingColumns {
        /// Namespace of the credential.
        credential_kind: Word,
        /// Scope in which it is unique.
        credential_scope: Word,
        /// Identifier of the credential.
        credential: Word,
        /// Namespace of the workload's key.
        workload_kind: MaybeWord,
        /// Scope in which the workload's key is unique.
        workload_scope: MaybeWord,
        /// The workload's key; absent where the record names none.
        workload: MaybeWord,
        /// Start of the hour; absent for events without a time.
        hour: MaybeMoment,
        /// How many events.
        events: Whole,
        /// Earliest event.
        first: MaybeMoment,
        /// Latest event.
        last: MaybeMoment,
    }
}

table! {
    /// One further delivery of an event that was already seen.
    "deliveries", DeliveryRow, DeliveryColumns {
        /// Content id of the event.
        event_id: Id,
        /// Leaf of this delivery.
        leaf: Whole,
        /// Leaf of the opening entry of the object that brought it.
        object: MaybeWhole,
        /// Leaf of the first sighting.
        first_leaf: Whole,
    }
}

table! {
    /// Events of one stream in one hour.
    "coverage", CoverageRow, CoverageColumns {
        /// Id of the source.
        source: Word,
        /// Native scope.
        scope: Word,
        /// Part of the scope.
        partition: MaybeWord,
        /// Start of the hour; absent for events without a time.
        hour: MaybeMoment,
        /// How many events.
        events: Whole,
        /// State of coverage: `unknown` until something proves more.
        state: Choice,
    }
}

table! {
    /// Bytes that no parser could read.
    "rejects", RejectRow, RejectColumns {
        /// Leaf of the reject.
        leaf: Whole,
        /// Leaf of the opening entry of the object that brought it.
        object: MaybeWhole,
        /// When it was received.
        received_at: Moment,
        /// Where the bytes start in the object.
        span_offset: Whole,
        /// How many bytes.
        span_length: Whole,
        /// Why no parser could read them.
        reason: Word,
        /// Source whose parser tried, where one did.
        source: MaybeWord,
    }
}

table! {
    /// One opening or closing entry of an object.
    "objects", ObjectRow, ObjectColumns {
        /// Leaf of the entry.
        leaf: Whole,
        /// Name under which it came.
        name: Text,
        /// Leaf of the opening entry that this one closes; absent in an opening entry.
        closes: MaybeWhole,
        /// Records in the object.
        records: Whole,
        /// Rejects in the object.
        rejects: Whole,
        /// Bytes that belong to no record.
        framing_bytes: Whole,
        /// Bytes of the object.
        bytes: Whole,
    }
}

table! {
    /// One stream that the ledger announces.
    "streams", StreamRow, StreamColumns {
        /// Leaf of the entry.
        leaf: Whole,
        /// Id of the source.
        source: Word,
        /// Native scope.
        scope: Word,
        /// Part of the scope.
        partition: MaybeWord,
    }
}
