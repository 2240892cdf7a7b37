//! `explain`: what happened to a certificate, for a person.

use super::{Arguments, Exit, Terminal};

pub(super) async fn explain(_arguments: &Arguments, terminal: &mut Terminal<'_>) -> Exit {
    terminal.complain("not yet")
}
