//! The end of a log as a report keeps it: bounded in lines and in bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use steady_model::crash::LOG_LINES;

/// A line is cut here, bytes: one line of a service may be megabytes.
const LINE: usize = 4096;
/// The end of a file that is looked at, bytes.
const END: u64 = 64 << 10;

/// The newest [`LOG_LINES`] lines, each cut at 4 kB.
pub fn bounded(lines: Vec<String>) -> Vec<String> {
    let surplus = lines.len().saturating_sub(LOG_LINES);
    lines.into_iter().skip(surplus).map(cut).collect()
}

fn cut(line: String) -> String {
    if line.len() <= LINE {
        return line;
    }
    let end = line.floor_char_boundary(LINE);
    format!("{} … ({} bytes more)", line.get(..end).unwrap_or_default(), line.len() - end)
}

/// The newest lines of a plain file; none when it cannot be read.
pub fn end_of_file(path: &Path) -> Vec<String> {
    let read = || {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(END)))?;
        let mut bytes = Vec::new();
        file.take(END).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>((bytes, size > END))
    };
    let Ok((bytes, cut_off)) = read() else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    // What it begins with is the rest of a line.
    bounded(text.lines().skip(usize::from(cut_off)).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_stay_and_a_huge_one_says_how_much_is_missing() {
        let mut lines: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        lines.push("é".repeat(1 << 19));
        let kept = bounded(lines);
        assert_eq!(kept.len(), LOG_LINES);
        assert_eq!(kept[0], "101");
        assert!(kept[199].ends_with(" … (1044480 bytes more)"), "{}", &kept[199][4000..]);
    }

    #[test]
    fn a_long_file_begins_with_a_whole_line_and_a_missing_one_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        let text = (0..20_000).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        std::fs::write(&path, text).unwrap();
        let lines = end_of_file(&path);
        assert_eq!((lines.len(), lines[199].as_str()), (LOG_LINES, "line 19999"));
        let long = format!("{}\nnew\n", "x".repeat(100_000));
        std::fs::write(&path, long).unwrap();
        assert_eq!(end_of_file(&path), ["new"]);
        assert_eq!(end_of_file(&dir.path().join("none")), [""; 0]);
    }
}
