//! The local gateway.
