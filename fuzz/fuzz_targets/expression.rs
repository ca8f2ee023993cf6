//! The expressions of rules: parsing, and compiling against a catalog, never fails otherwise than with an error.
#![no_main]

use irctl::severity::{CompiledExpression, Expression, shipped_scheme};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(expression) = Expression::parse(text) else { return };
    let _ = expression.metrics();
    // What was parsed can be parsed again from its source.
    assert!(Expression::parse(expression.source()).is_ok());
    let Some(Ok(scheme)) = shipped_scheme("protocol-25") else { return };
    let _ = CompiledExpression::compile(&expression, &scheme.metrics);
});
