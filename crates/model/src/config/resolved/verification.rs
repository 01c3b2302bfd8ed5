/// When rows that are there count as believable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Percent of a table's rows that may be gone since the last verified point.
    pub max_loss: u8,
    /// `store` or `store:table` that may lose all its rows, such as a queue.
    pub may_shrink: Vec<String>,
    /// Each a list of `store:table` that must have equally many rows.
    pub equal: Vec<Vec<String>>,
}

impl Default for Verification {
    fn default() -> Self {
        Self { max_loss: 50, may_shrink: Vec::new(), equal: Vec::new() }
    }
}
