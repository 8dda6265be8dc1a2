//! `cargo xtask new-source NAME`: the file, the fixture folder and the two lines that make a source, so that what is
//! left to write is the source itself.
//!
//! Refuses to overwrite. Knows where things stand and what a first file looks like, nothing of any format.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::tidy::tables::{SOURCE_DOCUMENTS, SOURCES_FILE};

/// What stands before the rows of the table of sources.
const TABLE_TYPE: &str = "SOURCES: &[Source] =";

const SOURCE_TEMPLATE: &str = include_str!("source.rs.template");
const FIXTURE_TEMPLATE: &str = "{\"NAME\":{\"id\":\"1\",\"time\":\"2026-01-01T00:00:00Z\",\"operation\":\"Read\",\
                                \"actor\":\"service-a\",\"outcome\":\"success\"}}\n";

/// Width of a line, as in `rustfmt.toml`.
const LINE_WIDTH: usize = 110;

/// Why no source was added. Nothing is written before the checks that need no writing have passed.
#[derive(Debug, thiserror::Error)]
pub enum NewSourceError {
    #[error(
        "`{0}` is no name for a source: lower-case letters, digits and `_`, a letter first, as in `aws_cloudtrail`"
    )]
    Name(String),
    #[error("`{0}` exists already")]
    Exists(PathBuf),
    #[error("`{SOURCES_FILE}` has no `{0}` to add a line to")]
    Table(&'static str),
    #[error("cannot read or write `{path}`")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Adds the source `name` to the checkout below `root` and returns what is left to do by hand.
pub fn run(name: &str, root: &Path) -> Result<String, NewSourceError> {
    let is_name = name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
    if !is_name {
        return Err(NewSourceError::Name(name.to_owned()));
    }
    let table_path = root.join(SOURCES_FILE);
    let source_path = root.join(format!("crates/sources/src/{name}.rs"));
    let fixtures = root.join(format!("crates/sources/fixtures/{name}"));
    for path in [&source_path, &source_path.with_extension(""), &fixtures] {
        if path.exists() {
            return Err(NewSourceError::Exists(path.clone()));
        }
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| NewSourceError::File { path, source }
    };
    let table = std::fs::read_to_string(&table_path).map_err(failed(&table_path))?;
    let table = with_source(&table, name)?;
    create(&source_path, &SOURCE_TEMPLATE.replace("NAME", name))?;
    std::fs::create_dir_all(&fixtures).map_err(failed(&fixtures))?;
    create(&fixtures.join("first.in.json"), &FIXTURE_TEMPLATE.replace("NAME", name))?;
    // The two lines come last: until they are there the crate builds as before.
    let mut file = File::create(&table_path).map_err(failed(&table_path))?;
    file.write_all(table.as_bytes()).map_err(failed(&table_path))?;
    Ok(format!(
        "added `{name}`. What is left:\n\
         - write the source in `crates/sources/src/{name}.rs`\n\
         - put records into `crates/sources/fixtures/{name}/`, then `UPDATE=1 cargo test -p ascribe-sources` and \
         read what it wrote\n\
         - name `{name}` in {}\n",
        SOURCE_DOCUMENTS.map(|path| format!("`{path}`")).join(" and ")
    ))
}

fn create(path: &Path, text: &str) -> Result<(), NewSourceError> {
    let write =
        |path: &Path| OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes());
    write(path).map_err(|source| NewSourceError::File { path: path.to_owned(), source })
}

/// The table's file with a `mod` line among the others, in order, and a row at the end of `SOURCES`.
fn with_source(text: &str, name: &str) -> Result<String, NewSourceError> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let module = |line: &str| -> Option<String> {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    let modules = lines.iter().enumerate().filter_map(|(number, line)| Some((number, module(line)?)));
    let mut place = None;
    for (number, other) in modules {
        place = Some(number + 1);
        if other.as_str() > name {
            place = Some(number);
            break;
        }
    }
    lines.insert(place.ok_or(NewSourceError::Table("mod"))?, format!("mod {name};"));
    let text = lines.join("\n") + "\n";

    let start = text.find(TABLE_TYPE).ok_or(NewSourceError::Table("SOURCES"))?;
    let head = text[..start].rfind('\n').map_or(0, |at| at + 1)..start + TABLE_TYPE.len();
    let open = text[head.end..].find("&[").ok_or(NewSourceError::Table("SOURCES"))? + head.end + "&[".len();
    let close = open + text[open..].find("];").ok_or(NewSourceError::Table("SOURCES"))?;
    let rows = text[open..close].split(',').map(str::trim).filter(|row| !row.is_empty());
    let row = format!("{name}::SOURCE");
    let rows: Vec<&str> = rows.chain([row.as_str()]).collect();
    let (line_start, head) = (head.start, &text[head]);
    // As `rustfmt` lays it out.
    let list = format!("&[{}];", rows.join(", "));
    let table = if head.len() + 1 + list.len() <= LINE_WIDTH {
        format!("{head} {list}")
    } else if 4 + list.len() <= LINE_WIDTH {
        format!("{head}\n    {list}")
    } else {
        format!("{head} &[\n    {},\n];", rows.join(",\n    "))
    };
    Ok(format!("{}{table}{}", &text[..line_start], &text[close + 2..]))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const TABLE: &str =
        "//! H.\n\nmod aws;\npub mod json;\nmod source;\n\npub const SOURCES: &[Source] = &[aws::SOURCE];\n";

    #[test]
    fn the_two_lines_are_added_in_order() {
        let expected = "//! H.\n\nmod aws;\npub mod json;\nmod okta;\nmod source;\n\n\
                        pub const SOURCES: &[Source] = &[aws::SOURCE, okta::SOURCE];\n";
        assert_eq!(with_source(TABLE, "okta").unwrap(), expected);
        assert!(with_source(TABLE, "zulu").unwrap().contains("mod source;\nmod zulu;\n"));
        assert!(with_source(TABLE, "aaa").unwrap().contains("\n\nmod aaa;\nmod aws;\n"));
    }

    #[test]
    fn a_long_table_gets_a_line_for_each_row() {
        let mut text = TABLE.to_owned();
        for name in ["gcp_cloud_audit_record", "github_enterprise_audit", "kubernetes_audit_event"] {
            text = with_source(&text, name).unwrap();
        }
        assert!(text.contains("= &[\n    aws::SOURCE,\n    gcp_cloud_audit_record::SOURCE,\n"), "{text}");
        assert!(text.ends_with("    kubernetes_audit_event::SOURCE,\n];\n"), "{text}");
    }

    #[test]
    fn a_file_without_a_table_is_refused() {
        assert!(matches!(with_source("mod a;\n", "b"), Err(NewSourceError::Table("SOURCES"))));
        assert!(matches!(with_source("fn a() {}\n", "b"), Err(NewSourceError::Table("mod"))));
    }

    #[test]
    fn a_bad_name_is_refused() {
        for name in ["", "Okta", "okta-system", "1okta", "../okta", "_okta"] {
            let result = run(name, Path::new("."));
            assert!(matches!(result, Err(NewSourceError::Name(_))), "{name}");
        }
    }

    /// Copies the two crates that a source needs, adds a source and builds and lints the copy.
    #[test]
    fn a_new_source_compiles_and_what_exists_is_kept() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let copy = tempfile::tempdir().unwrap();
        for path in ["Cargo.lock", "clippy.toml", "rustfmt.toml", "crates/model", "crates/sources"] {
            copy_all(&root.join(path), &copy.path().join(path));
        }
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let mut manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let workspace = manifest["workspace"].as_table_mut().unwrap();
        workspace.insert("members".to_owned(), toml::Value::from(vec!["crates/*"]));
        workspace.remove("default-members");
        create(&copy.path().join("Cargo.toml"), &toml::to_string(&manifest).unwrap()).unwrap();

        assert!(run("novel_source", copy.path()).unwrap().contains("`README.md`"));
        // Beside the folder that this test was built in, so that the packages built for it serve again.
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("new-source");
        let output = Command::new("cargo")
            .args(["clippy", "--offline", "--quiet", "--package", "ascribe-sources"])
            .env("CARGO_TARGET_DIR", target)
            .current_dir(copy.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("novel_source.rs"), "{said}");
        let formatted = Command::new("rustfmt")
            .args(["--edition", "2024", "--check", "crates/sources/src/novel_source.rs"])
            .current_dir(copy.path())
            .output()
            .unwrap();
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stdout));
        assert!(matches!(run("novel_source", copy.path()), Err(NewSourceError::Exists(_))));
    }

    fn copy_all(from: &Path, to: &Path) {
        if from.is_dir() {
            for entry in std::fs::read_dir(from).unwrap() {
                let entry = entry.unwrap();
                copy_all(&entry.path(), &to.join(entry.file_name()));
            }
        } else {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        }
    }
}
