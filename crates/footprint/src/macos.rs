/// Nothing: clean pages of a file do not count as this program's here, and the heap returns its own.
pub(crate) fn give_back() {}

/// Nothing: the system's allocator keeps what it may need again by itself.
pub(crate) fn keep_at_hand() {}
