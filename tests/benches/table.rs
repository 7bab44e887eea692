//! Samples, rows and how they are printed.

use carapace_harness::programs;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// Bytes.
    Bytes,
    /// Events in one second.
    Rate,
    /// Bytes in one second.
    Speed,
}

/// One measured figure.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    unit: Unit,
    /// The median, or the only value.
    pub middle: f64,
    /// The 99th percentile, where there are samples.
    pub high: Option<f64>,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    ours: Option<Figure>,
    baseline: Option<(String, Figure)>,
    budget: Option<(String, bool)>,
    note: Option<String>,
}

/// All lines.
#[derive(Debug, Default)]
pub struct Table {
    /// In the order they are printed.
    pub rows: Vec<Row>,
}

impl Figure {
    /// Median and 99th percentile of durations. Zero where there is none.
    pub fn of(samples: &[Duration]) -> Self {
        let nanos: Vec<f64> = samples
            .iter()
            .map(|sample| sample.as_nanos() as f64)
            .collect();
        let (middle, high) = (percentile(&nanos, 50.0), percentile(&nanos, 99.0));
        Self {
            unit: Unit::Time,
            middle,
            high: Some(high),
        }
    }

    /// From percentiles that were taken elsewhere, in nanoseconds.
    pub fn of_percentiles(middle: f64, high: f64) -> Self {
        Self {
            unit: Unit::Time,
            middle,
            high: Some(high),
        }
    }

    /// So many in this time.
    pub fn rate(count: usize, time: Duration) -> Self {
        Self {
            unit: Unit::Rate,
            middle: count as f64 / time.as_secs_f64(),
            high: None,
        }
    }

    /// So many bytes in one second.
    pub fn bytes_per_second(speed: f64) -> Self {
        Self {
            unit: Unit::Speed,
            middle: speed,
            high: None,
        }
    }

    /// A number of bytes.
    pub fn bytes(bytes: f64) -> Self {
        Self {
            unit: Unit::Bytes,
            middle: bytes,
            high: None,
        }
    }

    /// A single time, in nanoseconds.
    pub fn time(nanos: f64) -> Self {
        Self {
            unit: Unit::Time,
            middle: nanos,
            high: None,
        }
    }

    fn show(&self, value: f64) -> String {
        match self.unit {
            Unit::Time if value.abs() < 1e3 => format!("{value:.0} ns"),
            Unit::Time if value.abs() < 1e6 => format!("{:.1} us", value / 1e3),
            Unit::Time => format!("{:.2} ms", value / 1e6),
            Unit::Bytes => format!("{:.2} MiB", value / f64::from(1 << 20)),
            Unit::Rate => format!("{value:.0} /s"),
            Unit::Speed if value >= 1e9 => format!("{:.2} GB/s", value / 1e9),
            Unit::Speed => format!("{:.1} MB/s", value / 1e6),
        }
    }

    fn json(&self) -> Value {
        let unit = match self.unit {
            Unit::Time => "ns",
            Unit::Bytes => "bytes",
            Unit::Rate => "per second",
            Unit::Speed => "bytes per second",
        };
        json!({ "unit": unit, "p50": self.middle, "p99": self.high })
    }
}

impl Row {
    /// A measured line.
    pub fn new(what: &str, ours: Figure) -> Self {
        Self {
            what: what.to_owned(),
            ours: Some(ours),
            baseline: None,
            budget: None,
            note: None,
        }
    }

    /// A line that could not be measured, and why.
    pub fn missing(what: &str, why: &str) -> Self {
        Self {
            what: what.to_owned(),
            ours: None,
            baseline: None,
            budget: None,
            note: Some(why.to_owned()),
        }
    }

    /// With what the same run measured for comparison.
    pub fn beside(mut self, name: &str, baseline: Figure) -> Self {
        self.baseline = Some((name.to_owned(), baseline));
        self
    }

    /// With its budget in words and whether it is met.
    pub fn budget(mut self, words: &str, met: bool) -> Self {
        self.budget = Some((words.to_owned(), met));
        self
    }

    /// With a remark.
    pub fn note(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    /// Ours over the baseline.
    fn ratio(&self) -> Option<f64> {
        let (ours, (_, baseline)) = (self.ours.as_ref()?, self.baseline.as_ref()?);
        (ours.unit == baseline.unit && baseline.middle != 0.0)
            .then(|| ours.middle / baseline.middle)
    }

    fn cells(&self) -> [String; 6] {
        let (middle, high) = self.ours.map_or((String::new(), String::new()), |ours| {
            (
                ours.show(ours.middle),
                ours.high.map_or(String::new(), |high| ours.show(high)),
            )
        });
        let baseline = self
            .baseline
            .as_ref()
            .map_or(String::new(), |(name, figure)| {
                format!("{} {name}", figure.show(figure.middle))
            });
        let ratio = self
            .ratio()
            .map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let budget = match (&self.budget, &self.ours) {
            (_, None) => "not measured".to_owned(),
            (None, Some(_)) => String::new(),
            (Some((words, met)), Some(_)) => {
                format!("{} ({words})", if *met { "met" } else { "MISSED" })
            }
        };
        [self.what.clone(), middle, high, baseline, ratio, budget]
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "ours": self.ours.map(|ours| ours.json()),
            "baseline": self.baseline.as_ref().map(|(name, figure)| json!({ "name": name, "figure": figure.json() })),
            "ratio": self.ratio(),
            "budget": self.budget.as_ref().map(|(words, _)| words),
            "met": self.budget.as_ref().map(|(_, met)| met),
            "note": self.note,
        })
    }
}

impl Table {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// For people.
    pub fn text(&self) -> String {
        let head = ["what", "p50", "p99", "baseline p50", "ratio", "budget"].map(str::to_owned);
        let lines: Vec<[String; 6]> = std::iter::once(head)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..6).map(width).collect();
        let mut text = format!("programs: {}\n\n", programs::folder().display());
        for (at, line) in lines.iter().enumerate() {
            let mut out = String::new();
            for (column, cell) in line.iter().enumerate() {
                let pad = " ".repeat(widths[column] - cell.chars().count());
                // Figures stand to the right, words to the left.
                let (before, after) = if matches!(column, 1 | 2 | 4) {
                    (pad.as_str(), "")
                } else {
                    ("", pad.as_str())
                };
                let _ = write!(out, "{before}{cell}{after}  ");
            }
            let _ = writeln!(text, "{}", out.trim_end());
            if let Some(note) = at
                .checked_sub(1)
                .and_then(|row| self.rows[row].note.as_ref())
            {
                let _ = writeln!(text, "    {note}");
            }
        }
        let missed = self
            .rows
            .iter()
            .filter(|row| row.budget.as_ref().is_some_and(|(_, met)| !met))
            .count();
        let _ = write!(text, "\n{missed} budgets missed");
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        json!({ "programs": programs::folder().display().to_string(), "rows": rows }).to_string()
    }
}

/// The value below which `percent` of the samples lie.
fn percentile(samples: &[f64], percent: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
}
