//! What the parser accepts, refuses and says.

use proptest::prelude::*;

use super::syntax::{MetricName, Node, Operator, Side, Span, Term};
use super::*;
use crate::base::Unit;
use crate::severity::quantity::{Quantity, Suffix};
use crate::severity::{Catalog, CompiledExpression, MetricConfig};

fn regular(source: &str) -> String {
    Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error}")).to_string()
}

#[test]
fn reads_what_people_write() {
    for (source, shown) in [
        ("mape_weekly>25%", "mape_weekly > 25%"),
        ("  a > 0.25  ", "a > 0.25"),
        ("0.5 > availability", "availability < 0.5"),
        ("a > 1 or b > 2 and c > 3", "a > 1 or b > 2 and c > 3"),
        ("(a > 1 or b > 2) and c > 3", "(a > 1 or b > 2) and c > 3"),
        ("((a > 1))", "a > 1"),
        ("not not draining", "not not draining"),
        ("not (a > 1 and b > 1)", "not (a > 1 and b > 1)"),
        ("p95 > 2 * baseline", "p95 > 2 * baseline"),
        ("errors / requests >= 5 %", "errors / requests >= 5%"),
        ("2*errors/requests != 5%", "2 * errors / requests != 5%"),
        ("bias > 15% or bias < -15%", "bias > 15% or bias < -15%"),
        ("age > 14 days", "age > 14 days"),
        ("latency > 200ms", "latency > 200ms"),
        ("shift >= 1.5σ", "shift >= 1.5 sigma"),
        ("serving == true", "serving == true"),
        ("rate{route='x', zone=\"a\\\"b\"} < 1e-3", "rate{route=\"x\", zone=\"a\\\"b\"} < 0.001"),
        ("job:errors.rate > 1", "job:errors.rate > 1"),
    ] {
        assert_eq!(regular(source), shown, "{source}");
        assert_eq!(regular(shown), shown, "stable");
    }
}

#[test]
fn errors_say_where_and_what_was_meant() {
    for (source, offset, says, help) in [
        ("a = 1", 2, "`=` is not a comparison", "did you mean `==`?"),
        ("a => 1", 2, "`=>` is not a comparison", "did you mean `>=`?"),
        ("a ≥ 1", 2, "`≥` is not a comparison", "did you mean `>=`?"),
        ("a > 1 && b > 1", 6, "`&&` is not a word", "did you mean `and`?"),
        ("a > 1 || b > 1", 6, "`||` is not a word", "did you mean `or`?"),
        ("a > 1 AND b > 1", 6, "`AND` is not a unit", ""),
        ("a AND b", 2, "`AND` is written in lower case", "did you mean `and`?"),
        ("!a", 0, "a metric or a value is expected", "did you mean `not`?"),
        ("a >", 3, "the expression ends", ""),
        ("", 0, "the expression ends", ""),
        ("(a > 1", 0, "this bracket is not closed", "add `)`"),
        ("a > 1)", 5, "this bracket was never opened", "remove it"),
        ("1 < a < 3", 6, "a comparison has two sides", "`a < x and x < b`"),
        ("1 < 3", 0, "two constants", "one side has to be a metric"),
        ("a > 14 dayz", 7, "`dayz` is not a unit", "did you mean `day`?"),
        ("5 * a", 5, "where a comparison is expected", ""),
        ("a > \"x", 4, "a quote that is not closed", ""),
        ("a > $", 4, "`$` has no meaning", ""),
        ("a{b} > 1", 2, "a label is expected", "{route="),
        ("a{b='x' > 1", 8, "`,` or `}` is expected", ""),
        ("a{b='x', b='y'} > 1", 0, "one label is given twice", ""),
        ("a b", 2, "`and`, `or` or the end", ""),
        ("a > 1e999", 4, "too large", ""),
    ] {
        let error = Expression::parse(source).expect_err(source);
        assert_eq!(error.offset, offset, "{source}: {error}");
        assert!(error.message.contains(says), "{source}: {error}");
        assert!(error.help.as_deref().unwrap_or_default().contains(help), "{source}: {:?}", error.help);
    }
}

#[test]
fn size_has_limits() {
    let deep = format!("{}a > 1{}", "(".repeat(33), ")".repeat(33));
    assert!(Expression::parse(&deep).unwrap_err().message.contains("nested 32 deep"));
    assert!(Expression::parse(&format!("{}a", "not ".repeat(33))).is_err());
    let wide = vec!["a > 1"; 65].join(" or ");
    assert!(Expression::parse(&wide).unwrap_err().message.contains("64 comparisons"));
    assert!(Expression::parse(&" ".repeat(5000)).unwrap_err().message.contains("4096 bytes"));
}

fn catalog() -> Catalog {
    let metric = |unit| MetricConfig { unit, range: None, optional: false, max_age: None, description: None };
    [
        ("error_rate", metric(Unit::Ratio)),
        ("mape", MetricConfig { range: Some([0.0, 10.0]), ..metric(Unit::Ratio) }),
        ("p95", metric(Unit::Milliseconds)),
        ("baseline", metric(Unit::Seconds)),
        ("age", metric(Unit::Days)),
        ("rows", metric(Unit::Count)),
        ("shift", metric(Unit::Sigma)),
        ("draining", metric(Unit::Flag)),
        ("sharpe", metric(Unit::Number)),
    ]
    .into_iter()
    .map(|(name, metric)| (name.to_owned(), metric))
    .collect()
}

#[test]
fn units_are_checked_when_compiled() {
    let compile = |source: &str| CompiledExpression::compile(&Expression::parse(source).unwrap(), &catalog());
    for good in [
        "error_rate > 25%",
        "error_rate > 0.25",
        "mape > 300%",
        "p95 > 2 * baseline",
        "p95 / baseline > 2",
        "p95 / baseline > 200%",
        "age > 36h",
        "rows < 1",
        "shift >= 1.5 sigma",
        "draining and not draining == false",
        "sharpe < -1.5",
    ] {
        assert!(compile(good).is_ok(), "{good}: {:?}", compile(good));
    }
    for (bad, offset, says) in [
        ("eror_rate > 1%", 0, "not a metric of this catalog"),
        ("error_rate > 25 days", 13, "is not a ratio"),
        ("error_rate > 50", 13, "outside the range"),
        ("mape > 31", 7, "outside the range of `mape`, 0 % to 1000 %"),
        ("age > 14", 6, "is not a length of time"),
        ("rows > 5%", 7, "is not a count"),
        ("rows > -1", 7, "outside the range"),
        ("shift > 1.5", 8, "standard deviations"),
        ("sharpe > 10%", 9, "number without a unit"),
        ("error_rate > p95", 0, "only like is compared with like"),
        ("p95 / rows > 1", 6, "their quotient has no meaning"),
        ("rows", 0, "not a flag"),
        ("draining > 1", 11, "true or false"),
        ("draining > 5%", 11, "true or false"),
    ] {
        let errors = compile(bad).expect_err(bad);
        let error = errors.first().unwrap();
        let all = format!("{} {}", error.message, error.help.as_deref().unwrap_or_default());
        assert!(all.contains(says), "{bad}: {all}");
        assert_eq!(error.offset, offset, "{bad}: {error}");
    }
    let errors = compile("eror_rate > 1% and age > 14").unwrap_err();
    assert_eq!(errors.len(), 2, "all errors at once");
    assert_eq!(errors[0].help.as_deref(), Some("did you mean `error_rate`?"));
    assert_eq!(compile("error_rate > 50").unwrap_err()[0].help.as_deref(), Some("did you mean `50%`?"));
}

fn metric_name() -> impl Strategy<Value = MetricName> {
    let name = "[a-z_][a-z0-9_.:]{0,8}x";
    let labels = prop::collection::btree_map("[a-z]{1,4}", "[ -~]{0,6}", 0..3);
    (name, labels).prop_map(|(name, labels)| MetricName {
        name,
        labels: labels.into_iter().collect(),
        span: Span { start: 0, length: 0 },
    })
}

fn side() -> impl Strategy<Value = Side> {
    let term = (prop::option::of(-1e6..1e6_f64), metric_name(), prop::option::of(metric_name()))
        .prop_map(|(factor, metric, divisor)| Side::Term(Term { factor, metric, divisor }));
    let suffix = prop_oneof![
        Just(Suffix::None),
        Just(Suffix::Percent),
        Just(Suffix::Sigma),
        Just(Suffix::Time(Unit::Days)),
        Just(Suffix::Time(Unit::Milliseconds)),
        Just(Suffix::Bytes("MiB", 1 << 20)),
    ];
    let literal = (-1e12..1e12_f64, suffix).prop_map(|(number, suffix)| {
        Side::Literal(Quantity { number, suffix }, Span { start: 0, length: 0 })
    });
    prop_oneof![term, literal]
}

fn node() -> impl Strategy<Value = Node> {
    let operator = prop_oneof![
        Just(Operator::Less),
        Just(Operator::LessOrEqual),
        Just(Operator::Greater),
        Just(Operator::GreaterOrEqual),
        Just(Operator::Equal),
        Just(Operator::NotEqual),
    ];
    let left = (prop::option::of(-1e6..1e6_f64), metric_name(), prop::option::of(metric_name()))
        .prop_map(|(factor, metric, divisor)| Side::Term(Term { factor, metric, divisor }));
    let span = Span { start: 0, length: 0 };
    let compare = (left, operator, side()).prop_map(move |(left, operator, right)| Node::Compare {
        left,
        operator,
        right,
        span,
    });
    let leaf = prop_oneof![compare, metric_name().prop_map(Node::Flag)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::Or),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::And),
            inner.prop_map(|inner| Node::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_reads_as_what_it_was(node in node()) {
        let shown = node.to_string();
        let read = Expression::parse(&shown).map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
        prop_assert_eq!(read.node(), &node, "{}", shown);
    }

    #[test]
    fn nothing_makes_the_parser_panic(source in "\\PC{0,80}") {
        let _ = Expression::parse(&source);
        let _ = source.parse::<Quantity>();
        let _ = source.parse::<crate::severity::Persistence>();
    }

    #[test]
    fn broken_expressions_are_refused_at_a_place_inside(
        source in "([a-c]|and |or |not |[(){}<>=!*/%,\"' ]|[0-9.]{1,3}|days|σ|\\\\){0,40}"
    ) {
        if let Err(error) = Expression::parse(&source) {
            prop_assert!(error.offset <= source.len());
            prop_assert!(source.is_char_boundary(error.offset));
        }
    }
}
