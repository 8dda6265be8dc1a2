//! SQLite as somebody would set it up who wants the same promise: write-ahead log, `synchronous=FULL`, one row a record.
//!
//! The writers share one connection under a lock: a connection each, with SQLite's own waiting, is slower. Grouped,
//! one thread owns the connection and commits what has queued up as one transaction, as the ledger's group commit does.

use std::error::Error;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rusqlite::{Connection, params};

use crate::writers::{self, Told};
use crate::{BATCH, Load};

const INSERT: &str = "INSERT INTO record (received_at, captured) VALUES (?1, ?2)";

fn open(folder: &Path) -> Result<Connection, Box<dyn Error>> {
    std::fs::create_dir(folder)?;
    let connection = Connection::open(folder.join("records.sqlite"))?;
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(format!("SQLite has journal mode `{mode}`").into());
    }
    connection.execute_batch(
        "PRAGMA synchronous=FULL;
         CREATE TABLE record (leaf INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, captured BLOB NOT NULL);",
    )?;
    Ok(connection)
}

fn require_rows(connection: &Connection, expected: usize) -> Result<(), Box<dyn Error>> {
    let found: i64 = connection.query_row("SELECT count(*) FROM record", [], |row| row.get(0))?;
    if i64::try_from(expected)? == found {
        Ok(())
    } else {
        Err(format!("SQLite has {found} rows, {expected} were acknowledged").into())
    }
}

/// Transactions of one row each.
pub fn single(load: &Load, folder: &Path) -> Result<Told, Box<dyn Error>> {
    let connection = Mutex::new(open(folder)?);
    let told = writers::run(load, |_| {
        |record: &[u8]| {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection.prepare_cached(INSERT)?.execute(params![0, record]).map(|_| ())
        }
    })?;
    let connection = connection.into_inner().unwrap_or_else(PoisonError::into_inner);
    require_rows(&connection, told.latencies.len())?;
    Ok(told)
}

type Waiting = (Vec<u8>, SyncSender<()>);

/// Rows of one record each, those that wait together in one transaction.
pub fn single_grouped(load: &Load, folder: &Path) -> Result<Told, Box<dyn Error>> {
    let connection = open(folder)?;
    let (sender, receiver) = mpsc::sync_channel::<Waiting>(4_096);
    thread::scope(|scope| {
        let owner =
            scope.spawn(move || commit_groups(connection, &receiver).map_err(|error| error.to_string()));
        let told = writers::run(load, |_| {
            let sender = sender.clone();
            move |record: &[u8]| -> Result<(), Box<dyn Error + Send + Sync>> {
                let (answer, answered) = mpsc::sync_channel(1);
                sender.send((record.to_vec(), answer))?;
                Ok(answered.recv()?)
            }
        });
        drop(sender);
        let connection = owner.join().map_err(|_| "the thread of SQLite panicked")??;
        let told = told?;
        require_rows(&connection, told.latencies.len())?;
        Ok(told)
    })
}

fn commit_groups(mut connection: Connection, receiver: &Receiver<Waiting>) -> rusqlite::Result<Connection> {
    while let Ok(first) = receiver.recv() {
        let group: Vec<Waiting> = [first].into_iter().chain(receiver.try_iter()).collect();
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for (record, _) in &group {
                insert.execute(params![0, record])?;
            }
        }
        transaction.commit()?;
        for (_, answer) in group {
            // A writer that has gone does not want to know.
            answer.try_send(()).unwrap_or_default();
        }
    }
    Ok(connection)
}

/// Seconds for `entries` rows in transactions of a batch each.
pub fn bulk(records: &[Vec<u8>], entries: usize, folder: &Path) -> Result<f64, Box<dyn Error>> {
    let mut connection = open(folder)?;
    let mut records = records.iter().cycle();
    let started = Instant::now();
    let mut left = entries;
    while left > 0 {
        let transaction = connection.transaction()?;
        let count = BATCH.min(left);
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for record in records.by_ref().take(count) {
                insert.execute(params![0, record])?;
            }
        }
        transaction.commit()?;
        left -= count;
    }
    let seconds = started.elapsed().as_secs_f64();
    require_rows(&connection, entries)?;
    Ok(seconds)
}
