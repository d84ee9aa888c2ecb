//! A reader of Prometheus' text format, as strict as Prometheus' own checks.

use std::collections::BTreeMap;

/// Metrics by name.
pub(super) type Metrics = BTreeMap<String, Metric>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    pub(super) kind: String,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// The name of the metric, with `_bucket`, `_sum` or `_count` behind it in a histogram.
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// Reads a whole text; the line that is wrong and why, where one is.
pub(super) fn parse(text: &str) -> Result<Metrics, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut metrics = Metrics::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        let wrong = |why: &str| format!("{line}: {why}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            let metric = Metric { kind: String::new(), help: help.to_owned(), samples: Vec::new() };
            if metrics.insert(checked_name(name)?, metric).is_some() {
                return Err(wrong("announced twice"));
            }
            current = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            let metric = metrics.get_mut(name).ok_or_else(|| wrong("no help before it"))?;
            if !["counter", "gauge", "histogram"].contains(&kind) || !metric.samples.is_empty() {
                return Err(wrong("no such type, or too late"));
            }
            kind.clone_into(&mut metric.kind);
        } else {
            let sample = sample(line)?;
            let name = current.as_deref().ok_or_else(|| wrong("announced by nothing"))?;
            let metric = metrics.get_mut(name).ok_or_else(|| wrong("announced by nothing"))?;
            if !belongs(&sample.name, name, &metric.kind) {
                return Err(wrong("not under its own metric"));
            }
            let is_there =
                metric.samples.iter().any(|s| s.name == sample.name && s.labels == sample.labels);
            if is_there {
                return Err(wrong("there twice"));
            }
            metric.samples.push(sample);
        }
    }
    Ok(metrics)
}

fn belongs(sample: &str, metric: &str, kind: &str) -> bool {
    match sample.strip_prefix(metric) {
        Some("") => kind == "counter" || kind == "gauge",
        Some("_bucket" | "_sum" | "_count") => kind == "histogram",
        _ => false,
    }
}

fn sample(line: &str) -> Result<Sample, String> {
    let wrong = || format!("{line}: no sample");
    let (series, value) = line.rsplit_once(' ').ok_or_else(wrong)?;
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').ok_or_else(wrong)?),
        None => (series, ""),
    };
    let value = value.parse().map_err(|_| wrong())?;
    Ok(Sample { name: checked_name(name)?, labels: read_labels(labels)?, value })
}

fn read_labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let wrong = || format!("{text}: no labels");
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").ok_or_else(wrong)?;
        let mut value = String::new();
        let mut characters = behind.chars();
        loop {
            match characters.next().ok_or_else(wrong)? {
                '"' => break,
                '\\' => value.push(match characters.next() {
                    Some('n') => '\n',
                    Some(character @ ('"' | '\\')) => character,
                    _ => return Err(wrong()),
                }),
                character => value.push(character),
            }
        }
        if labels.insert(checked_name(name)?, value).is_some() {
            return Err(wrong());
        }
        rest = characters.as_str();
        if let Some(behind) = rest.strip_prefix(',') {
            rest = behind;
        } else if !rest.is_empty() {
            return Err(wrong());
        }
    }
    Ok(labels)
}

fn checked_name(name: &str) -> Result<String, String> {
    let is_letter = |c: char| c.is_ascii_lowercase() || c == '_';
    let starts_well = name.starts_with(is_letter);
    if starts_well && name.chars().all(|c| is_letter(c) || c.is_ascii_digit()) {
        Ok(name.to_owned())
    } else {
        Err(format!("{name:?} is no name"))
    }
}

#[test]
fn what_prometheus_would_not_read_is_not_read_here() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    assert!(parse(&format!("{head}a_total{{b=\"c\\\"\"}} 1\na_total 2\n")).is_ok());

    for lines in [
        "a_total 1",
        "a_total 1\na_total 2\n",
        "b_total 1\n",
        "a_total_sum 1\n",
        "a_total{b=c} 1\n",
        "a_total{b=\"c} 1\n",
        "a_total{b=\"c\"d=\"e\"} 1\n",
        "a_total one\n",
        "# TYPE a_total gauge\n# HELP a_total A.\n",
        "# HELP a-b A.\n",
    ] {
        assert!(parse(&format!("{head}{lines}")).is_err(), "{lines}");
    }
    assert!(parse("a_total 1\n").is_err());
}
