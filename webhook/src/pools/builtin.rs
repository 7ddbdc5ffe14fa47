//! The pools that ship with Cairn: created once per process start when absent, never overwritten.
