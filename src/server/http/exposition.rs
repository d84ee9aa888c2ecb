//! The text format in which Prometheus reads metrics.

use std::fmt::Write as _;
use std::time::Duration;

/// What all names begin with.
const PREFIX: &str = "service_registry_";

/// How the samples of a metric are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A name with a value that it has here.
pub(super) type Label<'a> = (&'a str, &'a str);

/// A text that grows. A metric is announced, and its samples follow.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    name: &'static str,
}

impl Exposition {
    /// Announces a metric. `help` is one line.
    pub(super) fn metric(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        self.line(format_args!("# HELP {PREFIX}{name} {help}"));
        self.line(format_args!("# TYPE {PREFIX}{name} {kind}"));
    }

    /// A sample of the metric that was announced last.
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: u64) {
        self.labelled("", labels, value);
    }

    /// The same, of a time, in seconds.
    pub(super) fn duration(&mut self, labels: &[Label<'_>], value: Duration) {
        self.labelled("", labels, value.as_secs_f64());
    }

    /// A histogram of the metric that was announced last: `counts` has how much ended in each of
    /// the `ranges`, each given by its upper end, and beyond the last of them.
    pub(super) fn histogram(
        &mut self,
        labels: &[Label<'_>],
        ranges: &[Duration],
        counts: &[u64],
        sum: Duration,
    ) {
        let mut total = 0;
        for (index, count) in counts.iter().enumerate() {
            total += count;
            let end = ranges.get(index).map(|end| end.as_secs_f64().to_string());
            let within = [labels, &[("le", end.as_deref().unwrap_or("+Inf"))]].concat();
            self.labelled("_bucket", &within, total);
        }
        self.labelled("_sum", labels, sum.as_secs_f64());
        self.labelled("_count", labels, total);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn labelled(&mut self, suffix: &str, labels: &[Label<'_>], value: impl std::fmt::Display) {
        let pairs: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let name = self.name;
        if pairs.is_empty() {
            self.line(format_args!("{PREFIX}{name}{suffix} {value}"));
        } else {
            self.line(format_args!("{PREFIX}{name}{suffix}{{{}}} {value}", pairs.join(",")));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Nothing can go wrong with a text in memory.
        let _ = writeln!(self.text, "{line}");
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_the_metric_that_they_are_of() {
        let mut text = Exposition::default();

        text.metric("pauses_total", Kind::Counter, "Pauses.");
        text.sample(&[], 3);
        text.metric("services", Kind::Gauge, "Services.");
        text.sample(&[("health", "passing"), ("of", "a\"b\\c\nd")], 1);

        assert_eq!(
            text.into_text(),
            "# HELP service_registry_pauses_total Pauses.\n\
             # TYPE service_registry_pauses_total counter\n\
             service_registry_pauses_total 3\n\
             # HELP service_registry_services Services.\n\
             # TYPE service_registry_services gauge\n\
             service_registry_services{health=\"passing\",of=\"a\\\"b\\\\c\\nd\"} 1\n"
        );
    }

    #[test]
    fn the_buckets_of_a_histogram_count_all_that_is_below_their_end() {
        let mut text = Exposition::default();
        let ranges = [Duration::from_micros(50), Duration::from_secs(1)];

        text.metric("seconds", Kind::Histogram, "Seconds.");
        text.histogram(&[("a", "b")], &ranges, &[2, 0, 1], Duration::from_millis(2_500));

        let samples: Vec<String> = text.into_text().lines().skip(2).map(str::to_owned).collect();
        assert_eq!(
            samples,
            [
                r#"service_registry_seconds_bucket{a="b",le="0.00005"} 2"#,
                r#"service_registry_seconds_bucket{a="b",le="1"} 2"#,
                r#"service_registry_seconds_bucket{a="b",le="+Inf"} 3"#,
                r#"service_registry_seconds_sum{a="b"} 2.5"#,
                r#"service_registry_seconds_count{a="b"} 3"#,
            ]
        );
    }
}
