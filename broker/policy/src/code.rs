//! The codes a refusal carries to the one who asked. Stable: programs compare them.

/// It is not allowed.
pub const UNAUTHORIZED: &str = "UNAUTHORIZED";
/// Too many calls within a minute; try again later.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
/// The turn has used up what it may use.
pub const BUDGET_EXCEEDED: &str = "BUDGET_EXCEEDED";
/// A person said no, or the answer does not fit the question.
pub const CONFIRMATION_DENIED: &str = "CONFIRMATION_DENIED";
/// Nobody answered in time.
pub const CONFIRMATION_TIMEOUT: &str = "CONFIRMATION_TIMEOUT";
