//! Values of a query string, with percent-encoding undone. A `+` is a space, as forms and most libraries write it.

/// Every value of a parameter, as bytes: keys of apps need not be text.
pub(super) fn bytes(query: Option<&str>, key: &str) -> Vec<Vec<u8>> {
    let pairs = query.unwrap_or_default().split('&');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(name, _)| *name == key).map(|(_, value)| decoded(value)).collect()
}

/// Every value of a parameter, as text.
pub(super) fn values(query: Option<&str>, key: &str) -> Vec<String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    bytes(query, key).into_iter().map(text).collect()
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut ahead = bytes.clone();
                let pair = (ahead.next().and_then(digit), ahead.next().and_then(digit));
                if let (Some(high), Some(low)) = pair {
                    bytes = ahead;
                    high << 4 | low
                } else {
                    byte
                }
            }
            other => other,
        });
    }
    decoded
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_wrong_escapes_stay() {
        let query = Some("key=a%2Fb+c%ff&key=100%&n=2&keys=x&key");
        let found = bytes(query, "key");
        assert_eq!(found, [b"a/b c\xff".to_vec(), b"100%".to_vec(), Vec::new()]);
        assert_eq!(values(query, "n"), ["2"]);
        assert!(bytes(None, "key").is_empty());
    }
}
