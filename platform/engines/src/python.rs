//! Programs of PyPI, in environments of their own in the target folder.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::run;

/// The programs' folder of the environment `name`, with these packages of PyPI and what they need; made once under a lock.
pub(crate) fn programs(name: &str, packages: &[&str]) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target")
        .join(name);
    install(&target, packages).unwrap_or_else(|e| panic!("{} cannot be used: {e}", target.display()));
    target.join("bin")
}

fn install(target: &Path, packages: &[&str]) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let lock = File::create(target.join("lock"))?;
    lock.lock()?;
    let (done, wanted) = (target.join("installed"), packages.join("\n"));
    if fs::read_to_string(&done).ok().as_deref() != Some(wanted.as_str()) {
        run(Command::new("python3").args(["-m", "venv"]).arg(target));
        let mut pip = Command::new(target.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]);
        run(pip.args(packages));
        fs::write(done, wanted)?;
    }
    Ok(())
}
