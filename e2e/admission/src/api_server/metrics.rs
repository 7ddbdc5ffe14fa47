//! What an API server says of itself at `/metrics`.

/// All series at one time.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    series: Vec<Series>,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    /// As written, in braces.
    labels: String,
    value: f64,
}

// === impl Reading ===

impl Reading {
    /// From the text format of Prometheus. Lines that are not series are left out.
    pub fn parse(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(Series::parse);
        Self { series: series.collect() }
    }

    /// The sum of all series of a name that have all of these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = self.series.iter().filter(|one| one.name == name);
        let series = series.filter(|one| labels.iter().all(|(key, value)| one.has(key, value)));
        series.map(|one| one.value).sum()
    }
}

// === impl Series ===

impl Series {
    fn parse(line: &str) -> Option<Self> {
        let (what, value) = line.trim().rsplit_once(' ')?;
        let (name, labels) = what.split_at(what.find('{').unwrap_or(what.len()));
        Some(Self { name: name.to_owned(), labels: labels.to_owned(), value: value.parse().ok()? })
    }

    fn has(&self, key: &str, value: &str) -> bool {
        ["{", ","].iter().any(|before| self.labels.contains(&format!("{before}{key}=\"{value}\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_added_up_by_name_and_labels() {
        let reading = Reading::parse(
            "# TYPE a counter\na{name=\"x\",type=\"admit\"} 1.5\na{other_name=\"x\",name=\"y\"} 2\n\
             a_total{name=\"x\"} 8\nb 1e-3\n",
        );
        let of_name = |name| reading.sum("a", &[("name", name)]);
        assert_eq!((reading.sum("a", &[]), of_name("x"), of_name("y")), (3.5, 1.5, 2.0));
        assert_eq!((reading.sum("b", &[]), reading.sum("c", &[])), (0.001, 0.0));
    }
}
