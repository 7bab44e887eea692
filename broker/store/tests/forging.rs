//! What must not compile: making a record without the store, and acting on a permit alone.

#[test]
fn nobody_acts_without_a_record() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
