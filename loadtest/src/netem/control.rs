//! Other scripts while it runs, by lines on standard input: `NAME=PROFILE|FILE`.

use super::script::Script;
use anyhow::{Context as _, Result, ensure};
use rustix::io::read;

/// Longest line, bytes. More without an end of line: refused, and what follows is read as another.
const LONGEST: usize = 4_096;

/// What a line asks for.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) client: String,
    pub(super) script: Script,
    /// As it was written.
    pub(super) text: String,
}

/// Lines that have not ended yet.
#[derive(Debug, Default)]
pub(super) struct Control {
    rest: Vec<u8>,
}

impl Control {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// What has come in, when there is something to read; `None` when no more will.
    pub(super) fn read(&mut self) -> Option<Vec<Result<Wish>>> {
        let mut bytes = [0; LONGEST];
        let length = read(std::io::stdin(), &mut bytes[..]).ok().filter(|length| *length > 0)?;
        Some(self.take(&bytes[..length]))
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<Result<Wish>> {
        let mut wishes = Vec::new();
        for byte in bytes {
            if *byte == b'\n' || self.rest.len() == LONGEST {
                wishes.push(parse(&std::mem::take(&mut self.rest)));
            }
            if *byte != b'\n' {
                self.rest.push(*byte);
            }
        }
        wishes
    }
}

fn parse(line: &[u8]) -> Result<Wish> {
    ensure!(line.len() < LONGEST, "longer than {LONGEST} bytes");
    let text = std::str::from_utf8(line)?.trim();
    let (client, script) = text.split_once('=').context("NAME=… is missing its `=`")?;
    let script = Script::load(script)?;
    Ok(Wish { client: client.to_owned(), script, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(control: &mut Control, bytes: &[u8]) -> Vec<String> {
        let text = |wish: Result<Wish>| wish.map_or_else(|why| why.to_string(), |wish| wish.text);
        control.take(bytes).into_iter().map(text).collect()
    }

    #[test]
    fn lines_come_in_pieces_and_a_wrong_one_harms_no_other() {
        let mut control = Control::new();
        assert_eq!(texts(&mut control, b"alice=3"), Vec::<String>::new());
        assert_eq!(
            texts(&mut control, b"g\nnothing\nbob=4g\n"),
            ["alice=3g", "NAME=… is missing its `=`", "bob=4g"]
        );
        assert!(texts(&mut control, b"alice=no-such\n")[0].contains("no-such"));
    }

    #[test]
    fn a_line_has_an_end() {
        let mut control = Control::new();
        assert_eq!(texts(&mut control, &[b'a'; LONGEST]), Vec::<String>::new());
        assert_eq!(texts(&mut control, b"a"), [format!("longer than {LONGEST} bytes")]);
        assert_eq!(texts(&mut control, b"\nalice=3g\n").last().map(String::as_str), Some("alice=3g"));
    }
}
