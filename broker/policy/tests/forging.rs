//! What must not compile: making a permit without judging, and bringing a judgement of one's own.

#[test]
fn nobody_else_makes_a_permit() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
