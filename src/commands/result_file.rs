//! The files that `--output` names, each with its format.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::format::Format;
use super::output::write_whole;
use crate::report::Report;

/// One `--output`: `FORMAT=PATH`, or a path alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// The format, where it is given.
    pub format: Option<Format>,
    /// The file.
    pub path: PathBuf,
}

impl ResultFile {
    /// The parser of the flag's values.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(|value| Self::parse(&value))
    }

    /// What stands before the first `=` is a format where it is written like one, so that a misspelt one is not taken
    /// for the name of a file.
    fn parse(value: &OsStr) -> Result<Self, String> {
        let parts = value.to_str().and_then(|text| text.split_once('='));
        let like_a_format = |name: &str| name.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
        let (format, path) = match parts {
            Some((name, path)) if !name.is_empty() && like_a_format(name) => {
                let format = Format::from_str(name, false).map_err(|_| {
                    let known: Vec<_> = Format::value_variants().iter().filter_map(Format::to_possible_value).collect();
                    let known: Vec<_> = known.iter().map(|format| format.get_name()).collect();
                    format!(
                        "`{name}` is not one of {}; for a file of this name write ./{name}={path}",
                        known.join(", ")
                    )
                })?;
                (Some(format), PathBuf::from(path))
            }
            _ => (None, PathBuf::from(value)),
        };
        if path.as_os_str().is_empty() { Err("the path is empty".to_owned()) } else { Ok(Self { format, path }) }
    }

    /// Writes the report, in `format` where the flag names none; a relative path is below `folder`.
    pub(crate) fn write(&self, report: &Report, format: Format, folder: &Path) -> io::Result<()> {
        let format = self.format.unwrap_or(format);
        write_whole(&folder.join(&self.path), |file| format.write(report, false, file))
    }
}

/// No two of them are one file: the second would replace the first.
///
/// # Errors
/// When two have one path.
pub(crate) fn refuse_repeated(files: &[ResultFile]) -> io::Result<()> {
    let repeated =
        files.iter().enumerate().find(|(at, file)| files.iter().take(*at).any(|other| other.path == file.path));
    match repeated {
        Some((_, file)) => {
            let message = format!("--output names {} twice", file.path.display());
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_from_a_path() {
        let parse = |text: &str| ResultFile::parse(OsStr::new(text)).map(|file| (file.format, file.path));
        assert_eq!(parse("report.json"), Ok((None, "report.json".into())));
        assert_eq!(parse("junit=out/a=b.xml"), Ok((Some(Format::Junit), "out/a=b.xml".into())));
        assert_eq!(parse("gitlab-codequality=q.json"), Ok((Some(Format::GitlabCodequality), "q.json".into())));
        assert_eq!(parse("./junit=x"), Ok((None, "./junit=x".into())));
        assert_eq!(parse("out/run=3.json"), Ok((None, "out/run=3.json".into())));
        let error = parse("juint=x.xml").unwrap_err();
        assert!(
            error.contains("`juint` is not one of text, markdown, json") && error.contains("./juint=x.xml"),
            "{error}"
        );
        assert!(parse("junit=").is_err() && parse("").is_err());
    }
}
