//! Which files a command's paths stand for: files, folders, patterns, and `-` for standard input.
//!
//! It lists and sorts; it reads no content. A path that stands for nothing is an error with a hint, never a silence.

use std::fs;
use std::path::{Path, PathBuf};

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
        let outcome = if path == "-" {
            Ok(vec![InputObject::Stdin])
        } else if Path::new(path).exists() || !path.contains(['*', '?', '[', '{']) {
            listed(path)
        } else {
            matching(path)
        };
        match outcome {
            Ok(objects) => found.objects.extend(objects),
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

fn listed(path: &str) -> Result<Vec<InputObject>, FindError> {
    let at = Path::new(path);
    let metadata = fs::metadata(at).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => FindError::Missing { path: path.to_owned() },
        _ => FindError::Unreadable { path: path.to_owned(), source },
    })?;
    if !metadata.is_dir() {
        return Ok(vec![InputObject::File(at.to_owned())]);
    }
    let mut files = Vec::new();
    walk(at, &mut files)?;
    if files.is_empty() {
        return Err(FindError::EmptyFolder { path: path.to_owned() });
    }
    files.sort();
    Ok(files.into_iter().map(InputObject::File).collect())
}

/// Regular files at and below `folder`; links to folders are not followed, so that no circle can form.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), FindError> {
    let unreadable = |source| FindError::Unreadable { path: folder.to_string_lossy().into_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let path = entry.path();
        if kind.is_dir() {
            walk(&path, files)?;
        } else if kind.is_file() || (kind.is_symlink() && path.is_file()) {
            files.push(path);
        }
    }
    Ok(())
}

fn matching(pattern: &str) -> Result<Vec<InputObject>, FindError> {
    let bad = |source| FindError::BadPattern { pattern: pattern.to_owned(), source };
    let glob =
        globset::GlobBuilder::new(pattern).literal_separator(true).build().map_err(bad)?.compile_matcher();
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']))
        .collect();
    let root = if fixed.as_os_str().is_empty() { Path::new(".") } else { fixed.as_path() };
    let mut files = Vec::new();
    if root.is_dir() {
        walk(root, &mut files)?;
    }
    let relative = fixed.as_os_str().is_empty();
    let shown = |path: &PathBuf| {
        if relative { path.strip_prefix(".").unwrap_or(path).to_owned() } else { path.clone() }
    };
    let mut matched: Vec<PathBuf> = files.iter().map(shown).filter(|path| glob.is_match(path)).collect();
    if matched.is_empty() {
        return Err(FindError::NoMatch { pattern: pattern.to_owned() });
    }
    matched.sort();
    Ok(matched.into_iter().map(InputObject::File).collect())
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
