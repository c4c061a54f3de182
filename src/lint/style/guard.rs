//! The lint library's panics, caught and kept quiet.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic becomes its message.
///
/// The library panics on some configurations and on some SQL, and prints nothing that helps a user.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let was = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(was);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_else(|| "it panicked".to_owned());
        text.lines().next().unwrap_or_default().chars().take(160).collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_becomes_its_first_line() {
        assert_eq!(super::guarded(|| panic!("one\ntwo")), Err::<(), _>("one".to_owned()));
        assert_eq!(super::guarded(|| 1), Ok(1));
    }
}
