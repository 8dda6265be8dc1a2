//! The checkout as a value: every file of it, so that the rules are pure and their tests need no disk.
//!
//! Knows which folders are nobody's source (build output, version control) and nothing about any rule.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders whose contents are not ours to judge.
const SKIPPED_FOLDERS: [&str; 2] = [".git", "target"];

/// Every file below the root, by its path with `/` between names.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Option<String>>,
}

/// Why the checkout could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`")]
pub struct ReadTreeError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Tree {
    /// Reads the checkout below `root`. A file that is not UTF-8 is known by its name alone.
    pub fn read(root: &Path) -> Result<Self, ReadTreeError> {
        let mut tree = Self::default();
        let mut folders = vec![(root.to_owned(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let failed = |path: &Path| {
                let path = path.to_owned();
                move |source| ReadTreeError { path, source }
            };
            for entry in std::fs::read_dir(&folder).map_err(failed(&folder))? {
                let entry = entry.map_err(failed(&folder))?;
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type().map_err(failed(&path))?.is_dir() {
                    if !SKIPPED_FOLDERS.contains(&name.as_str()) && !name.ends_with(".evidence") {
                        folders.push((path, format!("{prefix}{name}/")));
                    }
                } else {
                    let bytes = std::fs::read(&path).map_err(failed(&path))?;
                    tree.files.insert(format!("{prefix}{name}"), String::from_utf8(bytes).ok());
                }
            }
        }
        Ok(tree)
    }

    /// The text of a file; `None` where it is absent or not UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether a file or a folder of this path exists.
    pub fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty() || self.files.contains_key(path) || !self.folder_is_empty(path)
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The path and text of every text file whose name ends in `suffix`, in order.
    pub fn texts<'t>(&'t self, suffix: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.files.iter().filter_map(move |(path, text)| {
            if path.ends_with(suffix) { Some((path.as_str(), text.as_deref()?)) } else { None }
        })
    }

    /// The names of the folders directly in `folder`.
    pub fn folders_in(&self, folder: &str) -> BTreeSet<&str> {
        self.below(folder).filter_map(|rest| rest.split_once('/').map(|(name, _)| name)).collect()
    }

    /// The names of the files directly in `folder`.
    pub fn files_in(&self, folder: &str) -> BTreeSet<&str> {
        self.below(folder).filter(|rest| !rest.contains('/')).collect()
    }

    fn folder_is_empty(&self, folder: &str) -> bool {
        self.below(folder).next().is_none()
    }

    fn below<'t>(&'t self, folder: &str) -> impl Iterator<Item = &'t str> {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        self.files.range(prefix.clone()..).map_while(move |(path, _)| path.strip_prefix(prefix.as_str()))
    }
}

#[cfg(test)]
impl<'t> FromIterator<(&'t str, &'t str)> for Tree {
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(files: I) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), Some(text.to_owned())));
        Self { files: files.collect() }
    }
}

#[cfg(test)]
impl<'t, const N: usize> From<[(&'t str, &'t str); N]> for Tree {
    fn from(files: [(&'t str, &'t str); N]) -> Self {
        Self::from_iter(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_knows_its_folders_and_files() {
        let tree = Tree::from([("a/b/c.rs", ""), ("a/d.rs", ""), ("ab/e.rs", "x")]);
        assert_eq!(tree.folders_in("a"), BTreeSet::from(["b"]));
        assert_eq!(tree.files_in("a/"), BTreeSet::from(["d.rs"]));
        assert!(tree.exists("a/b") && tree.exists("a/b/") && tree.exists("ab/e.rs"));
        assert!(!tree.exists("a/c") && !tree.exists("b"));
        assert_eq!(tree.texts(".rs").count(), 3);
    }

    #[test]
    fn build_output_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        for path in ["src/lib.rs", "target/debug/x.rs", ".git/HEAD", "case.evidence/checkpoint"] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::File::create(path).unwrap();
        }
        let tree = Tree::read(root.path()).unwrap();
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["src/lib.rs"]);
    }
}
