//! From which version on etcd keeps namespaces apart.
//!
//! Older ones leave the permissions of nested transactions or of the keys of a lease unchecked, or show values through
//! watches and previous values.

/// The first good patch of each minor version. Later minor versions are good.
const FLOORS: [(u64, u64, u64); 3] = [(3, 5, 33), (3, 6, 14), (3, 7, 1)];

/// The floors as text.
pub(crate) fn floors() -> String {
    let floors = FLOORS.map(|(major, minor, patch)| format!("{major}.{minor}.{patch}"));
    floors.join(", ")
}

/// Whether a version keeps namespaces apart. A version that cannot be read does not, nor does a pre-release of a floor.
pub(crate) fn is_sufficient(version: &str) -> bool {
    let Some((found, pre_release)) = parse(version) else {
        return false;
    };
    let (major, minor, _) = found;
    match FLOORS.iter().find(|floor| (floor.0, floor.1) == (major, minor)) {
        Some(floor) => found > *floor || (found == *floor && !pre_release),
        None => FLOORS.iter().all(|floor| (floor.0, floor.1) < (major, minor)),
    }
}

fn parse(version: &str) -> Option<((u64, u64, u64), bool)> {
    // Build metadata says nothing about the age.
    let version = version.split('+').next()?;
    let (numbers, pre_release) = match version.split_once('-') {
        Some((numbers, _)) => (numbers, true),
        None => (version, false),
    };
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    let found = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some((found, pre_release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_that_check_every_permission_are_sufficient() {
        let table = [
            ("3.4.23", false),
            ("3.4.99", false),
            ("3.5.9", false),
            ("3.5.32", false),
            ("3.5.33", true),
            ("3.5.40", true),
            ("3.6.0", false),
            ("3.6.13", false),
            ("3.6.14", true),
            ("3.6.14+vendor.1", true),
            ("3.6.14-rc.0", false),
            ("3.6.15-rc.0", true),
            ("3.7.0", false),
            ("3.7.1", true),
            ("3.8.0", true),
            ("4.0.0", true),
            ("2.3.8", false),
            ("", false),
            ("3.6", false),
            ("3.6.14.1", false),
            ("latest", false),
        ];
        for (version, expected) in table {
            assert_eq!(is_sufficient(version), expected, "{version}");
        }
        assert_eq!(floors(), "3.5.33, 3.6.14, 3.7.1");
    }
}
