//! A disk in memory that can lose power, fail a call, write short and drop pages. What it does follows from its seed
//! and from the order of calls.
//!
//! Bytes: see [`super::pages`]. Names: until a folder is synced, each change to it survives a loss of power or does
//! not, independently of the others; a rename is one change. A synced file without a durable name is gone. It knows
//! nothing of ledgers, and it never puts bytes where nobody wrote them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::TryLockError;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pages::{Pages, Survival};
use super::random::Random;
use crate::durable::{FileKind, Medium, OpenFile, Opening};

/// What a disk writes whole.
pub(super) const SECTOR_BYTES: usize = 512;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Power is lost, and the call did not happen.
    PowerLostBefore,
    /// Power is lost after the call happened.
    PowerLostAfter,
    /// The call fails; a write may have written a part, and a sync may have lost pages for good.
    Error,
    /// The call fails although it happened.
    ErrorAfter,
    /// A write takes a part of its bytes and says so. Other calls go well.
    ShortWrite,
    /// Power is lost during a write, which leaves this on the platter. Other calls go well.
    Torn(Tear),
}

/// What is left of the bytes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// So many, and the file ends there.
    Cut(usize),
    /// Those before the sector that the byte of this number is in, and zeros up to the end of the write.
    Zeros(usize),
    /// All but the sector that the byte of this number is in, which reads as zeros.
    Hole(usize),
}

/// A call that changes bytes or makes them durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A write at the end of a file.
    Write {
        /// Bytes in the file before it.
        offset: usize,
        /// Bytes written.
        length: usize,
    },
    /// A sync of a file, a folder or the file system.
    Sync,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    nodes: BTreeMap<u64, Node>,
    next_node: u64,
    random: Random,
    power: Power,
    /// Counts restarts: a handle of an earlier process is dead.
    epoch: u64,
    /// Files that a live handle has locked, and which handle.
    locked: BTreeMap<u64, u64>,
    next_handle: u64,
    /// Calls so far that change something or make it durable.
    steps: u64,
    /// Calls so far that read.
    reads: u64,
    /// Writes and syncs so far, each with its step.
    calls: Vec<(u64, Call)>,
    /// The step that goes wrong, and how.
    fault: Option<(u64, Fault)>,
    /// The read that fails.
    read_fault: Option<u64>,
    /// Whether what was planned has happened.
    went_wrong: bool,
    /// Whether a sync has failed since power came on: the cache may show what the platter does not have.
    sync_failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    Lost,
}

#[derive(Debug, Clone)]
enum Node {
    File(Pages),
    Folder(Folder),
}

#[derive(Debug, Clone, Default)]
struct Folder {
    live: BTreeMap<OsString, u64>,
    platter: BTreeMap<OsString, u64>,
    changes: Vec<NameChange>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Put { name: OsString, node: u64 },
    Take { name: OsString },
    Move { from: OsString, to: OsString, node: u64 },
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    node: u64,
    epoch: u64,
    handle: u64,
}

/// A step as the fault plan sees it.
enum Course {
    /// It happens.
    Happens,
    /// It happens, and power is lost after it or an error reported.
    HappensAndFails(Fault),
    /// It does not happen, or in part.
    Fails(Fault),
}

impl SimulatedDisk {
    /// An empty disk: one folder, `/`.
    pub fn new(seed: u64) -> Self {
        let root = Node::Folder(Folder::default());
        Self {
            state: Arc::new(Mutex::new(State {
                nodes: BTreeMap::from([(0, root)]),
                next_node: 1,
                random: Random::new(seed),
                power: Power::On,
                epoch: 0,
                locked: BTreeMap::new(),
                next_handle: 0,
                steps: 0,
                reads: 0,
                calls: Vec::new(),
                fault: None,
                read_fault: None,
                went_wrong: false,
                sync_failed: false,
            })),
        }
    }

    /// Another disk with the same content, all of it durable, and another seed.
    #[must_use]
    pub fn copy(&self, seed: u64) -> Self {
        let copy = Self::new(seed);
        let (from, mut to) = (self.state(), copy.state());
        to.nodes.clone_from(&from.nodes);
        to.next_node = from.next_node;
        to.sync_all();
        drop(to);
        copy
    }

    /// Lets something go wrong `after` that many more steps.
    pub fn plan(&self, after: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.steps + after, fault));
        state.went_wrong = false;
    }

    /// Lets a read fail `after` that many more reads.
    pub fn plan_read_error(&self, after: u64) {
        let mut state = self.state();
        state.read_fault = Some(state.reads + after);
        state.went_wrong = false;
    }

    /// Plans nothing any more. Says whether what was planned has happened.
    pub fn plan_nothing(&self) -> bool {
        let mut state = self.state();
        (state.fault, state.read_fault) = (None, None);
        std::mem::take(&mut state.went_wrong)
    }

    /// Whether what was planned has happened.
    pub fn went_wrong(&self) -> bool {
        self.state().went_wrong
    }

    /// The bytes of a file as another process would read them now; `None` where there is no such file.
    pub fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let node = state.find(path).ok()?;
        state.pages(node).ok().map(|pages| pages.live().to_vec())
    }

    /// Steps so far: calls that change something or make it durable.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Writes and syncs so far, each with the step that it was.
    pub fn calls(&self) -> Vec<(u64, Call)> {
        self.state().calls.clone()
    }

    /// Whether power was lost and nothing works until [`SimulatedDisk::lose_power`] has settled what is left.
    pub fn is_dead(&self) -> bool {
        self.state().power == Power::Lost
    }

    /// Whether a sync has failed since power came on, so that only losing the cache tells what is durable.
    pub fn sync_failed(&self) -> bool {
        self.state().sync_failed
    }

    /// The process dies: its handles are closed, the cache stays.
    pub fn kill(&self) {
        self.state().restart();
    }

    /// Power goes and comes back, or the machine is restarted in order.
    pub fn lose_power(&self, survival: Survival) {
        let state = &mut *self.state();
        for node in state.nodes.values_mut() {
            match node {
                Node::File(pages) => pages.lose_power(survival, &mut state.random),
                Node::Folder(folder) => folder.lose_power(survival, &mut state.random),
            }
        }
        state.power = Power::On;
        state.sync_failed = false;
        state.restart();
    }

    /// Puts bytes in the place of a file, or makes one, durably: what someone does to a disk behind the ledger's back.
    pub fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.state();
        let node = match state.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                state.put(path, Node::File(Pages::default()))?
            }
            found => found?,
        };
        *state.pages_mut(node)? = Pages::durable(bytes);
        state.sync_all();
        Ok(())
    }

    /// Every file with its bytes as they read now, in order of paths.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let mut files = BTreeMap::new();
        let mut folders = vec![(PathBuf::from("/"), 0)];
        while let Some((path, node)) = folders.pop() {
            let Some(Node::Folder(folder)) = state.nodes.get(&node) else { continue };
            for (name, child) in &folder.live {
                match state.nodes.get(child) {
                    Some(Node::File(pages)) => {
                        files.insert(path.join(name), pages.live().to_vec());
                    }
                    Some(Node::Folder(_)) => folders.push((path.join(name), *child)),
                    None => {}
                }
            }
        }
        files
    }

    /// The state; that of a thread that panicked is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a step: decides by the plan whether it happens.
    fn step<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> io::Result<T>,
        spoil: impl FnOnce(&mut Self),
    ) -> io::Result<T> {
        self.require_power()?;
        let course = match self.fault {
            Some((at, fault)) if at == self.steps => match fault {
                Fault::PowerLostBefore | Fault::Error => Course::Fails(fault),
                Fault::PowerLostAfter | Fault::ErrorAfter => Course::HappensAndFails(fault),
                Fault::ShortWrite | Fault::Torn(_) => Course::Happens,
            },
            _ => Course::Happens,
        };
        self.steps += 1;
        match course {
            Course::Happens => act(self),
            Course::HappensAndFails(fault) => {
                act(self)?;
                Err(self.fail(fault))
            }
            Course::Fails(fault) => {
                if fault == Fault::Error {
                    spoil(self);
                }
                Err(self.fail(fault))
            }
        }
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        self.went_wrong = true;
        match fault {
            Fault::PowerLostBefore | Fault::PowerLostAfter | Fault::Torn(_) => {
                self.power = Power::Lost;
                power_lost()
            }
            Fault::Error | Fault::ErrorAfter | Fault::ShortWrite => {
                io::Error::new(io::ErrorKind::StorageFull, "no space left (simulated)")
            }
        }
    }

    fn called(&mut self, call: Call) {
        self.calls.push((self.steps, call));
    }

    fn read_step(&mut self) -> io::Result<()> {
        self.require_power()?;
        self.reads += 1;
        if self.read_fault == Some(self.reads - 1) {
            self.went_wrong = true;
            return Err(io::Error::other("the medium does not give the bytes (simulated)"));
        }
        Ok(())
    }

    fn require_power(&self) -> io::Result<()> {
        if self.power == Power::On { Ok(()) } else { Err(power_lost()) }
    }

    fn restart(&mut self) {
        self.epoch += 1;
        self.locked.clear();
    }

    fn sync_all(&mut self) {
        for node in self.nodes.values_mut() {
            match node {
                Node::File(pages) => pages.sync(),
                Node::Folder(folder) => folder.sync(),
            }
        }
    }

    /// What a failed sync leaves: any part of the changes.
    fn some_survive(&mut self) -> Survival {
        let granule = if self.random.chance(1, 2) { 512 } else { 4096 };
        Survival::Some { granule, percent: self.random.below(101) }
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut node = 0;
        for component in path.components() {
            match component {
                Component::Normal(name) => {
                    node = *self.folder(node)?.live.get(name).ok_or_else(not_found)?;
                }
                Component::RootDir | Component::CurDir => {}
                Component::Prefix(_) | Component::ParentDir => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        Ok(node)
    }

    /// The folder that lists a path, and the name in it.
    fn place<'p>(&self, path: &'p Path) -> io::Result<(u64, &'p OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find(path.parent().unwrap_or(Path::new("/")))?, name))
    }

    fn folder(&self, node: u64) -> io::Result<&Folder> {
        match self.nodes.get(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn folder_mut(&mut self, node: u64) -> io::Result<&mut Folder> {
        match self.nodes.get_mut(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn pages(&self, node: u64) -> io::Result<&Pages> {
        match self.nodes.get(&node) {
            Some(Node::File(pages)) => Ok(pages),
            Some(Node::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn pages_mut(&mut self, node: u64) -> io::Result<&mut Pages> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(pages)) => Ok(pages),
            Some(Node::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn put(&mut self, path: &Path, node: Node) -> io::Result<u64> {
        let (folder, name) = self.place(path)?;
        if self.folder(folder)?.live.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = self.next_node;
        self.next_node += 1;
        self.nodes.insert(number, node);
        self.folder_mut(folder)?.apply(NameChange::Put { name: name.to_owned(), node: number });
        Ok(number)
    }

    fn take(&mut self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        let folder = self.folder_mut(folder)?;
        if !folder.live.contains_key(name) {
            return Err(not_found());
        }
        folder.apply(NameChange::Take { name: name.to_owned() });
        Ok(())
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        let children: Vec<(OsString, u64)> =
            self.folder(node)?.live.iter().map(|(name, child)| (name.clone(), *child)).collect();
        for (name, child) in children {
            let child_path = path.join(name);
            match self.nodes.get(&child) {
                Some(Node::Folder(_)) => self.remove_folder(&child_path)?,
                _ => self.take(&child_path)?,
            }
        }
        self.take(path)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_folder, from_name) = self.place(from)?;
        let (to_folder, to_name) = self.place(to)?;
        if from_folder != to_folder {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "renames between folders are not simulated",
            ));
        }
        let folder = self.folder_mut(from_folder)?;
        let node = *folder.live.get(from_name).ok_or_else(not_found)?;
        folder.apply(NameChange::Move { from: from_name.to_owned(), to: to_name.to_owned(), node });
        Ok(())
    }

    fn open(&mut self, path: &Path, opening: Opening) -> io::Result<u64> {
        match (opening, self.find(path)) {
            (Opening::AppendNew | Opening::PrivateNew, Ok(_)) => Err(io::ErrorKind::AlreadyExists.into()),
            (Opening::Replace, Ok(node)) => {
                self.pages_mut(node)?.set_length(0);
                Ok(node)
            }
            (Opening::Read | Opening::Append | Opening::Lock, Ok(node)) => Ok(node),
            (Opening::Read | Opening::Append, Err(error)) => Err(error),
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.put(path, Node::File(Pages::default()))
            }
            (_, Err(error)) => Err(error),
        }
    }
}

impl Tear {
    /// What a write at `offset` leaves.
    fn apply(self, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut left = bytes.to_vec();
        match self {
            Self::Cut(kept) => left.truncate(kept),
            Self::Zeros(at) => {
                let sector = (offset + at) / SECTOR_BYTES * SECTOR_BYTES;
                left.iter_mut().skip(sector.saturating_sub(offset)).for_each(|byte| *byte = 0);
            }
            Self::Hole(at) => {
                let sector = (offset + at) / SECTOR_BYTES;
                for (byte, place) in left.iter_mut().zip(offset..) {
                    if place / SECTOR_BYTES == sector {
                        *byte = 0;
                    }
                }
            }
        }
        left
    }
}

impl Folder {
    fn apply(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.changes.push(change);
    }

    fn sync(&mut self) {
        self.platter.clone_from(&self.live);
        self.changes.clear();
    }

    fn lose_power(&mut self, survival: Survival, random: &mut Random) {
        for change in std::mem::take(&mut self.changes) {
            let survives = match survival {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Some { percent, .. } => random.chance(percent, 100),
            };
            if survives {
                change.apply(&mut self.platter);
            }
        }
        self.live.clone_from(&self.platter);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<OsString, u64>) {
        match self {
            Self::Put { name, node } => {
                names.insert(name.clone(), *node);
            }
            Self::Take { name } => {
                names.remove(name);
            }
            Self::Move { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Medium for SimulatedDisk {
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn OpenFile>> {
        let mut state = self.state();
        let node = match opening {
            Opening::Read => {
                state.read_step()?;
                state.open(path, opening)?
            }
            // Neither is a step that a crash could fall between.
            Opening::Append | Opening::Lock => {
                state.require_power()?;
                state.open(path, opening)?
            }
            Opening::AppendNew | Opening::Replace | Opening::PrivateNew => {
                state.step(|state| state.open(path, opening), |_| {})?
            }
        };
        let handle = state.next_handle;
        state.next_handle += 1;
        Ok(Box::new(SimulatedFile { disk: self.clone(), node, epoch: state.epoch, handle }))
    }

    fn metadata(&self, path: &Path) -> io::Result<(FileKind, u64)> {
        let state = self.state();
        state.require_power()?;
        let node = state.find(path)?;
        match state.nodes.get(&node) {
            Some(Node::File(pages)) => Ok((FileKind::File, pages.live().len() as u64)),
            Some(Node::Folder(_)) => Ok((FileKind::Folder, 0)),
            None => Err(not_found()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(PathBuf, FileKind)>> {
        let mut state = self.state();
        state.read_step()?;
        let node = state.find(folder)?;
        let kind = |node| match state.nodes.get(node) {
            Some(Node::Folder(_)) => FileKind::Folder,
            _ => FileKind::File,
        };
        let names = &state.folder(node)?.live;
        Ok(names.iter().map(|(name, node)| (folder.join(name), kind(node))).collect())
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let folder = Node::Folder(Folder::default());
        self.state().step(|state| state.put(path, folder).map(|_| ()), |_| {})
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let node = state.find(path)?;
        state.called(Call::Sync);
        state.step(
            |state| {
                state.folder_mut(node)?.sync();
                Ok(())
            },
            |state| state.sync_failed = true,
        )
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().step(|state| state.rename(from, to), |_| {})
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.state().step(|state| state.take(path), |_| {})
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        // Like the system's, it may get half-way.
        self.state().step(|state| state.remove_folder(path), |_| {})
    }
}

impl SimulatedFile {
    /// The state, as far as the process that opened the file is alive.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.epoch == self.epoch { Ok(state) } else { Err(io::Error::other("the process is dead")) }
    }

    fn sync(&self) -> io::Result<()> {
        let node = self.node;
        let mut state = self.state()?;
        state.called(Call::Sync);
        state.step(
            |state| {
                match state.nodes.get_mut(&node) {
                    Some(Node::File(pages)) => pages.sync(),
                    Some(Node::Folder(folder)) => folder.sync(),
                    None => {}
                }
                Ok(())
            },
            |state| {
                let survival = state.some_survive();
                state.sync_failed = true;
                if let Some(Node::File(pages)) = state.nodes.get_mut(&node) {
                    pages.fail_sync(survival, &mut state.random);
                }
            },
        )
    }
}

impl OpenFile for SimulatedFile {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.read_step()?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.saturating_add(bytes.len());
        let found = state.pages(self.node)?.live().get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.state()?;
        state.require_power()?;
        Ok(state.pages(self.node)?.live().len() as u64)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state()?;
        let offset = state.pages(self.node)?.live().len();
        state.called(Call::Write { offset, length: bytes.len() });
        if let Some((at, fault @ Fault::Torn(tear))) = state.fault
            && at == state.steps
        {
            let torn = tear.apply(offset, bytes);
            state.pages_mut(self.node)?.append(&torn);
            return Err(state.fail(fault));
        }
        let spoilt = state.random.position(bytes.len() + 1);
        let node = self.node;
        let count = if state.fault == Some((state.steps, Fault::ShortWrite)) {
            state.went_wrong = true;
            spoilt.clamp(1.min(bytes.len()), bytes.len())
        } else {
            bytes.len()
        };
        state.step(
            |state| {
                state.pages_mut(node)?.append(&bytes[..count]);
                Ok(count)
            },
            |state| {
                // What is written before the failure; of a handle to no file there is nothing.
                if let Ok(pages) = state.pages_mut(node) {
                    pages.append(&bytes[..spoilt]);
                }
            },
        )
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let node = self.node;
        self.state()?.step(
            |state| {
                state.pages_mut(node)?.set_length(length);
                Ok(())
            },
            |_| {},
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_file_system(&self) -> io::Result<()> {
        let mut state = self.state()?;
        state.called(Call::Sync);
        state.step(
            |state| {
                state.sync_all();
                Ok(())
            },
            |state| {
                let survival = state.some_survive();
                state.sync_failed = true;
                for node in state.nodes.values_mut() {
                    if let Node::File(pages) = node
                        && pages.is_dirty()
                    {
                        pages.fail_sync(survival, &mut state.random);
                    }
                }
            },
        )
    }

    fn try_lock(&self) -> Result<(), TryLockError> {
        let mut state = self.state().map_err(TryLockError::Error)?;
        let handle = self.handle;
        match state.locked.entry(self.node).or_insert(handle) {
            holder if *holder == handle => Ok(()),
            _ => Err(TryLockError::WouldBlock),
        }
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        state.locked.retain(|_, holder| *holder != self.handle);
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn power_lost() -> io::Error {
    io::Error::other("power is lost (simulated)")
}
