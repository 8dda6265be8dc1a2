//! Which files a command's paths stand for: files, folders, patterns, and `-` for standard input.
//!
//! It lists and sorts; it reads no content. A path that stands for nothing is an error with a hint, never a silence.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::SETTINGS_FILE;

/// One input, before it is opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputObject {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// A path that cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nothing is there.
    #[error("`{path}` does not exist")]
    Missing {
        /// The path as given.
        path: String,
    },
    /// Evidence is no log: its keys and what is derived from it must not go into a ledger.
    #[error("`{path}` is an evidence folder, or lies in one")]
    Evidence {
        /// The path.
        path: String,
    },
    /// Something that is neither a file nor a folder, or a link to a folder.
    #[error("`{path}` is no file: it was passed over")]
    NoFile {
        /// The path.
        path: String,
    },
    /// A folder holds no file.
    #[error("`{path}` is a folder without files")]
    EmptyFolder {
        /// The path as given.
        path: String,
    },
    /// A pattern matches nothing.
    #[error("`{pattern}` matches no file")]
    NoMatch {
        /// The pattern as given.
        pattern: String,
    },
    /// The pattern cannot be read.
    #[error("`{pattern}` is not a pattern")]
    BadPattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// A folder or file cannot be looked at.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// The path.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// What was found, and what could not be.
#[derive(Debug, Default)]
pub struct FoundObjects {
    /// Inputs, each path sorted, in the order in which the paths were given.
    pub objects: Vec<InputObject>,
    /// Paths that could not be taken in. The others still are.
    pub problems: Vec<FindError>,
}

/// Lists the inputs that `paths` stand for.
pub fn find_objects(paths: &[String]) -> FoundObjects {
    let mut found = FoundObjects::default();
    for path in paths {
        if path == "-" {
            found.objects.push(InputObject::Stdin);
            continue;
        }
        let outcome = if Path::new(path).exists() || !path.contains(['*', '?', '[', '{']) {
            listed(path)
        } else {
            matching(path)
        };
        match outcome {
            Ok(listing) => {
                found.objects.extend(listing.files.into_iter().map(InputObject::File));
                found.problems.extend(listing.passed_over);
            }
            Err(problem) => found.problems.push(problem),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.objects.retain(|object| seen.insert(object.clone()));
    found
}

impl FindError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "check the path; a pattern with `*` has to be quoted or to match something"
            }
            Self::Evidence { .. } => {
                "point at the logs themselves, and keep them outside of evidence folders"
            }
            Self::NoFile { .. } => "name a linked folder itself; read a pipe through `-`",
            Self::EmptyFolder { .. } => {
                "point at the folder that the log files are in; it is searched with all folders below it"
            }
            Self::NoMatch { .. } => "`*` stops at a folder's edge; `**` crosses it",
            Self::BadPattern { .. } => "brackets and braces have to be closed",
            Self::Unreadable { .. } => "check who owns it and who may read it",
        }
    }
}

impl InputObject {
    /// The input's name as recorded in the ledger.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::Stdin => "-".to_owned(),
        }
    }

    /// Size as delivered, where it can be told; for progress only.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::File(path) => fs::metadata(path).map(|metadata| metadata.len()).ok(),
            Self::Stdin => None,
        }
    }
}

/// Files below a folder, and what was passed over.
#[derive(Default)]
struct Listing {
    files: Vec<PathBuf>,
    passed_over: Vec<FindError>,
}

fn listed(path: &str) -> Result<Listing, FindError> {
    let at = Path::new(path);
    let metadata = fs::metadata(at).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => FindError::Missing { path: path.to_owned() },
        _ => FindError::Unreadable { path: path.to_owned(), source },
    })?;
    if lies_in_evidence(at) {
        return Err(FindError::Evidence { path: path.to_owned() });
    }
    let mut listing = Listing::default();
    if metadata.is_dir() {
        walk(at, &mut listing)?;
        if listing.files.is_empty() && listing.passed_over.is_empty() {
            return Err(FindError::EmptyFolder { path: path.to_owned() });
        }
        listing.files.sort();
    } else if metadata.is_file() {
        listing.files.push(at.to_owned());
    } else {
        return Err(FindError::NoFile { path: path.to_owned() });
    }
    Ok(listing)
}

/// Whether the path is an evidence folder or something in one.
fn lies_in_evidence(path: &Path) -> bool {
    let absolute = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().any(is_evidence)
}

fn is_evidence(folder: &Path) -> bool {
    folder.join(SETTINGS_FILE).is_file()
}

/// Regular files at and below `folder`. Links to folders are not followed, so that no circle can form, and evidence
/// folders are left alone; both are said.
fn walk(folder: &Path, listing: &mut Listing) -> Result<(), FindError> {
    let unreadable = |source| FindError::Unreadable { path: folder.to_string_lossy().into_owned(), source };
    if is_evidence(folder) {
        listing.passed_over.push(FindError::Evidence { path: folder.to_string_lossy().into_owned() });
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let path = entry.path();
        if kind.is_dir() {
            walk(&path, listing)?;
        } else if kind.is_file() || (kind.is_symlink() && path.is_file() && !lies_in_evidence(&path)) {
            listing.files.push(path);
        } else {
            listing.passed_over.push(FindError::NoFile { path: path.to_string_lossy().into_owned() });
        }
    }
    Ok(())
}

fn matching(pattern: &str) -> Result<Listing, FindError> {
    let bad = |source| FindError::BadPattern { pattern: pattern.to_owned(), source };
    let glob =
        globset::GlobBuilder::new(pattern).literal_separator(true).build().map_err(bad)?.compile_matcher();
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']))
        .collect();
    let relative = fixed.as_os_str().is_empty();
    let root = if relative { Path::new(".") } else { fixed.as_path() };
    if lies_in_evidence(root) {
        return Err(FindError::Evidence { path: root.to_string_lossy().into_owned() });
    }
    let mut below = Listing::default();
    if root.is_dir() {
        walk(root, &mut below)?;
    }
    let shown =
        |path: PathBuf| if relative { path.strip_prefix(".").unwrap_or(&path).to_owned() } else { path };
    let mut files: Vec<PathBuf> =
        below.files.into_iter().map(shown).filter(|path| glob.is_match(path)).collect();
    if files.is_empty() {
        return Err(FindError::NoMatch { pattern: pattern.to_owned() });
    }
    files.sort();
    Ok(Listing { files, passed_over: Vec::new() })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write throw-away files")]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_patterns_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        for name in ["z.json", "b/a.json.gz", "b/c/d.json", "b/notes.txt"] {
            fs::write(root.join(name), b"{}").unwrap();
        }
        let names = |paths: &[String]| -> Vec<String> {
            let found = find_objects(paths);
            assert!(found.problems.is_empty(), "{:?}", found.problems);
            found
                .objects
                .iter()
                .map(|object| object.name().replace(&format!("{}/", root.display()), ""))
                .collect()
        };
        let at = |name: &str| root.join(name).to_string_lossy().into_owned();
        assert_eq!(
            names(&[root.to_string_lossy().into_owned()]),
            ["b/a.json.gz", "b/c/d.json", "b/notes.txt", "z.json"]
        );
        assert_eq!(names(&[at("*.json")]), ["z.json"]);
        assert_eq!(names(&[at("**/*.json")]), ["b/c/d.json", "z.json"]);
        assert_eq!(names(&[at("z.json"), at("*.json")]), ["z.json"], "one input given twice counts once");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_string_lossy().into_owned();
        let problems =
            find_objects(&[format!("{root}/none.json"), root.clone(), format!("{root}/*.gz")]).problems;
        assert!(matches!(problems[0], FindError::Missing { .. }));
        assert!(matches!(problems[1], FindError::EmptyFolder { .. }));
        assert!(matches!(problems[2], FindError::NoMatch { .. }));
    }
}
