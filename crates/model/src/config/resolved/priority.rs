use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of the machine a backup may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    /// 0 is as other programs, 19 is last.
    pub nice: u8,
    pub io: IoClass,
}

impl Default for Priority {
    fn default() -> Self {
        Self { nice: 19, io: IoClass::Normal }
    }
}

/// When the disk is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IoClass {
    /// Beside other programs; on Linux the later, the higher `nice` is.
    #[default]
    Normal,
    /// Only while nobody else wants the disk.
    Idle,
}
