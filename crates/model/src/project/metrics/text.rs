//! The two text formats that Prometheus reads, written straight into one string.
//!
//! The known crates write one of the two each. Both formats are the same lines but for the names of counters and
//! infos, the escapes of help texts, and the end mark.

use std::collections::BTreeSet;
use std::fmt::Write;

/// Labels longer than this are cut: they come from configurations and databases.
const LABEL_CHARS: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text format 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What an `Accept` header prefers; the older format when it does not say.
    pub fn preferred(accept: Option<&str>) -> Self {
        let (mut open, mut text) = (0.0, 0.0_f32);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts
                .filter_map(|p| p.strip_prefix("q="))
                .find_map(|q| q.trim().parse::<f32>().ok())
                .unwrap_or(1.0);
            match kind.as_str() {
                "application/openmetrics-text" => open = quality.max(open),
                "text/plain" | "text/*" | "*/*" => text = quality.max(text),
                _ => {}
            }
        }
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    /// Its name ends with `_total`.
    Counter,
    /// Its name ends with `_info`; the value is 1.
    Info,
}

/// A page that grows family by family.
pub struct Page {
    format: Format,
    text: String,
    /// Names that are taken, as they are and as `OpenMetrics` calls their family.
    taken: BTreeSet<String>,
}

impl Page {
    pub fn new(format: Format) -> Self {
        Self { format, text: String::new(), taken: BTreeSet::new() }
    }

    /// Begins a family; the one before has ended with it. It is written with its first value.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &'a str) -> Family<'a> {
        Family { page: self, name, kind, help, begun: false }
    }

    /// Whether a family of this name would be a second one.
    pub fn has(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    pub fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

pub struct Family<'a> {
    page: &'a mut Page,
    name: &'a str,
    kind: Kind,
    help: &'a str,
    begun: bool,
}

impl Family<'_> {
    pub fn put(&mut self, labels: &[(&str, &str)], value: f64) {
        if !self.begun {
            self.begin();
        }
        let text = &mut self.page.text;
        text.push_str(self.name);
        for (n, (name, value)) in labels.iter().enumerate() {
            text.push(if n == 0 { '{' } else { ',' });
            text.push_str(name);
            text.push_str("=\"");
            escape(text, value.chars().take(LABEL_CHARS), true);
            text.push('"');
        }
        text.push_str(if labels.is_empty() { " " } else { "} " });
        number(text, value);
        text.push('\n');
    }

    /// One of `states` holds: it is 1, the others are 0.
    pub fn put_state(&mut self, labels: &[(&str, &str)], key: &str, states: &[&str], holds: &str) {
        for state in states {
            let mut labels = labels.to_vec();
            labels.push((key, *state));
            self.put(&labels, if *state == holds { 1.0 } else { 0.0 });
        }
    }

    fn begin(&mut self) {
        self.begun = true;
        let bare = match self.kind {
            Kind::Gauge => self.name,
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Info => self.name.strip_suffix("_info").unwrap_or(self.name),
        };
        self.page.taken.extend([self.name.to_owned(), bare.to_owned()]);
        let open = self.page.format == Format::OpenMetrics;
        let (name, kind) = match (open, self.kind) {
            (true, Kind::Info) => (bare, "info"),
            (true, Kind::Counter) => (bare, "counter"),
            (false, Kind::Counter) => (self.name, "counter"),
            (_, Kind::Gauge) | (false, Kind::Info) => (self.name, "gauge"),
        };
        let text = &mut self.page.text;
        text.push_str("# HELP ");
        text.push_str(name);
        text.push(' ');
        escape(text, self.help.chars(), open);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n# TYPE {name} {kind}");
    }
}

fn escape(text: &mut String, chars: impl Iterator<Item = char>, quotes: bool) {
    for c in chars {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            // A carriage return ends a line for some readers.
            '\r' => text.push(' '),
            c => text.push(c),
        }
    }
}

fn number(text: &mut String, value: f64) {
    let _ = match value {
        v if v.is_nan() => text.write_str("NaN"),
        v if v == f64::INFINITY => text.write_str("+Inf"),
        v if v == f64::NEG_INFINITY => text.write_str("-Inf"),
        v => write!(text, "{v}"),
    };
}
