//! JSON text, written value by value.

use std::fmt::Write;

/// A text that grows. In a map every value has a name; in a list it is empty.
pub(super) struct Json(String);

impl Json {
    /// The text of a map, of what `fill` writes.
    pub(super) fn of_map(fill: impl FnOnce(&mut Json)) -> String {
        let mut json = Json(String::new());
        json.0.push('{');
        fill(&mut json);
        json.0.push('}');
        json.0
    }

    pub(super) fn null(&mut self, name: &str) {
        self.plain(name, "null");
    }

    pub(super) fn yes_or_no(&mut self, name: &str, value: bool) {
        self.plain(name, if value { "true" } else { "false" });
    }

    #[inline(never)] // Called some fifty times.
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.begin(name);
        // A String takes all that is written to it.
        let _ = write!(self.0, "{value}");
    }

    /// A number, or null for none.
    pub(super) fn number_if(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.null(name),
        }
    }

    pub(super) fn signed(&mut self, name: &str, value: i64) {
        self.begin(name);
        let _ = write!(self.0, "{value}");
    }

    /// A quotient, to three places behind the point; 0 divided by anything is 0.
    pub(super) fn quotient(&mut self, name: &str, number: u64, divisor: u32) {
        let divisor = u64::from(divisor.max(1));
        let thousandths = (number % divisor * 1000 + divisor / 2) / divisor;
        let whole = number / divisor + thousandths / 1000;
        self.begin(name);
        let _ = write!(self.0, "{whole}.{:03}", thousandths % 1000);
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.begin(name);
        self.0.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => self.0.extend(['\\', letter]),
                letter if letter.is_control() => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(letter));
                }
                letter => self.0.push(letter),
            }
        }
        self.0.push('"');
    }

    /// A text, or null for none.
    pub(super) fn text_if(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.null(name),
        }
    }

    pub(super) fn numbers(&mut self, name: &str, values: &mut dyn Iterator<Item = u64>) {
        self.list(name, |json| values.for_each(|value| json.number("", value)));
    }

    pub(super) fn list(&mut self, name: &str, fill: impl FnOnce(&mut Json)) {
        self.plain(name, "[");
        fill(self);
        self.0.push(']');
    }

    pub(super) fn map(&mut self, name: &str, fill: impl FnOnce(&mut Json)) {
        self.plain(name, "{");
        fill(self);
        self.0.push('}');
    }

    #[inline(never)]
    fn plain(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.0.push_str(value);
    }

    /// What comes before a value.
    fn begin(&mut self, name: &str) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
        if !name.is_empty() {
            let _ = write!(self.0, "\"{name}\":");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_becomes_the_text_that_it_should() {
        let text = Json::of_map(|json| {
            json.number_if("none", None);
            json.numbers("list", &mut [1, u64::MAX].into_iter());
            json.quotient("real", 1, 3);
            json.quotient("up", u64::MAX, 10_000);
            json.quotient("full", 19_999, 10_000);
            json.signed("less", -1);
            json.text("odd \u{e9}", "a\"b\\c\n\u{7f}\u{1F600}{");
            json.list("empty", |_| ());
            json.list("maps", |json| {
                json.map("", |json| json.text_if("a", Some("[")));
                json.map("", |_| ());
            });
            json.yes_or_no("yes", true);
        });
        let wanted = "{\"none\":null,\"list\":[1,18446744073709551615],\"real\":0.333,\
                      \"up\":1844674407370955.162,\"full\":2.000,\"less\":-1,\
                      \"odd \u{e9}\":\"a\\\"b\\\\c\\u000a\\u007f\u{1F600}{\",\"empty\":[],\
                      \"maps\":[{\"a\":\"[\"},{}],\"yes\":true}";
        assert_eq!(text, wanted);
    }
}
