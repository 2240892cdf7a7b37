//! The `mtls-authorizer` program.

fn main() {}
