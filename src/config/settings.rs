//! Flags, environment and files, resolved: the one place where every command asks what holds.
//!
//! A pull request does not set its own gate. In its checkout, the keys of premerge.yml that can weaken the gate are
//! read from the base commit or from `--trusted-config`; where neither can be had, its own count and [`Gate`] says so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::checkout::Checkout;
use super::dbt_project::ChosenProfile;
use super::git::{self, AtCommit};
use super::own_folder;
use super::{
    AtStart, ChangedTestMacros, CompileArgs, ConfigError, ConfigFile, DbtBehaviors, DbtProject, Env, Keep, LintConfig,
    ManifestArgs, ProfileQuery, ProfileSource, ProjectArgs, RowLimit, RunArgs, SelectionArgs, Target, ToolFiles,
};
use crate::project::IndirectSelection;

/// Hours until clean-up may drop a temporary schema, unless configured.
const EXPIRE_AFTER_HOURS: u32 = 72;

/// Hours after which production's manifest is called old, unless configured.
const STATE_MAX_AGE_HOURS: u64 = 48;

/// Seconds that dbt may take for one answer, unless given.
const COMPILE_TIMEOUT_SECONDS: u64 = 600;

/// How the schemas begin that premerge names after pull requests.
const SCHEMA_OF_PULL_REQUEST: &str = "premerge_pr_";

/// Files that sqlfluff reads settings and lists of ignored files from.
const SQLFLUFF: [&str; 6] = ["setup.cfg", "tox.ini", "pep8.ini", ".sqlfluff", "pyproject.toml", ".sqlfluffignore"];

/// Whose settings say what shuts the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Those of whoever runs the command.
    Own,
    /// Those of a file that the pull request does not change.
    Trusted {
        /// Which file.
        source: String,
        /// Keys in which the pull request's premerge.yml says something else.
        differs: Vec<&'static str>,
    },
    /// The pull request's own.
    PullRequest {
        /// Why no others could be had.
        why: String,
        /// Keys that it sets.
        sets: Vec<&'static str>,
    },
}

/// What holds for a command.
#[derive(Debug)]
pub struct Settings {
    /// The dbt project's folder.
    pub project_dir: PathBuf,
    /// Whose settings say what shuts the gate.
    pub gate: Gate,
    env: Env,
    flags: ProjectArgs,
    checkout: Checkout,
    file: ConfigFile,
}

/// Where the manifests are, and what is known about production's.
#[derive(Debug, Clone)]
pub struct ManifestSettings {
    /// Production's.
    pub state: PathBuf,
    /// The merge base's.
    pub base: Option<PathBuf>,
    /// The pull request's.
    pub pull_request: PathBuf,
    /// The commit that production's was made of.
    pub state_commit: Option<String>,
    /// Hours after which production's is called old; 0 for never.
    pub state_max_age_hours: u64,
}

/// The temporary schema's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaName {
    /// With the pull request's number and the project filled in.
    pub name: String,
    /// Nobody has chosen it, so another may be taken where it is another project's.
    pub by_default: bool,
}

/// How SQL is got from dbt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileSettings {
    /// The command that starts dbt.
    pub command: String,
    /// Where it is started.
    pub working_dir: PathBuf,
    /// The folder of profiles.yml, where it was given.
    pub profiles_dir: Option<PathBuf>,
    /// dbt's `--vars`.
    pub vars: Option<String>,
    /// How long one answer may take.
    pub limit: Duration,
}

/// What a name with `{pr}` comes to without a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutNumber {
    /// An error: the run needs a schema of its own.
    Refused,
    /// `local` stands for the number: nothing is written.
    Local,
}

/// How a run works.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// The temporary schema.
    pub schema: SchemaName,
    /// What becomes of an earlier run's relations.
    pub at_start: AtStart,
    /// What becomes of the temporary schema at the end.
    pub keep: Keep,
    /// Nodes and tests worked on at once.
    pub threads: usize,
    /// Stop at the first failure.
    pub fail_fast: bool,
    /// Count the rows of changed models on both sides.
    pub row_counts: bool,
    /// Which numbers of rows are a warning.
    pub row_limit: RowLimit,
    /// What a changed macro that decides whether tests fail does to the gate.
    pub test_macros_changed: ChangedTestMacros,
    /// When clean-up may drop the temporary schema.
    pub expires_at: Timestamp,
}

impl Settings {
    /// Finds the project's folder and reads premerge.yml.
    ///
    /// # Errors
    /// When the path is not a directory, or a file cannot be read, does not parse or holds an unknown key.
    pub fn open(flags: &ProjectArgs, env: &Env, checkout: &Checkout) -> Result<Self, ConfigError> {
        let project_dir = env.path(&flags.project_dir);
        if !project_dir.is_dir() {
            let message = format!("--project-dir {} is not a directory", project_dir.display());
            return Err(ConfigError::Flag { message, remedy: None });
        }
        let path = match &flags.config {
            Some(path) => env.path(path),
            None => project_dir.join("premerge.yml"),
        };
        let is_theirs = checkout.holds(&path);
        if is_theirs && path.is_symlink() {
            let remedy = "pass a file with --config, or one outside the checkout with --trusted-config".to_owned();
            let message = format!("{} is a symbolic link, which a pull request can point anywhere", path.display());
            return Err(ConfigError::Flag { message, remedy: Some(remedy) });
        }
        let file = ConfigFile::read(&path, flags.config.is_some())?;
        let trusted = match (&flags.trusted_config, checkout) {
            (Some(trusted), _) => {
                let trusted = env.path(trusted);
                if checkout.holds(&trusted) {
                    let message = format!(
                        "--trusted-config {} is in the checkout, where the pull request can change it",
                        trusted.display()
                    );
                    let remedy = Some("pass a file that the job creates outside the checkout".to_owned());
                    return Err(ConfigError::Flag { message, remedy });
                }
                Some(Ok(AtBase { source: "the trusted settings".to_owned(), file: ConfigFile::read(&trusted, true)? }))
            }
            (None, Checkout::PullRequest { bases, .. }) if is_theirs => Some(at_base(&path, bases)),
            (None, _) => None,
        };
        let (gate, file) = match trusted {
            None => (Gate::Own, file),
            Some(Ok(AtBase { source, file: trusted })) => {
                let differs = file.gate_keys_unlike(&trusted);
                (Gate::Trusted { source, differs }, file.gated_by(trusted))
            }
            Some(Err(why)) => {
                let sets = file.gate_keys_unlike(&ConfigFile::default());
                (Gate::PullRequest { why: why.to_string(), sets }, file)
            }
        };
        let (env, flags, checkout) = (env.clone(), flags.clone(), checkout.clone());
        Ok(Self { project_dir, gate, env, flags, checkout, file })
    }

    /// The target that the flags and the project choose, as dbt chooses.
    ///
    /// # Errors
    /// When no file, profile or target fits, or an expression fails.
    pub fn target(&self) -> Result<Target, ConfigError> {
        // What steers dbt beside us must steer us to the same place.
        let given =
            |flag: &Option<String>, variable: &str| flag.clone().or_else(|| self.env.get(variable).map(str::to_owned));
        let profile = match given(&self.flags.profile, "DBT_PROFILE") {
            Some(name) => ChosenProfile { name: Some(name), source: ProfileSource::Own },
            None => DbtProject::profile(&self.project_dir, &self.env, &self.checkout)?,
        };
        let query = ProfileQuery {
            profiles_dir: self.flags.profiles_dir.clone(),
            profile: profile.name,
            target: given(&self.flags.target, "DBT_TARGET"),
            project_dir: self.project_dir.clone(),
        };
        let mut target = Target::find(&query, &self.env, &self.checkout)?;
        target.chosen_by = profile.source;
        Ok(target)
    }

    /// The project's name in dbt_project.yml.
    ///
    /// # Errors
    /// When the file does not parse.
    pub fn project_name(&self) -> Result<Option<String>, ConfigError> {
        Ok(DbtProject::unrendered(&self.project_dir)?.name)
    }

    /// The project flag `state_modified_compare_more_unrendered_values`: as given, else as dbt_project.yml says;
    /// `None`: to be guessed.
    ///
    /// # Errors
    /// When dbt_project.yml does not parse.
    pub fn more_unrendered_values(&self, given: Option<bool>) -> Result<Option<bool>, ConfigError> {
        match given {
            Some(_) => Ok(given),
            None => Ok(DbtProject::unrendered(&self.project_dir)?.more_unrendered_values()),
        }
    }

    /// How dbt works in the project, in the checkout and before the pull request.
    #[must_use]
    pub fn dbt_behaviors(&self) -> DbtBehaviors {
        DbtBehaviors::read(&self.project_dir, &self.checkout)
    }

    /// The manifests of a comparison.
    ///
    /// # Errors
    /// When `--state` is set to nothing, which must not be taken for the folder itself, or `--state-commit` is not a hash.
    pub fn manifests(&self, flags: &ManifestArgs) -> Result<ManifestSettings, ConfigError> {
        let Some(state) = self.named(Some(&flags.state)) else {
            return Err(ConfigError::Flag {
                message: "--state (PREMERGE_STATE) is empty".to_owned(),
                remedy: Some("pass the path of production's manifest.json, or of its folder".to_owned()),
            });
        };
        let state_commit = flags.state_commit.clone().filter(|commit| !commit.is_empty());
        if let Some(commit) = state_commit.as_deref().filter(|commit| !git::is_hash(commit)) {
            let what = "a commit hash of 7 to 64 hexadecimal digits";
            let message = format!("--state-commit {commit:?} is not {what}");
            return Err(ConfigError::Flag { message, remedy: None });
        }
        let max_age = flags.state_max_age_hours.or(self.file.state_max_age_hours);
        Ok(ManifestSettings {
            state,
            base: self.named(flags.base.as_deref()),
            pull_request: self.manifest(flags.manifest.as_deref()),
            state_commit,
            state_max_age_hours: max_age.unwrap_or(STATE_MAX_AGE_HOURS),
        })
    }

    /// The full path of a file that a flag names. CI sets what it does not know to nothing.
    #[must_use]
    pub fn named(&self, flag: Option<&Path>) -> Option<PathBuf> {
        flag.filter(|path| !path.as_os_str().is_empty()).map(|path| self.env.cwd.join(path))
    }

    /// The pull request's manifest.
    #[must_use]
    pub fn manifest(&self, flag: Option<&Path>) -> PathBuf {
        self.named(flag).unwrap_or_else(|| self.project_dir.join("target/manifest.json"))
    }

    /// Folder of results that lint keeps between runs; `None` where there is no place for them.
    #[must_use]
    pub fn lint_cache(&self) -> Option<PathBuf> {
        own_folder::make(&self.cache_dir().ok()?, &["lint"]).ok()
    }

    /// Folder of the temporary databases of this project's folder, for an engine without a server.
    ///
    /// # Errors
    /// When there is no place for it outside the checkout, or somebody else may write there.
    pub fn temp_dir(&self) -> Result<PathBuf, ConfigError> {
        let whole = fs_err::canonicalize(&self.project_dir).unwrap_or_else(|_| self.project_dir.clone());
        let hash = Sha256::digest(whole.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        own_folder::make(&self.cache_dir()?, &["projects", &hash]).map_err(|message| ConfigError::Flag {
            message,
            remedy: Some("pass another folder with --cache-dir".to_owned()),
        })
    }

    /// The folder that is premerge's alone; it need not be there yet.
    fn cache_dir(&self) -> Result<PathBuf, ConfigError> {
        let remedy = Some("pass a folder outside the checkout with --cache-dir".to_owned());
        let variable = |name: &str| self.env.get(name).map(|folder| self.env.cwd.join(folder));
        let users = || {
            let home = || variable("HOME").map(|home| home.join(".cache"));
            variable("XDG_CACHE_HOME").or_else(|| variable("LOCALAPPDATA")).or_else(home)
        };
        let given = self.named(self.flags.cache_dir.as_deref());
        let Some(folder) = given.or_else(|| users().map(|folder| folder.join("premerge"))) else {
            let message = "no folder for premerge's own files: HOME is not set".to_owned();
            return Err(ConfigError::Flag { message, remedy });
        };
        let folder = self.env.path(&folder);
        // What of it is not there yet lies below what is.
        let there = folder.ancestors().find(|part| part.exists()).unwrap_or(&folder);
        let there = fs_err::canonicalize(there).unwrap_or_else(|_| there.to_owned());
        let project = fs_err::canonicalize(&self.project_dir).unwrap_or_else(|_| self.project_dir.clone());
        let in_project = folder.starts_with(&self.project_dir) || there.starts_with(project);
        let in_root = match &self.checkout {
            Checkout::Own | Checkout::PullRequest { root: None, .. } => false,
            Checkout::PullRequest { root: Some(root), .. } => {
                let whole = fs_err::canonicalize(root).unwrap_or_else(|_| root.clone());
                folder.starts_with(root) || there.starts_with(whole)
            }
        };
        if in_project || in_root {
            let message = format!("{} is in the checkout, where a pull request can leave files", folder.display());
            return Err(ConfigError::Flag { message, remedy });
        }
        Ok(folder)
    }

    /// Which tests of the built nodes run.
    #[must_use]
    pub fn indirect_selection(&self, flags: &SelectionArgs) -> IndirectSelection {
        flags.indirect_selection.or(self.file.indirect_selection).unwrap_or_default()
    }

    /// The temporary schema of a pull request: `flag`, else as premerge.yml says, else named after the number.
    ///
    /// # Errors
    /// When the number is needed and not known, or premerge.yml names the schema of another pull request.
    pub fn schema(
        &self,
        flag: Option<&str>,
        pull_request: Option<u64>,
        without: WithoutNumber,
    ) -> Result<SchemaName, ConfigError> {
        let by_default = flag.is_none() && self.file.schema.is_none();
        let usual = match (pull_request, without) {
            (None, WithoutNumber::Local) => "premerge_{pr}".to_owned(),
            _ => format!("{SCHEMA_OF_PULL_REQUEST}{{pr}}"),
        };
        let pattern = flag.map(str::to_owned).or_else(|| self.file.schema.clone()).unwrap_or(usual);
        let mut name = pattern.clone();
        if name.contains("{project}")
            && let Some(project) = self.project_name()?
        {
            name = name.replace("{project}", &project);
        }
        if name.contains("{pr}") {
            let number = match (pull_request, without) {
                (Some(number), _) => number.to_string(),
                (None, WithoutNumber::Local) => "local".to_owned(),
                (None, WithoutNumber::Refused) => {
                    return Err(ConfigError::Flag {
                        message: "no pull request number to name the temporary schema after".to_owned(),
                        remedy: Some("pass --pr or --schema".to_owned()),
                    });
                }
            };
            name = name.replace("{pr}", &number);
        }
        if flag.is_none() {
            self.refuse_schema_of_others(&pattern, &name, pull_request)?;
        }
        // An engine without a server names a file after it.
        if name.contains(['/', '\\', '\0']) || name.starts_with('.') {
            let message = format!("`{}` cannot be a schema name: it would be a path", name.escape_debug());
            return Err(ConfigError::Flag { message, remedy: None });
        }
        Ok(SchemaName { name, by_default })
    }

    /// Two pull requests never meet, whatever premerge.yml says.
    fn refuse_schema_of_others(&self, pattern: &str, name: &str, pull_request: Option<u64>) -> Result<(), ConfigError> {
        let refused = |why: String| {
            let remedy = "write `schema: name_{pr}`: {pr} stands for the pull request's number".to_owned();
            Err(ConfigError::Flag {
                message: format!("`schema: {pattern}` of premerge.yml {why}"),
                remedy: Some(remedy),
            })
        };
        let digits = name.to_lowercase();
        let digits = digits.strip_prefix(SCHEMA_OF_PULL_REQUEST).unwrap_or_default();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (number, rest) = digits.split_at_checked(end).unwrap_or((digits, ""));
        if let Ok(number) = number.parse::<u64>()
            && (rest.is_empty() || rest.starts_with('_'))
            && pull_request != Some(number)
        {
            return refused(format!("is the temporary schema of pull request {number}"));
        }
        let is_theirs = matches!(&self.gate, Gate::PullRequest { .. });
        if is_theirs && self.file.schema.is_some() && !pattern.contains("{pr}") {
            return refused("is one name for every pull request".to_owned());
        }
        Ok(())
    }

    /// How a run works. `threads`: those of the profile.
    ///
    /// # Errors
    /// As [`schema`](Self::schema).
    pub fn run(
        &self,
        flags: &RunArgs,
        pull_request: Option<u64>,
        threads: usize,
        now: Timestamp,
    ) -> Result<RunSettings, ConfigError> {
        let usual = RowLimit::default();
        let hours = i64::from(self.file.expire_after_hours.unwrap_or(EXPIRE_AFTER_HOURS));
        Ok(RunSettings {
            schema: self.schema(flags.schema.as_deref(), pull_request, WithoutNumber::Refused)?,
            at_start: flags.at_start.or(self.file.at_start).unwrap_or_default(),
            keep: if flags.drop { Keep::None } else { flags.keep.or(self.file.build.keep).unwrap_or_default() },
            threads: flags.threads.or(self.file.threads).unwrap_or(threads).max(1),
            fail_fast: flags.fail_fast || self.file.fail_fast.unwrap_or(false),
            row_counts: !flags.no_row_counts && self.file.row_counts.unwrap_or(true),
            row_limit: RowLimit {
                factor: self.file.row_count_factor.unwrap_or(usual.factor),
                minimum: self.file.row_count_minimum.unwrap_or(usual.minimum),
            },
            test_macros_changed: self.file.test_macros_changed.unwrap_or_default(),
            expires_at: now.saturating_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX),
        })
    }

    /// How SQL is got from dbt; `None` where it is the manifest's.
    #[must_use]
    pub fn compile(&self, flags: &CompileArgs) -> Option<CompileSettings> {
        if !flags.compile && !self.file.compile.unwrap_or(false) {
            return None;
        }
        let text = |flag: &Option<String>| flag.clone().filter(|text| !text.trim().is_empty());
        Some(CompileSettings {
            command: text(&flags.dbt).unwrap_or_else(|| "dbt".to_owned()),
            working_dir: self.env.cwd.clone(),
            profiles_dir: self.named(self.flags.profiles_dir.as_deref()),
            vars: text(&flags.vars),
            limit: Duration::from_secs(flags.compile_timeout_seconds.unwrap_or(COMPILE_TIMEOUT_SECONDS)),
        })
    }

    /// Schemas that must never be a temporary one, beside those of production's manifest.
    #[must_use]
    pub fn protected_schemas(&self, target: &Target) -> Vec<String> {
        self.file.protected_schemas.iter().cloned().chain(target.schema.clone()).collect()
    }

    /// How long one statement may run, where premerge.yml says it.
    #[must_use]
    pub fn statement_limit(&self) -> Option<Duration> {
        self.file.statement_timeout_seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// How long production waits for a statement of premerge's before that gives way, where premerge.yml says it.
    #[must_use]
    pub fn production_wait(&self) -> Option<Duration> {
        self.file.production_wait_seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// Where sqlfluff's settings are read: what the pull request changes there counts once it is merged.
    #[must_use]
    pub fn style_files(&self) -> ToolFiles {
        ToolFiles::of(&self.checkout, &self.project_dir, &SQLFLUFF)
    }

    /// How lint works.
    #[must_use]
    pub fn lint(&self) -> &LintConfig {
        &self.file.lint
    }
}

/// A premerge.yml that the pull request did not write.
struct AtBase {
    /// Where it is from, for people.
    source: String,
    file: ConfigFile,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
enum NoBase {
    /// CI names no commit.
    #[error("the commit that the pull request will be merged into is unknown")]
    Unknown,
    /// Git does not say.
    #[error("{0}")]
    NotInGit(String),
    /// The file there is wrong.
    #[error(transparent)]
    Invalid(ConfigError),
}

/// premerge.yml as the first of `bases` has it that git knows.
fn at_base(path: &Path, bases: &[String]) -> Result<AtBase, NoBase> {
    let folder = path.parent().unwrap_or(path);
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let mut why = NoBase::Unknown;
    for base in bases {
        let source = format!("{name} of commit {base}");
        match git::file_at(folder, base, &name) {
            AtCommit::Absent => return Ok(AtBase { source, file: ConfigFile::default() }),
            AtCommit::Text(text) => match ConfigFile::parse(&text, Path::new(&source)) {
                Ok(file) => return Ok(AtBase { source, file }),
                Err(error) => why = NoBase::Invalid(error),
            },
            AtCommit::Unknown(reason) => why = NoBase::NotInGit(reason),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        project: ProjectArgs,
    }

    fn open(folder: &Path, args: &[&str], checkout: &Checkout) -> Result<Settings, ConfigError> {
        let flags = Flags::parse_from(std::iter::once("x").chain(args.iter().copied())).project;
        Settings::open(&flags, &Env::new::<&str, &str>([], folder.to_owned()), checkout)
    }

    fn theirs(root: &Path) -> Checkout {
        Checkout::PullRequest { root: Some(root.to_owned()), bases: Vec::new() }
    }

    fn folder_with(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("premerge.yml"), text).unwrap();
        folder
    }

    #[test]
    fn a_project_that_is_no_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path(), &["--project-dir", "nowhere"], &Checkout::Own).unwrap_err().to_string();
        assert!(error.contains("nowhere is not a directory"), "{error}");
    }

    #[test]
    fn trusted_settings_come_from_outside_of_the_checkout() {
        let folder = folder_with("schema: a\nthreads: 3\nstatement_timeout_seconds: 1\n");
        let outside = folder_with("statement_timeout_seconds: 7\n");
        let file = outside.path().join("premerge.yml");
        let args = ["--trusted-config", file.to_str().unwrap()];
        let settings = open(folder.path(), &args, &theirs(folder.path())).unwrap();
        assert_eq!(settings.statement_limit(), Some(Duration::from_secs(7)));
        assert_eq!((settings.file.threads, &settings.file.schema), (Some(3), &None));
        assert!(
            matches!(&settings.gate, Gate::Trusted { differs, .. } if *differs == ["schema", "statement_timeout_seconds"])
        );
        let error = open(folder.path(), &["--trusted-config", "premerge.yml"], &theirs(folder.path())).unwrap_err();
        assert!(error.to_string().contains("is in the checkout"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_pull_request_s_link_leads_to_no_settings() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), folder_with("threads: 3\n"));
        let link = folder.path().join("premerge.yml");
        std::os::unix::fs::symlink(outside.path().join("premerge.yml"), &link).unwrap();
        let error = open(folder.path(), &[], &theirs(folder.path())).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        assert!(open(folder.path(), &[], &Checkout::Own).is_ok());
    }

    #[test]
    fn no_file_names_the_schema_of_another_pull_request() {
        for (text, refused) in [
            ("schema: premerge_pr_7", true),
            ("schema: PREMERGE_PR_7_shop_0badc0de", true),
            ("schema: premerge_pr_1{pr}", true),
            ("schema: premerge_pr_{pr}", false),
            ("schema: ci_{pr}", false),
            ("schema: ci", false),
        ] {
            let folder = folder_with(text);
            let settings = open(folder.path(), &[], &Checkout::Own).unwrap();
            let named = settings.schema(None, Some(12), WithoutNumber::Refused);
            assert_eq!(named.is_err(), refused, "{text}: {named:?}");
            assert!(settings.schema(Some("premerge_pr_7"), Some(12), WithoutNumber::Refused).is_ok(), "a flag may");
        }
        let folder = folder_with("schema: ci");
        let own = open(folder.path(), &[], &theirs(folder.path())).unwrap();
        let error = own.schema(None, Some(12), WithoutNumber::Refused).unwrap_err().to_string();
        assert!(error.contains("one name for every pull request"), "{error}");
    }

    #[test]
    fn nothing_of_premerge_s_own_is_in_the_checkout() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let project = root.path().join("dbt");
        fs_err::create_dir(&project).unwrap();
        let temp_dir = |vars: &[(&str, &Path)], args: &[&str], checkout: &Checkout| {
            let vars = vars.iter().map(|(name, path)| (*name, path.to_string_lossy()));
            let flags = Flags::parse_from(std::iter::once("x").chain(args.iter().copied())).project;
            Settings::open(&flags, &Env::new(vars, project.clone()), checkout).unwrap().temp_dir()
        };
        let (home, theirs) = (("HOME", other.path()), theirs(root.path()));
        let found = temp_dir(&[home], &[], &theirs).unwrap();
        assert!(found.starts_with(other.path().join(".cache/premerge/projects")), "{found:?}");
        let cache = other.path().join("c");
        let found = temp_dir(&[home, ("XDG_CACHE_HOME", &cache)], &[], &theirs).unwrap();
        assert!(found.starts_with(cache.join("premerge")), "{found:?}");
        assert!(temp_dir(&[], &[], &theirs).unwrap_err().to_string().contains("HOME is not set"));
        for args in [["--cache-dir", "target/premerge"], ["--cache-dir", "../cache"]] {
            let error = temp_dir(&[home], &args, &theirs).unwrap_err().to_string();
            assert!(error.contains("is in the checkout"), "{error}");
        }
        assert!(temp_dir(&[home], &["--cache-dir", "../cache"], &Checkout::Own).is_ok(), "beside the project");
        assert!(temp_dir(&[home], &["--cache-dir", "x"], &Checkout::Own).is_err());
        #[cfg(unix)]
        {
            let link = other.path().join("link");
            std::os::unix::fs::symlink(&project, &link).unwrap();
            let into = link.join("x").to_string_lossy().into_owned();
            assert!(temp_dir(&[home], &["--cache-dir", &into], &Checkout::Own).is_err(), "a link into the checkout");
        }
    }

    #[test]
    fn a_schema_s_name_is_no_path() {
        let settings = open(tempfile::tempdir().unwrap().path(), &[], &Checkout::Own).unwrap();
        for name in ["../x", "a/b", "..", "a\\b", "a\0"] {
            assert!(settings.schema(Some(name), None, WithoutNumber::Refused).is_err(), "{name}");
        }
    }

    #[test]
    fn a_schema_needs_a_number_only_where_it_is_written_to() {
        let settings = open(tempfile::tempdir().unwrap().path(), &[], &Checkout::Own).unwrap();
        let name = |number, without| settings.schema(None, number, without).map(|schema| schema.name);
        assert_eq!(name(Some(7), WithoutNumber::Refused).unwrap(), "premerge_pr_7");
        assert_eq!(name(None, WithoutNumber::Local).unwrap(), "premerge_local");
        let error = name(None, WithoutNumber::Refused).unwrap_err();
        assert!(error.remedy().unwrap().contains("--pr"), "{error}");
    }
}
