//! When the events of some leaves happened, without reading the leaves: from the column `time` of the table `events`. It
//! says which entries are worth reading first.

use std::collections::BTreeMap;

use arrow_array::PrimitiveArray;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use ascribe_model::Timestamp;

use crate::Store;
use crate::error::ReadError;
use crate::event_rows::{Near, Wanted, leaves_of, other_columns};

/// When the events of one leaf happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeafTimes {
    /// Events of the leaf at their first sighting.
    pub events: u64,
    /// How many of them have no time.
    pub undated: u64,
    /// Earliest time among those that have one.
    pub first: Option<Timestamp>,
    /// Latest time among those that have one.
    pub last: Option<Timestamp>,
}

impl Store {
    /// When the events of `leaves`, which are in order, happened, as far as that is in the window: a leaf whose events
    /// are all outside it may have none here. Events without a time are never left out. With `near`, leaves whose events
    /// stand elsewhere are not in the map.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn times(
        &self,
        leaves: &[u64],
        window: Option<(Timestamp, Timestamp)>,
        near: Option<&Near>,
    ) -> Result<BTreeMap<u64, LeafTimes>, ReadError> {
        let mut times: BTreeMap<u64, LeafTimes> = match near {
            Some(_) => BTreeMap::new(),
            None => leaves.iter().map(|leaf| (*leaf, LeafTimes::default())).collect(),
        };
        let wanted = Wanted { leaves, window, near, columns: &["time"] };
        let moments = self.rows_at(&wanted, &|path, batch, rows| {
            let times = batch.column_by_name("time").and_then(|column| column.as_primitive_opt());
            let times: &PrimitiveArray<TimestampNanosecondType> = times.ok_or_else(|| other_columns(path))?;
            let found = leaves_of(path, batch)?.values().iter().zip(times);
            rows.extend(found.map(|(leaf, time)| (*leaf, time.map(Timestamp::from_nanoseconds))));
            Ok(())
        })?;
        for (leaf, moment) in moments {
            times.entry(leaf).or_default().add(moment);
        }
        Ok(times)
    }
}

impl FromIterator<Option<Timestamp>> for LeafTimes {
    fn from_iter<T: IntoIterator<Item = Option<Timestamp>>>(times: T) -> Self {
        let mut sum = Self::default();
        times.into_iter().for_each(|time| sum.add(time));
        sum
    }
}

impl LeafTimes {
    fn add(&mut self, time: Option<Timestamp>) {
        self.events += 1;
        self.undated += u64::from(time.is_none());
        self.first = [self.first, time].into_iter().flatten().min();
        self.last = self.last.max(time);
    }
}
