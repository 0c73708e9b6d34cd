//! The paths in the sources (`use` and inline), followed to the files that define what they name, and the
//! cycles of files that follow from them.
//!
//! This reads tokens, not types: a call of a method is no edge, and what a macro makes is not seen.

use std::collections::{BTreeMap, BTreeSet};

/// A token and its line.
type Token<'a> = (usize, &'a str);

/// What one file says: the names it defines, those it imports or exports again, and the paths in its code.
pub(crate) struct File {
    pub(crate) path: String,
    /// Without `crate::`; empty for lib.rs.
    module: String,
    defined: BTreeSet<String>,
    /// Of `use` and `pub use`.
    uses: Vec<Use>,
    /// Of all other code.
    inline: Vec<(usize, Vec<String>)>,
}

struct Use {
    line: usize,
    is_public: bool,
    /// The name in this file; `*` for all names.
    name: String,
    path: Vec<String>,
}

/// What a path names.
#[derive(Clone, Copy)]
enum Target {
    Item(usize),
    Module(usize),
}

const DEFINITIONS: [&str; 9] =
    ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "macro_rules"];

impl File {
    pub(crate) fn read(path: &str, text: &str, with_tests: bool) -> Self {
        let tokens = tokens_of(text);
        let tokens = if with_tests { tokens } else { without_tests(&tokens) };
        let mut file = Self {
            path: path.into(),
            module: module_of(path),
            defined: BTreeSet::new(),
            uses: Vec::new(),
            inline: Vec::new(),
        };
        file.read_tokens(&tokens);
        file
    }

    fn read_tokens(&mut self, tokens: &[Token]) {
        let text = |position: usize| tokens.get(position).map_or("", |token| token.1);
        let (mut position, mut depth) = (0, 0);
        while let Some(&(line, token)) = tokens.get(position) {
            match token {
                "{" => depth += 1,
                "}" => depth -= 1,
                "use" if text(position + 1) != "<" => {
                    let is_public = is_public(&tokens[..position]);
                    position = self.read_use(tokens, position + 1, is_public, &[]);
                    continue;
                }
                _ if depth == 0 && DEFINITIONS.contains(&token) => {
                    let name = [1, 2].map(|step| text(position + step));
                    let name = if ["mut", "!"].contains(&name[0]) { name[1] } else { name[0] };
                    self.defined.insert(name.into());
                }
                _ if is_name(token) && text(position + 1) == "::" => {
                    let mut path = vec![token.to_string()];
                    while text(position + 1) == "::" && is_name(text(position + 2)) {
                        position += 2;
                        path.push(text(position).into());
                    }
                    self.inline.push((line, path));
                }
                _ => {}
            }
            position += 1;
        }
    }

    /// Reads one tree of a `use`, and returns the position behind it.
    fn read_use(
        &mut self,
        tokens: &[Token],
        start: usize,
        is_public: bool,
        prefix: &[String],
    ) -> usize {
        let (mut path, mut name) = (prefix.to_vec(), None);
        let line = tokens[start].0;
        let mut position = start;
        while let Some(&(_, token)) = tokens.get(position) {
            match token {
                "{" => {
                    position += 1;
                    while tokens[position].1 != "}" {
                        position = self.read_use(tokens, position, is_public, &path);
                        position += usize::from(tokens[position].1 == ",");
                    }
                    return position + 1;
                }
                "," | "}" | ";" => break,
                "as" => {
                    name = Some(tokens[position + 1].1.to_string());
                    position += 1;
                }
                "self" if !path.is_empty() => {}
                "::" => {}
                _ => path.push(token.into()),
            }
            position += 1;
        }
        if let Some(last) = path.last().cloned() {
            self.uses.push(Use { line, is_public, name: name.unwrap_or(last), path });
        }
        position
    }

    /// All paths of the file, with their lines.
    fn paths(&self) -> impl Iterator<Item = (usize, &[String])> {
        let uses = self.uses.iter().map(|it| (it.line, it.path.as_slice()));
        uses.chain(self.inline.iter().map(|(line, path)| (*line, path.as_slice())))
    }

    /// The paths that begin at the crate's root, without `crate`, and those that climb there.
    pub(crate) fn crate_paths(&self) -> impl Iterator<Item = (usize, Vec<String>)> {
        self.paths().filter_map(|(line, path)| {
            let climbs = ["crate", "super"].contains(&path[0].as_str());
            Some((line, climbs.then(|| absolute(&self.module, path))??))
        })
    }
}

/// `path` as it stands in `module`, from the root; None if it climbs higher.
fn absolute(module: &str, path: &[String]) -> Option<Vec<String>> {
    let mut at: Vec<String> =
        module.split("::").filter(|it| !it.is_empty()).map(String::from).collect();
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" => at.clear(),
            "super" => {
                at.pop()?;
            }
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    at.extend_from_slice(rest);
    Some(at)
}

/// src/a/b.rs and src/a/b/mod.rs are both a::b.
fn module_of(path: &str) -> String {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    if inside == "lib" { String::new() } else { inside.replace('/', "::") }
}

// ---- edges --------------------------------------------------------------------------------------

/// Which file uses which, and for each pair the names.
pub(crate) struct Graph {
    pub(crate) files: Vec<File>,
    edges: BTreeMap<usize, BTreeMap<usize, BTreeSet<String>>>,
}

impl Graph {
    /// With `parents` a file also uses the mod.rs of its own folder, where it takes a name from there.
    pub(crate) fn new(files: Vec<File>, parents: bool) -> Self {
        let mut graph = Self { files, edges: BTreeMap::new() };
        for from in 0..graph.files.len() {
            let mut found: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
            let file = &graph.files[from];
            // What is exported again is no use of it; that is where somebody imports it.
            let uses = file.uses.iter().filter(|it| !it.is_public).map(|it| &it.path);
            for path in uses.chain(file.inline.iter().map(|(_, path)| path)) {
                let Some(path) = graph.rooted(from, path) else {
                    continue;
                };
                if let Some(Target::Item(to)) = graph.resolve(&path)
                    && to != from
                    && (parents || !graph.is_parent(to, from))
                {
                    found.entry(to).or_default().insert(path.last().unwrap().clone());
                }
            }
            graph.edges.insert(from, found);
        }
        graph
    }

    fn is_parent(&self, parent: usize, file: usize) -> bool {
        let folder = self.files[parent].path.strip_suffix("mod.rs");
        folder.is_some_and(|folder| self.files[file].path.starts_with(folder))
    }

    fn module(&self, name: &str) -> Option<usize> {
        self.files.iter().position(|file| file.module == name)
    }

    /// A path of a file from the root; None if it leads to another crate, or begins with a name that is not
    /// a module's.
    fn rooted(&self, file: usize, path: &[String]) -> Option<Vec<String>> {
        let module = &self.files[file].module;
        let first = &path[0];
        if ["crate", "super", "self"].contains(&first.as_str()) {
            return absolute(module, path);
        }
        let child = absolute(module, &path[..1])?;
        if self.module(&child.join("::")).is_some() {
            return absolute(module, path);
        }
        let import =
            self.files[file].uses.iter().find(|it| it.name == *first && it.path != path)?;
        let imported = self.rooted(file, &import.path)?;
        let Some(Target::Module(module)) = self.resolve(&imported) else {
            return None;
        };
        absolute(&self.files[module].module, &path[1..])
    }

    /// What a path from the root names. A name that is not found belongs to the last module on the way.
    fn resolve(&self, path: &[String]) -> Option<Target> {
        let root = self.module("")?;
        self.resolve_in(root, path, 0).or_else(|| {
            let modules = (0..=path.len()).rev().map(|length| path[..length].join("::"));
            modules.filter_map(|name| self.module(&name)).next().map(Target::Item)
        })
    }

    fn resolve_in(&self, module: usize, path: &[String], depth: usize) -> Option<Target> {
        let Some((first, rest)) = path.split_first() else {
            return Some(Target::Module(module));
        };
        let file = &self.files[module];
        let child = if file.module.is_empty() {
            first.clone()
        } else {
            format!("{}::{first}", file.module)
        };
        let child = self.module(&child);
        if let (Some(child), false) = (child, rest.is_empty()) {
            return self.resolve_in(child, rest, depth);
        }
        if first == "*" || file.defined.contains(first) {
            return Some(Target::Item(module));
        }
        let follow = |path: &[String], rest: &[String]| {
            let (false, Some(mut whole)) = (depth > 8, self.rooted(module, path)) else {
                return None;
            };
            whole.extend_from_slice(rest);
            self.resolve_in(self.module("")?, &whole, depth + 1)
        };
        if let Some(named) = file.uses.iter().find(|it| it.name == *first && it.path.len() > 1) {
            // From another crate it comes by this file.
            return follow(&named.path, rest).or(Some(Target::Item(module)));
        }
        let globs = file.uses.iter().filter(|it| it.name == "*");
        let mut found = globs.filter_map(|it| follow(&it.path[..it.path.len() - 1], path));
        found.next().or(child.map(Target::Module))
    }

    /// The strongly connected components of more than one file: each file can be reached from each.
    pub(crate) fn cycles(&self) -> Vec<Vec<usize>> {
        let mut search = Search {
            graph: self,
            order: BTreeMap::new(),
            low: BTreeMap::new(),
            stack: Vec::new(),
            found: Vec::new(),
        };
        for file in 0..self.files.len() {
            if !search.order.contains_key(&file) {
                search.visit(file);
            }
        }
        search.found.retain(|cycle| cycle.len() > 1);
        search.found
    }

    /// The edges inside a cycle, a line for each file.
    pub(crate) fn describe(&self, cycle: &[usize]) -> String {
        let name = |file: usize| self.files[file].path.trim_start_matches("src/").to_string();
        let lines = cycle.iter().map(|from| {
            let inside = self.edges[from].iter().filter(|(to, _)| cycle.contains(to));
            let uses: Vec<String> = inside
                .map(|(to, names)| {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    format!("{} ({})", name(*to), names.join(" "))
                })
                .collect();
            format!("    {} uses {}", name(*from), uses.join(", "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Tarjan's algorithm.
struct Search<'a> {
    graph: &'a Graph,
    order: BTreeMap<usize, usize>,
    low: BTreeMap<usize, usize>,
    stack: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, file: usize) {
        let number = self.order.len();
        self.order.insert(file, number);
        self.low.insert(file, number);
        self.stack.push(file);
        for next in self.graph.edges[&file].keys() {
            if !self.order.contains_key(next) {
                self.visit(*next);
                self.low.insert(file, self.low[&file].min(self.low[next]));
            } else if self.stack.contains(next) {
                self.low.insert(file, self.low[&file].min(self.order[next]));
            }
        }
        if self.low[&file] == number {
            let start = self.stack.iter().position(|it| *it == file).unwrap();
            let mut cycle = self.stack.split_off(start);
            cycle.sort();
            self.found.push(cycle);
        }
    }
}

// ---- tokens -------------------------------------------------------------------------------------

pub(crate) fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::`, and single characters; without comments, lifetimes, numbers and the text of literals.
pub(crate) fn tokens_of(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest);
        let token = &rest[..length];
        let is_kept =
            !first.is_whitespace() && !first.is_ascii_digit() && !['"', '\''].contains(&first);
        if is_kept && !token.starts_with("//") && !token.starts_with("/*") && !is_string(token) {
            tokens.push((line, token));
        }
        line += token.matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn is_string(token: &str) -> bool {
    token.len() > 1 && token.ends_with(['"', '#']) && !token.starts_with('#')
}

fn token_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let found = |end: Option<usize>| end.unwrap_or(text.len());
    if text.starts_with("//") {
        return found(text.find('\n'));
    }
    if text.starts_with("/*") {
        return found(text.find("*/").map(|end| end + 2));
    }
    if text.starts_with("::") {
        return 2;
    }
    if text.starts_with('"') {
        return string_length(text);
    }
    if text.starts_with('\'') {
        return quote_length(text);
    }
    // A string with a prefix: b"", c"", r"", r#""#.
    let hashes = bytes[word..].iter().take_while(|byte| **byte == b'#').count();
    if word > 0
        && ["b", "c", "r", "br", "cr"].contains(&&text[..word])
        && bytes.get(word + hashes) == Some(&b'"')
    {
        let body = word + hashes + 1;
        return if text[..word].contains('r') {
            let end = format!("\"{}", "#".repeat(hashes));
            found(text[body..].find(&end).map(|at| body + at + end.len()))
        } else {
            word + string_length(&text[word..])
        };
    }
    if word > 0 { word } else { text.chars().next().map_or(0, char::len_utf8) }
}

/// A literal that begins with a quotation mark, to its end.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (position, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return position + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character, or a lifetime.
fn quote_length(text: &str) -> usize {
    let after = &text[1..];
    if let Some(escape) = after.strip_prefix('\\') {
        return 3 + escape[1..].find('\'').map_or(0, |end| end + 1);
    }
    let first = after.chars().next().map_or(0, char::len_utf8);
    if after[first..].starts_with('\'') {
        return first + 2;
    }
    1 + after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len())
}

/// Without the items that are only there in tests: `#[cfg(test)]`, also with other conditions.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut kept, mut position) = (Vec::new(), 0);
    let text = |position: usize| tokens.get(position).map_or("", |token| token.1);
    while position < tokens.len() {
        if [0, 1, 2].map(|step| text(position + step)) == ["#", "[", "cfg"] {
            let end = closing(tokens, position + 1);
            let condition: Vec<&str> = tokens[position..end].iter().map(|token| token.1).collect();
            let at = condition.iter().position(|token| *token == "test");
            if at.is_some_and(|at| condition[at - 2] != "not") {
                position = item_end(tokens, end + 1);
                continue;
            }
        }
        kept.push(tokens[position]);
        position += 1;
    }
    kept
}

/// Behind the item that begins here: its semicolon, or its block.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let end = tokens[start..].iter().position(|token| ["{", ";"].contains(&token.1));
    match end.map(|end| start + end) {
        Some(end) if tokens[end].1 == "{" => closing(tokens, end) + 1,
        Some(end) => end + 1,
        None => tokens.len(),
    }
}

/// The bracket that closes the one here.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (position, token) in tokens.iter().enumerate().skip(open) {
        depth += i32::from(["{", "[", "("].contains(&token.1));
        depth -= i32::from(["}", "]", ")"].contains(&token.1));
        if depth == 0 {
            return position;
        }
    }
    tokens.len()
}

/// Whether what follows is exported: `pub`, or `pub(crate)` and its like.
fn is_public(before: &[Token]) -> bool {
    let open = before.iter().rposition(|token| token.1 == "(");
    match before.last() {
        Some((_, "pub")) => true,
        Some((_, ")")) => open.is_some_and(|open| open > 0 && before[open - 1].1 == "pub"),
        _ => false,
    }
}

// ---- tests --------------------------------------------------------------------------------------

fn graph_of(files: &[(&str, &str)]) -> Graph {
    Graph::new(files.iter().map(|(path, text)| File::read(path, text, false)).collect(), true)
}

#[test]
fn paths_lead_to_the_files_that_define_what_they_name() {
    let graph = graph_of(&[
        ("src/lib.rs", "mod a; mod b;"),
        (
            "src/a/mod.rs",
            "mod x; mod y;\npub(crate) use x::{X, make as create};\npub(crate) use y::*;",
        ),
        ("src/a/x.rs", "pub(crate) struct X;\npub(crate) fn make() {}"),
        ("src/a/y.rs", "pub(crate) enum Y { One }\nuse super::X;"),
        ("src/b.rs", "use crate::a::{self, Y::One};\nfn f(_: a::X) { a::create(); }"),
    ]);
    assert!(graph.cycles().is_empty());
    assert_eq!(
        graph.describe(&[2, 3, 4]),
        "    a/x.rs uses \n    a/y.rs uses a/x.rs (X)\n    b.rs uses a/x.rs (X create), a/y.rs (One)"
    );
}

#[test]
fn tests_comments_and_texts_use_nothing() {
    let unused =
        "/* use crate::b::B; */ // use crate::b::B;\nconst S: &str = \"crate::b::B \\\" '\";
        const R: &str = r#\"\" use crate::b::B;\"#; const C: [char; 2] = ['\"', '\\''];
        #[cfg(all(test, not(loom)))] mod tests { use crate::b::B; }\nfn f<'a>(_: &'a str) {}";
    let graph = graph_of(&[
        ("src/lib.rs", ""),
        ("src/a.rs", unused),
        ("src/b.rs", "pub struct B;\nuse crate::a::f;"),
    ]);
    assert!(graph.cycles().is_empty());
    let used = format!("{unused}\n#[cfg(not(test))] use crate::b::B;");
    let graph = graph_of(&[
        ("src/lib.rs", ""),
        ("src/a.rs", &used),
        ("src/b.rs", "pub struct B;\nuse crate::a::f;"),
    ]);
    assert_eq!(graph.cycles(), [[1, 2]]);
}

#[test]
fn files_that_reach_each_other_are_one_cycle() {
    let graph = graph_of(&[
        ("src/lib.rs", ""),
        ("src/a.rs", "pub fn a() { crate::b::b() }"),
        ("src/b.rs", "pub fn b() { crate::c::c() }"),
        ("src/c.rs", "pub fn c() { crate::a::a(); crate::d::d() }"),
        ("src/d.rs", "pub fn d() {}"),
    ]);
    assert_eq!(graph.cycles(), [[1, 2, 3]]);
}
