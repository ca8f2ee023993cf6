//! The documentation says what the code does.

use irctl::base::ErrorCode;

#[test]
fn every_error_code_is_documented_with_its_exit_status() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exit-codes.md");
    let text = std::fs::read_to_string(path).unwrap();
    let missing: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| format!("| `{}` | {} |", code.as_str(), code.exit()))
        .filter(|row| !text.contains(row))
        .collect();
    assert!(missing.is_empty(), "add these rows to docs/exit-codes.md:\n{}", missing.join("\n"));
}
