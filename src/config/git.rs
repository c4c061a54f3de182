//! What the checkout's git knows: the commit that production was built from, and files of a commit that the pull
//! request did not write. Only asked, never needed; nothing is fetched or written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;

/// A commit, seen from the one that the pull request is to be merged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit {
    /// When it was committed.
    pub(crate) at: Timestamp,
    /// How many commits have been made since on the way to the target; `None` when it is not an ancestor, or the history is
    /// cut off.
    pub(crate) behind: Option<u64>,
}

/// Looks `commit` up in the repository that holds `folder`. `target`: the commit to be merged into, else `HEAD`.
///
/// Nothing is fetched or written. `None` whenever git cannot say: no git, no repository, an unknown commit.
pub(crate) fn look_up(folder: &Path, commit: &str, target: Option<&str>) -> Option<Commit> {
    let target = target.unwrap_or("HEAD");
    if !is_hash(commit) || !(target == "HEAD" || is_hash(target)) {
        return None;
    }
    let seconds = ask(folder, &["show", "--no-patch", "--no-show-signature", "--format=%ct", &peeled(commit)])?;
    let at = Timestamp::from_second(seconds.parse().ok()?).ok()?;
    let whole = ask(folder, &["rev-parse", "--is-shallow-repository"])? == "false";
    let behind = || {
        ask(folder, &["merge-base", "--is-ancestor", &peeled(commit), &peeled(target)])?;
        ask(folder, &["rev-list", "--count", &format!("{commit}..{target}")])?.parse().ok()
    };
    Some(Commit { at, behind: if whole { behind() } else { None } })
}

/// A commit's hash, whole or cut short: nothing that git could take for an option or a name.
pub(crate) fn is_hash(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// A file as a commit has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AtCommit {
    /// Its text.
    Text(String),
    /// The commit has no such file.
    Absent,
    /// Git does not say, and why.
    Unknown(String),
}

/// The file `name` of `folder`, as `commit` has it: `HASH` or `HASH^1`, its first parent.
pub(super) fn file_at(folder: &Path, commit: &str, name: &str) -> AtCommit {
    let unknown = |why: String| AtCommit::Unknown(why);
    if !is_hash(commit.strip_suffix("^1").unwrap_or(commit)) {
        return unknown(format!("`{commit}` is not a commit hash"));
    }
    if ask(folder, &["cat-file", "-e", &peeled(commit)]).is_none() {
        return unknown(format!("the checkout does not have commit {commit}"));
    }
    // `./` makes the path one below the folder.
    let Some(entry) = ask(folder, &["ls-tree", commit, "--", &format!("./{name}")]) else {
        return unknown(format!("git cannot list commit {commit}"));
    };
    match entry.split_whitespace().next() {
        None => AtCommit::Absent,
        Some("100644" | "100755") => match ask_exactly(folder, &["cat-file", "blob", &format!("{commit}:./{name}")]) {
            Some(text) => AtCommit::Text(text),
            None => unknown(format!("git cannot show {name} of commit {commit}")),
        },
        Some(_) => unknown(format!("{name} of commit {commit} is not a regular file")),
    }
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    /// Git's id of its contents.
    pub(super) id: String,
    /// It is neither a link nor a submodule.
    pub(super) is_regular: bool,
}

/// The files of a commit, by their paths below the root, whose last part is one of `names`. `None`: git does not say.
pub(super) fn files_at(root: &Path, commit: &str, names: &[&str]) -> Option<BTreeMap<String, Blob>> {
    if !is_hash(commit.strip_suffix("^1").unwrap_or(commit)) {
        return None;
    }
    let listed = ask_exactly(root, &["ls-tree", "-r", "-z", "--full-tree", &peeled(commit)])?;
    let entry = |entry: &str| {
        let (about, path) = entry.split_once('\t')?;
        let mut about = about.split(' ');
        let (mode, _, id) = (about.next()?, about.next()?, about.next()?);
        let name = path.rsplit('/').next().unwrap_or(path);
        let blob = Blob { id: id.to_owned(), is_regular: matches!(mode, "100644" | "100755") };
        names.contains(&name).then(|| (path.to_owned(), blob))
    };
    Some(listed.split('\0').filter_map(entry).collect())
}

/// The text of a blob; `None`: git does not have it, or it is not UTF-8.
pub(super) fn text_of(root: &Path, id: &str) -> Option<String> {
    let text = ask_exactly(root, &["cat-file", "blob", id])?;
    (!text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
}

/// Files that differ between `base` and the checkout's commit, among those that one of `patterns` (git's globs from the
/// root) names, with `/`, from the repository's root. Where the history shows it, what the target branch gained in the
/// meantime is left out. `None`: git does not say.
pub(crate) fn changed_files(folder: &Path, base: &str, patterns: &[&str]) -> Option<Vec<String>> {
    if !is_hash(base.strip_suffix("^1").unwrap_or(base)) {
        return None;
    }
    let from = ask(folder, &["merge-base", &peeled(base), "HEAD"]).unwrap_or_else(|| base.to_owned());
    let patterns: Vec<String> = patterns.iter().map(|pattern| format!(":(top,glob){pattern}")).collect();
    let mut args = vec!["diff-tree", "-r", "--no-renames", "--name-only", "-z", &from, "HEAD", "--"];
    args.extend(patterns.iter().map(String::as_str));
    let named = ask(folder, &args)?;
    Some(named.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// The checkout's commit.
pub(super) fn head(folder: &Path) -> Option<String> {
    ask(folder, &["rev-parse", "--verify", "HEAD^{commit}"])
}

/// The repository's root.
pub(crate) fn root(folder: &Path) -> Option<PathBuf> {
    ask(folder, &["rev-parse", "--show-toplevel"]).map(PathBuf::from)
}

fn peeled(commit: &str) -> String {
    format!("{commit}^{{commit}}")
}

/// What git answers, if it does. A folder of the checkout that looks like a repository of its own is not taken for
/// one, as its configuration would be the pull request's.
fn ask(folder: &Path, args: &[&str]) -> Option<String> {
    Some(ask_exactly(folder, args)?.trim().to_owned())
}

/// The same, with the white space around it.
fn ask_exactly(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(["-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "--no-pager"])
        .args(args)
        .current_dir(folder)
        .env("GIT_NO_LAZY_FETCH", "1")
        // A commit is what its hash says.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What git says in `folder`, without the machine's own settings.
    pub(in crate::config) fn git(folder: &Path, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]);
        command.args(args).current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", folder);
        command.env("GIT_COMMITTER_DATE", "2026-11-01T00:00:00Z").env("GIT_AUTHOR_DATE", "2026-11-01T00:00:00Z");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Three commits on a line, and one beside the last.
    fn repository() -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "-b", "main"]);
        let mut commits: Vec<String> = Vec::new();
        for name in ["one", "two", "three", "beside"] {
            if name == "beside" {
                git(folder.path(), &["checkout", "-q", "-b", "other", &commits[1]]);
            }
            git(folder.path(), &["commit", "-q", "--allow-empty", "-m", name]);
            commits.push(git(folder.path(), &["rev-parse", "HEAD"]));
        }
        git(folder.path(), &["checkout", "-q", "main"]);
        (folder, commits)
    }

    #[test]
    fn a_commit_s_time_and_distance_are_known() {
        let (folder, commits) = repository();
        let at: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let found = |commit: &str, target| look_up(folder.path(), commit, target);
        assert_eq!(found(&commits[0], None), Some(Commit { at, behind: Some(2) }));
        assert_eq!(
            found(&commits[0].chars().take(8).collect::<String>(), Some(&commits[1])),
            Some(Commit { at, behind: Some(1) })
        );
        assert_eq!(found(&commits[2], None), Some(Commit { at, behind: Some(0) }));
        assert_eq!(found(&commits[3], None), Some(Commit { at, behind: None }), "no ancestor");
    }

    #[test]
    fn what_git_does_not_know_is_not_known() {
        let (folder, _) = repository();
        for commit in ["0123456789abcdef", "main", "--output=x", "HEAD", "", "abc"] {
            assert_eq!(look_up(folder.path(), commit, None), None, "{commit}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        assert_eq!(look_up(elsewhere.path(), "0123456789abcdef", None), None);
        assert_eq!(look_up(&elsewhere.path().join("nowhere"), "0123456789abcdef", None), None);
    }

    #[test]
    fn a_history_that_is_cut_off_counts_nothing() {
        let (folder, commits) = repository();
        let copy = tempfile::tempdir().unwrap();
        let from = format!("file://{}", folder.path().display());
        git(copy.path(), &["clone", "-q", "--depth", "1", &from, "."]);
        let found = look_up(copy.path(), &commits[2], None).unwrap();
        assert_eq!(found.behind, None);
    }
}
