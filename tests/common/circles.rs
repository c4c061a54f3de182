//! Which file of `src/` uses which, and the circles among them.
//!
//! A path is followed through re-exports to the file that defines what it names. What stands in unit tests does not
//! count, and neither do a re-export and a `mod` by themselves.

use std::collections::{BTreeMap, BTreeSet};

/// A module's path below the crate: `["build", "run"]`.
type Module = Vec<String>;

/// What one file says.
#[derive(Default)]
struct Source {
    /// `use` lines: path and the name that it has here; `*` for all.
    imports: Vec<(Module, String)>,
    /// The same with a visibility.
    exports: Vec<(Module, String)>,
    /// Paths of more than one part in the code.
    paths: Vec<Module>,
    /// Every word outside of `use`.
    words: BTreeSet<String>,
    /// Items that it defines.
    defines: BTreeSet<String>,
    /// Files below it.
    children: BTreeSet<String>,
}

/// Groups of files that use each other, in a circle or several. `files`: path below `src/` and text.
pub(crate) fn circles(files: &[(String, String)]) -> Vec<Vec<String>> {
    let sources: BTreeMap<Module, Source> = files.iter().map(|(path, text)| (module_of(path), read(text))).collect();
    let names: BTreeMap<Module, &str> = files.iter().map(|(path, _)| (module_of(path), path.as_str())).collect();
    let uses: BTreeMap<&Module, BTreeSet<Module>> =
        sources.iter().map(|(module, source)| (module, used(module, source, &sources))).collect();
    let reaches = |from: &Module| {
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        let mut open: Vec<&Module> = uses[from].iter().collect();
        while let Some(module) = open.pop() {
            if seen.insert(module) {
                open.extend(&uses[module]);
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        sources.keys().map(|module| (module, reaches(module))).collect();
    let mut groups: BTreeSet<Vec<String>> = BTreeSet::new();
    for (module, seen) in &reached {
        if seen.contains(module) {
            let group = seen.iter().filter(|other| reached[**other].contains(module));
            groups.insert(group.map(|module| names[*module].to_owned()).collect());
        }
    }
    groups.into_iter().collect()
}

/// How many uses of a file by another the search finds.
pub(crate) fn count(files: &[(String, String)]) -> usize {
    let sources: BTreeMap<Module, Source> = files.iter().map(|(path, text)| (module_of(path), read(text))).collect();
    sources.iter().map(|(module, source)| used(module, source, &sources).len()).sum()
}

fn module_of(path: &str) -> Module {
    let mut parts: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

/// The files that one uses.
fn used(module: &Module, source: &Source, sources: &BTreeMap<Module, Source>) -> BTreeSet<Module> {
    let mut paths: Vec<Module> = source.paths.clone();
    paths.extend(source.imports.iter().map(|(path, _)| path.clone()));
    let named = source.exports.iter().filter(|(_, name)| source.words.contains(name));
    paths.extend(named.map(|(path, _)| path.clone()));
    // `use super::page;` and then `page::Page`.
    for (path, name) in &source.imports {
        let through = source.paths.iter().filter(|inner| inner.first() == Some(name));
        paths.extend(through.map(|inner| path.iter().chain(inner.get(1..).unwrap_or_default()).cloned().collect()));
    }
    let found = paths.iter().filter_map(|path| defined_in(&absolute(module, source, path)?, sources, 0));
    found.filter(|other| other != module).collect()
}

/// A path from the crate's root; `None` for one that leaves the crate or stays in the file.
fn absolute(module: &Module, source: &Source, path: &[String]) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module.as_slice(), rest].concat()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let base = module.get(..module.len().checked_sub(ups)?)?;
            Some([base, path.get(ups..)?].concat())
        }
        child if source.children.contains(child) => Some([module.as_slice(), path].concat()),
        _ => None,
    }
}

/// The module whose file defines what a path names.
fn defined_in(path: &[String], sources: &BTreeMap<Module, Source>, depth: usize) -> Option<Module> {
    let length = (0..=path.len()).rev().find(|length| sources.contains_key(&path[..*length]))?;
    let (module, rest) = (path[..length].to_vec(), &path[length..]);
    let source = &sources[&module];
    let Some((item, inner)) = rest.split_first() else { return Some(module) };
    if source.defines.contains(item) || depth > 20 {
        return Some(module);
    }
    let reexports = source.exports.iter().chain(&source.imports);
    for (target, name) in reexports {
        let Some(target) = absolute(&module, source, target) else { continue };
        if name == item {
            return defined_in(&[target.as_slice(), inner].concat(), sources, depth + 1);
        }
        if name == "*" {
            let found = defined_in(&[target.as_slice(), rest].concat(), sources, depth + 1);
            if let Some(found) = found.filter(|found| sources[found].defines.contains(item)) {
                return Some(found);
            }
        }
    }
    Some(module)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn read(text: &str) -> Source {
    let tokens = without_tests(&tokens(text));
    let mut source = Source::default();
    // How many modules within the file are open, and at which depth of braces each began.
    let (mut inner, mut depth): (Vec<usize>, usize) = (Vec::new(), 0);
    let mut at = 0;
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    while at < tokens.len() {
        match token(at) {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inner.retain(|began| *began < depth + 1);
            }
            "use" => {
                let public = at > 0 && matches!(token(at - 1), "pub" | ")");
                let mut found = Vec::new();
                at = tree(&tokens, at + 1, &[], &mut found);
                let here = found.into_iter().map(|(path, name)| (outward(path, inner.len()), name));
                let here = here.filter(|(path, _)| !path.is_empty());
                if public {
                    source.exports.extend(here)
                } else {
                    source.imports.extend(here)
                }
                continue;
            }
            "mod" if token(at + 2) == ";" => drop(source.children.insert(token(at + 1).to_owned())),
            "mod" if token(at + 2) == "{" => {
                source.defines.insert(token(at + 1).to_owned());
                inner.push(depth + 1);
            }
            "struct" | "enum" | "trait" | "type" | "const" | "static" | "fn" if is_word(token(at + 1)) => {
                source.defines.insert(token(at + 1).to_owned());
            }
            "macro_rules" => drop(source.defines.insert(token(at + 2).to_owned())),
            word if is_word(word) && (at == 0 || !matches!(token(at - 1), "::" | ".")) => {
                let mut path = vec![word.to_owned()];
                while token(at + 1) == "::" && is_word(token(at + 2)) {
                    path.push(token(at + 2).to_owned());
                    at += 2;
                }
                source.words.extend(path.iter().cloned());
                let path = outward(path, inner.len());
                if path.len() > 1 {
                    source.paths.push(path);
                }
            }
            _ => {}
        }
        at += 1;
    }
    source
}

/// A path that is written `deep` modules within the file, as the file itself would write it; empty where it stays
/// within the file.
fn outward(path: Module, deep: usize) -> Module {
    let ups = path.iter().take_while(|part| *part == "super").count();
    if ups == 0 || deep == 0 {
        return path;
    }
    if ups <= deep { Vec::new() } else { path[deep..].to_vec() }
}

/// Reads a tree of `use`; where it ends.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<(Module, String)>) -> usize {
    let mut path = prefix.to_vec();
    let token = |at: usize| tokens.get(at).map_or(";", String::as_str);
    loop {
        match token(at) {
            "{" => {
                at += 1;
                while !matches!(token(at), "}" | ";") {
                    at = tree(tokens, at, &path, found);
                    at += usize::from(token(at) == ",");
                }
                return at + 1;
            }
            "*" => {
                found.push((path, "*".to_owned()));
                return at + 1;
            }
            part => path.push(part.to_owned()),
        }
        at += 1;
        if token(at) == "::" {
            at += 1;
            continue;
        }
        if path.len() > 1 && path.last().is_some_and(|part| part == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if token(at) == "as" {
            name = token(at + 1).to_owned();
            at += 2;
        }
        found.push((path, name));
        return at;
    }
}

/// The tokens without what is compiled for tests only.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        let attribute: String = rest.iter().take(20).take_while(|token| *token != "]").map(String::as_str).collect();
        if attribute.starts_with("#[cfg(test)") || attribute.starts_with("#[cfg(all(test") {
            let mut depth = 0_usize;
            while at < tokens.len() {
                match tokens[at].as_str() {
                    "{" => depth += 1,
                    "}" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
                if depth == 0 && matches!(tokens[at - 1].as_str(), "}" | ";") {
                    break;
                }
            }
            continue;
        }
        kept.push(tokens[at].clone());
        at += 1;
    }
    kept
}

/// Words, `::` and single signs; comments left out, strings and characters as one sign. Attributes of serde and
/// schemars name types in strings: those of one path are kept as words.
fn tokens(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if let Some(length) = raw_string(rest) {
            found.push("\"".to_owned());
            at += length;
        } else if rest.starts_with('"') {
            let length = string(rest);
            let inside = rest.get(1..length - 1).unwrap_or_default();
            if inside.contains("::") && inside.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':')) {
                found.extend(self::tokens(inside));
            } else {
                found.push("\"".to_owned());
            }
            at += length;
        } else if rest.starts_with('\'') {
            at += character(rest);
        } else if rest.starts_with("::") {
            found.push("::".to_owned());
            at += 2;
        } else {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
            let length = if length == 0 { rest.chars().next().map_or(1, char::len_utf8) } else { length };
            let token = &rest[..length];
            if !token.trim().is_empty() {
                found.push(token.to_owned());
            }
            at += length;
        }
    }
    found
}

/// The length of a raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r').or_else(|| text.strip_prefix("br"))?;
    let hashes = rest.chars().take_while(|c| *c == '#').count();
    let body = rest.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text.len() - body.len() + body.find(&end)? + end.len())
}

/// The length of a string that begins here.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character or a lifetime that begins here.
fn character(text: &str) -> usize {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = text.get(1..).unwrap_or_default();
    let lifetime = 1 + rest.find(|c| !word(c)).unwrap_or(rest.len());
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => text.get(3..).and_then(|rest| rest.find('\'')).map_or(1, |end| end + 4),
        Some(_) => characters.next().filter(|(_, c)| *c == '\'').map_or(lifetime, |(at, _)| at + 1),
        None => 1,
    }
}
