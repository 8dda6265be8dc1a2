//! Lists the files of the sample incident, so that `ascribe demo` needs nothing but the program.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads what cargo tells it and writes what cargo keeps"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let samples = manifest.join("../../samples/incident");
    println!("cargo::rerun-if-changed={}", samples.display());
    let mut files = Vec::new();
    list(&samples, &mut files)?;
    files.sort();
    let mut table = String::from("[\n");
    for file in &files {
        let name = file.strip_prefix(&samples).map_err(io::Error::other)?;
        let name = name.to_string_lossy().replace('\\', "/");
        let path = fs::canonicalize(file)?;
        let path = path.to_string_lossy();
        writeln!(table, "({name:?}, include_bytes!({path:?}) as &[u8]),").map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("sample_files.rs"), table)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
