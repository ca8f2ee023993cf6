//! A text that stands for a mapping with one key: `manual: TEXT` for `manual: {instruction: TEXT}`.
//!
//! Derived untagged enums lose the place and the reason of an error. Here the type of the value alone decides, so that
//! what is wrong inside the mapping is said as it is.

/// Makes `$name` readable from a text, or from the mapping `$detailed`; it is written back as it was read.
macro_rules! shorthand {
    ($(#[$doc:meta])* $name:ident = $detailed:ident, $text:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub enum $name {
            /// The text alone.
            Short(String),
            /// Everything that can be said.
            Detailed(Box<$detailed>),
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match serde_json::Value::deserialize(deserializer)? {
                    serde_json::Value::String(text) => Ok($name::Short(text)),
                    other => serde_json::from_value(other)
                        .map(|detailed| $name::Detailed(Box::new(detailed)))
                        .map_err(serde::de::Error::custom),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $name::Short(text) => text.serialize(serializer),
                    $name::Detailed(detailed) => detailed.serialize(serializer),
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let detailed = generator.subschema_for::<$detailed>();
                schemars::json_schema!({
                    "anyOf": [{"type": "string", "minLength": 1, "description": $text}, detailed]
                })
            }
        }
    };
}

pub(super) use shorthand;
