//! Who acted at some leaves and with what, without reading the leaves: from the table `events`. It says which entries tell
//! something of an identity that others do not.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{Array, PrimitiveArray, RecordBatch, StringArray};
use ascribe_model::{Act, Acting, ActingCredential, KeyKind, KeyRef, Timestamp};

use crate::Store;
use crate::error::ReadError;
use crate::event_rows::{Near, Wanted, leaves_of, other_columns};

/// The columns that are read.
const COLUMNS: [&str; 11] = [
    "source",
    "scope",
    "time",
    "actor_kind",
    "actor_uid_kind",
    "actor_uid",
    "actor_name",
    "credential_kind",
    "credential_scope",
    "credential",
    "credential_class",
];

impl Store {
    /// Who acted in the events at `leaves`, which are in order, as far as they were first seen there; by leaf. With `near`,
    /// leaves whose events stand elsewhere are left out.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn acts(&self, leaves: &[u64], near: Option<&Near>) -> Result<Vec<Act>, ReadError> {
        let wanted = Wanted { leaves, window: None, near, columns: &COLUMNS };
        let rows = self.rows_at(&wanted, &|path, batch, rows| {
            let texts = Texts::of(path, batch)?;
            let times: &PrimitiveArray<TimestampNanosecondType> = batch
                .column_by_name("time")
                .and_then(|column| column.as_primitive_opt())
                .ok_or_else(|| other_columns(path))?;
            for (row, leaf) in leaves_of(path, batch)?.values().iter().enumerate() {
                let time = times.is_valid(row).then(|| Timestamp::from_nanoseconds(times.value(row)));
                rows.push((*leaf, (time, texts.acting(row))));
            }
            Ok(())
        })?;
        let acts = rows.into_iter().map(|(leaf, (time, acting))| Act { leaf, time, acting });
        let mut acts: Vec<Act> = acts.collect();
        acts.sort_unstable();
        Ok(acts)
    }
}

/// The columns of text of some rows, in the order of [`COLUMNS`] less the time.
struct Texts<'b> {
    source: &'b StringArray,
    scope: &'b StringArray,
    actor_kind: &'b StringArray,
    actor_uid_kind: &'b StringArray,
    actor_uid: &'b StringArray,
    actor_name: &'b StringArray,
    credential_kind: &'b StringArray,
    credential_scope: &'b StringArray,
    credential: &'b StringArray,
    credential_class: &'b StringArray,
}

impl<'b> Texts<'b> {
    fn of(path: &Path, batch: &'b RecordBatch) -> Result<Self, ReadError> {
        let column = |name: &str| {
            let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
            column.ok_or_else(|| other_columns(path))
        };
        Ok(Self {
            source: column("source")?,
            scope: column("scope")?,
            actor_kind: column("actor_kind")?,
            actor_uid_kind: column("actor_uid_kind")?,
            actor_uid: column("actor_uid")?,
            actor_name: column("actor_name")?,
            credential_kind: column("credential_kind")?,
            credential_scope: column("credential_scope")?,
            credential: column("credential")?,
            credential_class: column("credential_class")?,
        })
    }

    fn acting(&self, row: usize) -> Acting {
        let text = |column: &StringArray| column.value(row).to_owned();
        let credential = self.credential.is_valid(row).then(|| ActingCredential {
            uid: KeyRef {
                kind: KeyKind::from_name(self.credential_kind.value(row)),
                scope: text(self.credential_scope),
                value: text(self.credential),
            },
            class: text(self.credential_class),
        });
        Acting {
            source: text(self.source),
            scope: text(self.scope),
            actor_kind: text(self.actor_kind),
            actor_uid_kind: text(self.actor_uid_kind),
            actor_uid: text(self.actor_uid),
            actor_name: self.actor_name.is_valid(row).then(|| text(self.actor_name)),
            credential,
        }
    }
}
