//! Values as JSON text.

use std::fmt::{Display, Formatter, Result, Write};

/// Those that a pool has something of to tell.
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(u64),
    Signed(i64),
    Fraction(f64),
    Text(String),
    List(Vec<Json>),
    /// In the order given.
    Map(Vec<(&'static str, Json)>),
}

impl Display for Json {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Json::Null => out.write_str("null"),
            Json::Bool(value) => write!(out, "{value}"),
            Json::Number(value) => write!(out, "{value}"),
            Json::Signed(value) => write!(out, "{value}"),
            Json::Fraction(value) if value.is_finite() => write!(out, "{value:.3}"),
            Json::Fraction(_) => out.write_str("null"),
            Json::Text(text) => write_text(out, text),
            Json::List(values) => {
                out.write_char('[')?;
                for (index, value) in values.iter().enumerate() {
                    write!(out, "{}{value}", if index > 0 { "," } else { "" })?;
                }
                out.write_char(']')
            }
            Json::Map(entries) => {
                out.write_char('{')?;
                for (index, (name, value)) in entries.iter().enumerate() {
                    write!(out, "{}\"{name}\":{value}", if index > 0 { "," } else { "" })?;
                }
                out.write_char('}')
            }
        }
    }
}

fn write_text(out: &mut Formatter<'_>, text: &str) -> Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(out, "\\{letter}")?,
            letter if letter.is_control() => write!(out, "\\u{:04x}", u32::from(letter))?,
            letter => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}

impl From<u64> for Json {
    fn from(value: u64) -> Json {
        Json::Number(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Json {
        Json::Number(u64::from(value))
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Json {
        Json::Signed(value)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Json {
        Json::Text(value.to_owned())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, T::into)
    }
}

impl<T: Into<Json>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Json {
        Json::List(values.into_iter().map(T::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_becomes_the_text_that_it_should() {
        let value = Json::Map(vec![
            ("none", None::<u64>.into()),
            ("list", [1_u64, u64::MAX].into_iter().collect()),
            ("real", Json::Fraction(1.0 / 3.0)),
            ("less", Json::from(-1_i64)),
            ("odd \u{e9}", Json::from("a\"b\\c\n\u{7f}\u{1F600}")),
            ("empty", Json::List(Vec::new())),
            ("yes", true.into()),
        ]);
        let wanted = "{\"none\":null,\"list\":[1,18446744073709551615],\"real\":0.333,\"less\":-1,\
                      \"odd \u{e9}\":\"a\\\"b\\\\c\\u000a\\u007f\u{1F600}\",\"empty\":[],\"yes\":true}";
        assert_eq!(value.to_string(), wanted);
    }
}
