//! What the tree promises: which way dependencies run, how long a file may be, where SQL may stand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Lines of a source file, at most.
const MOST_LINES: usize = 600;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file that git tracks or would track.
pub(crate) fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let text = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<_> = text
        .lines()
        .map(PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect();
    assert!(files.len() > 100, "git listed only {} files", files.len());
    files
}

/// How far up a crate stands; a crate may only use what stands lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Kernel,
    Platform,
    Api,
    Service,
    App,
}

fn level(manifest: &Path) -> Option<Level> {
    let path = manifest.strip_prefix(root()).ok()?.to_str()?;
    let parts: Vec<_> = path.split('/').collect();
    Some(match parts.as_slice() {
        ["platform", "kernel", ..] => Level::Kernel,
        ["platform", ..] => Level::Platform,
        ["services", _, "api", ..] => Level::Api,
        ["services", ..] => Level::Service,
        _ => Level::App,
    })
}

#[test]
fn dependencies_run_one_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let levels: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .filter_map(|package| {
            Some((
                package.name.to_string(),
                level(package.manifest_path.as_std_path())?,
            ))
        })
        .collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let from = levels[package.name.as_str()];
        for dependency in &package.dependencies {
            let Some(&to) = levels.get(&dependency.name) else {
                continue;
            };
            // Crates of the platform use one another, and so do contracts; services do not. Tests may use the test kit, but no service
            // another one.
            let fine = to < from
                || (to == from && matches!(from, Level::Platform | Level::Api))
                || (dependency.kind == DependencyKind::Development
                    && (to < Level::Service || from == Level::App));
            if !fine {
                wrong.push(format!(
                    "{} ({from:?}) uses {} ({to:?})",
                    package.name, dependency.name
                ));
            }
        }
    }
    assert!(levels.len() > 15, "only {} crates were found", levels.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a release build of the packages compiles, as cargo tree writes it: each crate with its features.
fn compiled(packages: &[&str]) -> BTreeSet<String> {
    let selected = packages.iter().flat_map(|name| ["--package", name]);
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--no-dedupe", "--format", "{p} {f}"])
        .args(selected)
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    let listed = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn what_make_run_has_compiled_make_split_does_not_compile_again() {
    let run = compiled(&["stoa"]);
    let split = compiled(&["stoa", "stoa-split"]);
    assert!(run.len() > 100, "{run:?}");
    let again: Vec<_> = run.difference(&split).collect();
    assert!(
        again.is_empty(),
        "with stoa-split these have other features: {again:?}"
    );
}

#[test]
fn no_source_file_is_too_long() {
    let long: Vec<_> = files()
        .into_iter()
        .filter(|file| {
            file.extension().is_some_and(|e| {
                ["rs", "sql", "sh", "ts", "tsx", "html", "css"]
                    .iter()
                    .any(|x| e == *x)
            })
        })
        .filter_map(|file| {
            let lines = fs::read_to_string(root().join(&file)).ok()?.lines().count();
            (lines > MOST_LINES).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(
        long.is_empty(),
        "more than {MOST_LINES} lines:\n{}",
        long.join("\n")
    );
}

/// The lines of source files of services that some line speaks of, without comments and the tests that stand beside what they test.
fn lines_of_services(place: impl Fn(&[&str]) -> bool, speaks: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files() {
        let parts: Vec<_> = file.iter().map(|part| part.to_str().unwrap()).collect();
        if parts[0] != "services" || file.extension().is_none_or(|e| e != "rs") || !place(&parts) {
            continue;
        }
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = shipped
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        found.extend(
            lines
                .filter(|line| speaks(line))
                .map(|line| format!("{}: {}", file.display(), line.trim())),
        );
    }
    found
}

/// Whether a line names a path that begins like this.
fn names_path(line: &str, path: &str) -> bool {
    let before = |at: usize| line[..at].chars().next_back();
    let after = |at: usize| line[at + path.len()..].chars().next();
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(path).any(|(at, _)| {
        let goes_on = path.ends_with(char::is_alphanumeric) && part_of_word(after(at));
        !goes_on && !part_of_word(before(at))
    })
}

#[test]
fn services_keep_their_sql_under_store() {
    let words = ["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE "];
    let found = lines_of_services(
        |parts| !parts.iter().any(|part| ["store", "tests"].contains(part)),
        |line| {
            let mut literals = line.split('"').skip(1).step_by(2);
            literals.any(|literal| words.iter().any(|word| literal.contains(word)))
        },
    );
    assert!(found.is_empty(), "SQL outside store/:\n{}", found.join("\n"));
}

#[test]
fn what_can_be_done_knows_nothing_of_http() {
    let http = ["axum", "http::", "use http", "hyper", "stoa_http"];
    let found = lines_of_services(
        |parts| parts.contains(&"ops"),
        |line| http.iter().any(|path| names_path(line, path)),
    );
    assert!(found.is_empty(), "HTTP in ops/:\n{}", found.join("\n"));
}

#[test]
fn what_callers_are_shown_stays_under_http() {
    let found = lines_of_services(
        |parts| {
            !parts
                .iter()
                .any(|part| ["http", "tests", "gateway"].contains(part))
                && !parts.ends_with(&["src", "lib.rs"])
        },
        |line| {
            ["crate::http", "super::http", "view"]
                .iter()
                .any(|path| names_path(line, path))
        },
    );
    assert!(
        found.is_empty(),
        "types of http/ outside of it:\n{}",
        found.join("\n")
    );
}

/// What `stoa services --json` says of each.
fn services() -> Vec<serde_json::Value> {
    let listed = Command::new(env!("CARGO_BIN_EXE_stoa"))
        .args(["services", "--json"])
        .output();
    serde_json::from_slice(&listed.expect("stoa lists its services").stdout).unwrap()
}

pub(crate) fn names() -> Vec<String> {
    let name = |service: &serde_json::Value| service["name"].as_str().unwrap().to_owned();
    services().iter().map(name).collect()
}

/// The services that keep something.
pub(crate) fn with_database() -> Vec<String> {
    let services = services()
        .into_iter()
        .filter(|service| service["database"] == true);
    services
        .map(|service| service["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_folder_of_a_service_is_one_that_runs_and_no_two_share_a_port() {
    let folders = fs::read_dir(root().join("services")).unwrap().flatten();
    let mut folders: Vec<_> = folders
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut listed = names();
    listed.sort();
    assert_eq!(listed, folders);
    let mut ports: Vec<_> = services()
        .iter()
        .flat_map(|service| [service["port"].as_u64(), service["rpc_port"].as_u64()])
        .flatten()
        .collect();
    let count = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), count, "{ports:?}");
}

#[test]
fn what_a_service_wants_to_be_told_of_some_service_tells() {
    let all = services();
    let list = |service: &serde_json::Value, key: &str| service[key].as_array().unwrap().clone();
    let told: Vec<_> = all.iter().flat_map(|service| list(service, "emits")).collect();
    let mut told: Vec<_> = told.iter().map(|event| event["name"].clone()).collect();
    // Any service may publish to channels, and none lists it.
    told.push("channel.published".into());
    for service in &all {
        for event in list(service, "wants") {
            assert!(
                event == "*" || told.contains(&event),
                "{} wants {event}, which nobody tells",
                service["name"]
            );
        }
    }
}

#[test]
fn every_service_has_the_same_shape() {
    for service in names() {
        let folder = root().join("services").join(&service);
        for needed in ["README.md", "src/lib.rs", "src/config.rs"] {
            assert!(
                folder.join(needed).is_file(),
                "services/{service}/{needed} is missing"
            );
        }
    }
    for service in with_database() {
        let folder = root().join("services").join(&service);
        for needed in ["src/http", "src/ops", "src/store", "migrations", "tests"] {
            assert!(
                folder.join(needed).is_dir(),
                "services/{service}/{needed} is missing"
            );
        }
    }
}

#[test]
fn every_setting_stands_in_the_documents_of_its_service() {
    let defaults: toml::Table =
        toml::from_str(&fs::read_to_string(root().join("stoa.default.toml")).unwrap()).unwrap();
    for service in names() {
        let service = service.as_str();
        let readme = fs::read_to_string(root().join("services").join(service).join("README.md")).unwrap();
        let missing: Vec<_> = defaults[service]
            .as_table()
            .unwrap()
            .keys()
            .filter(|key| !readme.contains(key.as_str()))
            .collect();
        assert!(
            missing.is_empty(),
            "services/{service}/README.md does not name {missing:?}"
        );
    }
}

#[test]
fn what_the_documents_point_to_is_there() {
    let mut missing = Vec::new();
    for document in files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        let here = root().join(&document).parent().unwrap().to_owned();
        // Code in backticks is a path of the tree if it begins as one; a link is relative to its document.
        let code = text.split('`').skip(1).step_by(2).filter(|code| {
            let folders = ["app/", "services/", "platform/", "bench/", "tools/", "docs/"];
            folders.iter().any(|folder| code.starts_with(folder))
                && !code.contains(['<', '*', '{', '…', ' ', '\n'])
        });
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .filter(|link| !link.contains("://"));
        let targets = code
            .map(|path| root().join(path))
            .chain(links.map(|link| here.join(link.split('#').next().unwrap())));
        missing.extend(
            targets
                .filter(|path| !path.exists())
                .map(|path| format!("{}: {}", document.display(), path.display())),
        );
    }
    assert!(
        missing.is_empty(),
        "documents point to what is not there:\n{}",
        missing.join("\n")
    );
}

/// The targets of relative links in a Markdown text, with what is shown, outside of code blocks.
fn links(text: &str) -> Vec<(String, String)> {
    let mut in_code = false;
    let prose = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    });
    let prose = prose.collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let Some(shown) = prose[..at].rsplit('[').next() else {
            continue;
        };
        let target = prose[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
            found.push((shown.to_owned(), target.to_owned()));
        }
    }
    found
}

/// Four digits in a row, as decisions are numbered.
fn number(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.find(|word| word.len() == 4 && word.chars().all(|c| c.is_ascii_digit()))
}

#[test]
fn links_of_documents_lead_somewhere_and_have_the_numbers_of_their_decisions() {
    let mut wrong = Vec::new();
    for file in files() {
        if file.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let folder = root().join(&file).parent().unwrap().to_owned();
        for (shown, target) in links(&fs::read_to_string(root().join(&file)).unwrap()) {
            if !folder.join(&target).exists() {
                wrong.push(format!("{}: {target} is not there", file.display()));
            }
            let decision = target.contains("adr/").then(|| number(&target)).flatten();
            if let (Some(told), Some(decision)) = (number(&shown), decision)
                && told != decision
            {
                wrong.push(format!("{}: [{shown}] leads to {target}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
