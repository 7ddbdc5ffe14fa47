//! An error with its causes, on one line: for log lines and for messages of programs.

use std::error::Error;

/// The error and the chain of its causes. A cause that only repeats what the line says already is left out.
pub fn report(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        // It knows which words of etcd's client tell something, and which dump the state of a transport.
        let of_store = error.downcast_ref::<cairn_store::Error>();
        let message = of_store.map_or_else(|| error.to_string(), cairn_store::Error::report);
        if !line.contains(&message) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&message);
        }
        next = if of_store.is_some() { None } else { error.source() };
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io;

    use cairn_store::Class;
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    enum TestError {
        #[error("could not write {0}")]
        Write(&'static str, #[source] io::Error),
        #[error("disk full; free some space")]
        Repeats(#[source] io::Error),
        #[error("could not claim")]
        Store(#[source] cairn_store::Error),
    }

    #[test]
    fn causes_follow_the_error_and_none_is_said_twice() {
        let full = || io::Error::other("disk full");
        assert_eq!(report(&TestError::Write("name", full())), "could not write name: disk full");
        assert_eq!(report(&TestError::Repeats(full())), "disk full; free some space");
    }

    #[test]
    fn an_error_of_the_store_is_reported_in_its_own_words() {
        let inner = cairn_store::Error::Injected(Class::Denied);
        let words = inner.report();
        assert_eq!(report(&TestError::Store(inner)), format!("could not claim: {words}"));
    }
}
