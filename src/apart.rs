//! Futures that are rarely awaited, or once, kept apart from those that await them.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Awaits a future in memory and on stack of its own.
///
/// A future is a part of the one that awaits it, and mostly its code too: then both share one stack frame, and each
/// page of that is touched when it is entered, whichever way is taken. This one is on the heap, and a call of its own.
pub fn apart<F: Future>(future: F) -> impl Future<Output = F::Output> {
    #[inline(never)]
    fn poll<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        future.poll(context)
    }
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| poll(future.as_mut(), context))
}
