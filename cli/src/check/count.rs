//! Numbers of things, as people say them.

/// `1 name`, `2 names`. The plural of the noun only has an `s` more.
pub(super) fn of(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_one_thing_has_no_plural() {
        let said = [0, 1, 2].map(|number| super::of(number, "name"));
        assert_eq!(said, ["0 names", "1 name", "2 names"]);
    }
}
