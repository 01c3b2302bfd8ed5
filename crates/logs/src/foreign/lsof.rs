//! The output of `lsof -F pca`: a line per field, `p<pid>` begins a process, `f<fd>` a file, and `a` is its
//! access: `r`, `w`, `u` for both, or a blank for unknown.

use super::Writer;

pub fn writers(output: &str) -> Vec<Writer> {
    let mut found: Vec<Writer> = Vec::new();
    let (mut pid, mut command) = (None, "");
    for line in output.lines() {
        let Some((field, value)) = line.split_at_checked(1) else { continue };
        match field {
            "p" => (pid, command) = (value.parse().ok(), ""),
            "c" => command = value,
            // In doubt it writes.
            "a" if value != "r" => {
                if let Some(pid) = pid {
                    found.push(Writer { pid, command: command.to_owned() });
                }
            }
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_are_told_from_readers_once_each() {
        let output = "p501\ncpython3.12\nf3\naw\nf4\nau\np502\nctail\nf3\nar\np77\ncwhat\nfcwd\na \n";
        let expected = [(77, "what"), (501, "python3.12")]
            .map(|(pid, command)| Writer { pid, command: command.to_owned() });
        assert_eq!(writers(output), expected);
        assert_eq!(writers(""), []);
    }
}
