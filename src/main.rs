//! The `faceclique` program.

fn main() {}
