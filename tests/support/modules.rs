//! The modules of the crate and who uses whom, read from the sources.

use std::collections::{BTreeMap, BTreeSet};

/// What each module uses, by their paths below `crate::`.
pub type Uses = BTreeMap<String, BTreeSet<String>>;

/// The module of a source file, named by its path below `src`; `None` for the roots and for tests.
pub fn module_of(file: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.strip_suffix(".rs")?.split('/').collect();
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    let is_test = parts.iter().any(|part| *part == "tests" || part.ends_with("_tests"));
    (!is_test && !matches!(parts.as_slice(), ["lib" | "main"])).then(|| parts.join("::"))
}

/// Who uses whom. A module below another is a part of it and may use it; that is left out. The texts are those of the files,
/// by their module.
pub fn uses(texts: &BTreeMap<String, String>) -> Uses {
    let modules: BTreeSet<&str> = texts.keys().map(String::as_str).collect();
    texts.iter().map(|(module, text)| (module.clone(), used_by(module, text, &modules))).collect()
}

fn used_by(module: &str, text: &str, modules: &BTreeSet<&str>) -> BTreeSet<String> {
    let code = production(text);
    let below = format!("{module}::");
    let children: Vec<&str> =
        modules.iter().filter_map(|other| other.strip_prefix(&below)).filter(|rest| !rest.contains("::")).collect();
    let mut starts: Vec<&str> = vec!["crate", "super", "self"];
    starts.extend(&children);
    let mut found = BTreeSet::new();
    for start in starts {
        let wanted = format!("{start}::");
        for (at, _) in code.match_indices(&wanted) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$' | '.')) {
                continue;
            }
            for path in paths(&code[at..]) {
                found.extend(resolve(module, &path, modules));
            }
        }
    }
    found.retain(|used| used != module && !module.starts_with(&format!("{used}::")));
    found
}

/// The code without comments, texts, and everything that is compiled for tests alone.
fn production(text: &str) -> String {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
    let mut out = String::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("#[cfg(") {
        let end = rest[at..].find(']').map_or(rest.len(), |end| at + end + 1);
        out.push_str(&rest[..at]);
        let is_test = rest[at..end].contains("test") && !rest[at..end].contains("not(test");
        rest = if is_test { after_item(&rest[end..]) } else { &rest[end..] };
    }
    out + rest
}

/// What follows the item that begins here: behind its semicolon, or behind its braces.
fn after_item(code: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return &code[at + 1..],
            '}' => depth -= 1,
            ';' if depth == 0 => return &code[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The paths that begin here: one, or each of a group in braces, groups within groups too.
fn paths(code: &str) -> Vec<String> {
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(code.len());
    let (head, rest) = code.split_at(end);
    let Some(group) = rest.strip_prefix('{').filter(|_| head.ends_with("::")) else {
        return vec![head.trim_end_matches(':').to_owned()];
    };
    let (mut depth, mut begin, mut found) = (0_usize, 0, Vec::new());
    let mut take = |part: &str| {
        if !part.trim().is_empty() {
            found.extend(paths(part.trim()).into_iter().map(|tail| format!("{head}{tail}")));
        }
    };
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                take(&group[begin..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                take(&group[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The module that a path within `module` leads to: the longest part of it that is one.
fn resolve(module: &str, path: &str, modules: &BTreeSet<&str>) -> Option<String> {
    let mut base: Vec<&str> = module.split("::").collect();
    let mut parts = path.split("::").filter(|part| !part.is_empty()).peekable();
    match parts.peek() {
        Some(&"crate") => {
            base.clear();
            parts.next();
        }
        Some(&"self") => {
            parts.next();
        }
        _ => {
            while parts.next_if_eq(&"super").is_some() {
                base.pop();
            }
        }
    }
    base.extend(parts);
    (1..=base.len()).rev().map(|length| base[..length].join("::")).find(|name| modules.contains(name.as_str()))
}

/// Every knot: modules that use each other, directly or by way of others.
pub fn cycles(uses: &Uses) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = uses.keys().map(|from| (from.as_str(), reachable(uses, from))).collect();
    let mut knots: Vec<BTreeSet<String>> = Vec::new();
    for from in uses.keys().filter(|from| reach[from.as_str()].contains(from.as_str())) {
        if knots.iter().any(|knot| knot.contains(from)) {
            continue;
        }
        let back = |other: &&&str| reach.get(**other).is_some_and(|reached| reached.contains(from.as_str()));
        knots.push(reach[from.as_str()].iter().filter(back).map(|other| (*other).to_owned()).collect());
    }
    knots
}

fn reachable<'u>(uses: &'u Uses, from: &str) -> BTreeSet<&'u str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = uses.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(uses.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    found
}
