//! The terminal of standard output: how wide it is, and text that is broken between words to fit into it.

use std::io::IsTerminal as _;

use rustix::stdio::stdout;
use rustix::termios::tcgetwinsize;

/// Narrower text is harder to read than text that the terminal breaks.
const LEAST: usize = 20;

/// Its width in characters; `None` when standard output is no terminal.
pub fn width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let columns = tcgetwinsize(stdout()).ok()?.ws_col;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

/// The text, with line breaks between words after which `indent` spaces stand.
pub fn broken(text: &str, indent: usize, width: Option<usize>) -> String {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(LEAST));
    let mut broken = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > room {
            broken.push('\n');
            broken.extend(std::iter::repeat_n(' ', indent));
            column = 0;
        } else if column > 0 {
            broken.push(' ');
            column += 1;
        }
        broken.push_str(word);
        column += length;
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_only_for_a_terminal() {
        let text = "one two three four five six seven";
        assert_eq!(broken(text, 4, None), text);
        assert_eq!(broken(text, 4, Some(24)), "one two three four\n    five six seven");
        let long = "x".repeat(40);
        assert_eq!(broken(&long, 4, Some(24)), long);
    }
}
