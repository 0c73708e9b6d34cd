//! The committed header is what the sources say, and says it in C's words.
//!
//! `make header` (UPDATE_HEADER=1) writes it anew.

use std::{env, fs};

const HEADER: &str = "include/carpool.h";
/// The declarations alone, for other languages.
const CDEF: &str = "include/carpool.cdef.h";

/// Titles, each before the first function of its section.
const SECTIONS: [(&str, &str); 11] = [
    ("pool_new", "pools"),
    ("pool_submit", "submitting"),
    ("pool_check", "workers and stopping"),
    ("pool_wait_ready", "resizing, restarting, and stopping all pools"),
    ("pool_task_args", "inside a task"),
    ("future_wait", "futures"),
    ("future_on_done", "callbacks and sets"),
    ("pool_map", "maps"),
    ("pool_count_workers", "introspection"),
    ("pool_worker_main", "the process"),
    ("pool_options_init", "structs for languages that have none"),
];

#[test]
fn header_is_current() {
    let config = cbindgen::Config::from_file("cbindgen.toml").unwrap();
    let mut generated = Vec::new();
    cbindgen::Builder::new()
        .with_crate(".")
        .with_config(config)
        .generate()
        .unwrap()
        .write(&mut generated);
    let wanted = for_c_people(&String::from_utf8(generated).unwrap());
    for (file, wanted) in [(HEADER, &wanted), (CDEF, &declarations_of(&wanted))] {
        if env::var_os("UPDATE_HEADER").is_some() {
            fs::write(file, wanted).unwrap();
        }
        assert!(fs::read_to_string(file).unwrap() == *wanted, "{file} is out of date: make header");
    }
}

/// The header for parsers that know no preprocessor and no functions with a body: without comments
/// and directives, and with enumerators in place of macros.
fn declarations_of(header: &str) -> String {
    let mut out = String::from(
        "/* carpool.cdef.h - the declarations of carpool.h for the C parsers of other languages (cffi, LuaJIT,\n \
         * PHP): without macros, inline functions and comments. Generated; see carpool.h.\n *\n \
         * Licence: MIT OR Apache-2.0. */\n",
    );
    let body = header.split("#define CARPOOL_H").nth(1).unwrap();
    let body = body.split("#endif  /* CARPOOL_H */").next().unwrap();
    let mut is_comment = false;
    for line in body.lines() {
        let is_begin = line.trim_start().starts_with("/*");
        let was_comment = is_comment || is_begin;
        is_comment = was_comment && !line.contains("*/");
        let macro_ = line.strip_prefix("#define ").and_then(|rest| rest.split_once(' '));
        if let Some((name, value)) = macro_.filter(|(name, _)| name.starts_with("POOL_")) {
            out += &format!("enum {{ {name} = {} }};\n", value.trim_matches(['(', ')']));
        } else if !was_comment && !line.starts_with('#') && line != "extern \"C\" {" {
            let line = line.strip_prefix("CARPOOL_API").map_or(line, str::trim_start);
            if !line.is_empty() && !line.starts_with("}  // extern") {
                out += &format!("{line}\n");
            }
        }
    }
    out
}

/// cbindgen writes down whatever a crate declares for C, also what it only calls.
#[test]
fn header_declares_only_functions_and_types_of_the_library() {
    let text = fs::read_to_string(CDEF).unwrap();
    let is_ours = |name: &str| name.starts_with("pool_") || name.starts_with("future_");
    let strangers: Vec<&str> = text
        .lines()
        .filter(|line| {
            let tag = line.strip_prefix("typedef struct ").or_else(|| line.strip_prefix("enum "));
            let is_strange = tag.is_some_and(|tag| !is_ours(tag) && !tag.starts_with('{'));
            is_strange || line.starts_with("extern ")
        })
        .collect();
    assert!(strangers.is_empty(), "\n{}", strangers.join("\n"));
}

/// No word of Rust's notation may reach a C reader.
#[test]
fn header_has_no_words_of_rust() {
    let header = fs::read_to_string(HEADER).unwrap();
    for word in
        ["[`", "Option", "Result<", "&mut", "unsafe", "crate", "Rust", "panic", "::", "usize"]
    {
        assert!(!header.contains(word), "{HEADER} says {word}");
    }
}

/// What the generator writes, made shorter to read: comments of one line on one line, enums with
/// tags only (a function and an enum may then share a name), and section titles.
fn for_c_people(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    let mut position = 0;
    let mut enum_name = None;
    while position < lines.len() {
        let line = lines[position];
        let indent = &line[..line.len() - line.trim_start().len()];
        let comment_end = lines[position..].iter().position(|line| line.trim() == "*/");
        match (line.trim(), comment_end) {
            ("/**", Some(length)) => {
                let declaration = lines[position + length + 1..].iter().take(2).copied();
                if let Some(title) = section_of(&declaration.collect::<Vec<_>>().join(" ")) {
                    let dashes = "-".repeat(88 - title.len());
                    out += &format!("/* ---- {title} {dashes} */\n\n");
                }
                if length == 2 && lines[position + 1].len() < 88 {
                    let words = lines[position + 1].trim().trim_start_matches("* ");
                    out += &format!("{indent}/** {words} */\n");
                    position += 3;
                    continue;
                }
            }
            ("typedef enum {", _) => {
                enum_name = name_behind(&lines[position..]);
                out += &format!("enum {} {{\n", enum_name.unwrap_or_default());
                position += 1;
                continue;
            }
            ("typedef struct {", _) => {
                let name = name_behind(&lines[position..]).unwrap_or_default();
                out += &format!("typedef struct {name} {{\n");
                position += 1;
                continue;
            }
            (end, _) if enum_name.is_some_and(|name| end == format!("}} {name};")) => {
                enum_name = None;
                out += "};\n";
                position += 1;
                continue;
            }
            _ => {}
        }
        out += line;
        out.push('\n');
        position += 1;
    }
    // Negative numbers in parentheses, so that a macro can stand anywhere.
    let negative = [("POOL_FOREVER", "-1"), ("POOL_NOW", "-2"), ("POOL_PRIORITY_MIN", "-8")];
    for (name, value) in negative {
        out = out.replace(&format!("{name} {value}"), &format!("{name} ({value})"));
    }
    out
}

/// The name that stands behind the closing brace of a definition.
fn name_behind<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let end = lines.iter().find(|line| line.starts_with('}'))?;
    end.strip_prefix("} ")?.strip_suffix(';')
}

fn section_of(declaration: &str) -> Option<&'static str> {
    let before_parenthesis = declaration.split('(').next()?;
    let name = before_parenthesis.rsplit([' ', '*']).next()?;
    SECTIONS.iter().find(|(first, _)| *first == name).map(|(_, title)| *title)
}
