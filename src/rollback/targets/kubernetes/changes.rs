//! What a move changes, place by place, for people. Values of environment variables are not shown: they may be secret.

use serde_json::Value;
use std::collections::BTreeSet;

use super::moves::{Move, TemplateMove};
use super::objects::{self, Pairs};
use crate::base::Untrusted;
use crate::rollback::targets::{Change, Fidelity};

/// The changes of a move on the object of this name.
pub fn of(change: &Move, name: &str, fidelity: Fidelity) -> Vec<Change> {
    let place = |field: &str| Untrusted::new(format!("{}/{name} {field}", change.resource().shown()));
    let line = |field: &str, from: Option<&str>, to: Option<&str>| Change {
        place: place(field),
        from: from.map(Untrusted::new),
        to: to.map(Untrusted::new),
        fidelity,
    };
    let mut changes = match change {
        Move::Selector(selector) => {
            let keys = selector.keys.iter().map(|(key, pair)| {
                line(&format!("spec.selector.{key}"), pair.before.as_deref(), pair.after.as_deref())
            });
            keys.collect()
        }
        Move::Replicas(wanted) => {
            let (from, to) = (wanted.count.before.to_string(), wanted.count.after.to_string());
            vec![line("spec.replicas", Some(&from), Some(&to))]
        }
        Move::Template(wanted) => template(wanted, &line),
    };
    changes.retain(|change| change.from != change.to);
    changes
}

/// Makes a line of a field, what it was and what it will be.
type Line<'a> = &'a dyn Fn(&str, Option<&str>, Option<&str>) -> Change;

fn template(wanted: &TemplateMove, line: Line<'_>) -> Vec<Change> {
    let pair = &wanted.template;
    let digests = (pair.before.digest.short(), pair.after.digest.short());
    let mut changes = vec![line("spec.template", Some(digests.0), Some(digests.1))];
    // Without the kept templates the digests still say that they differ.
    if let (Ok(before), Ok(after)) = (pair.before.read(), pair.after.read()) {
        let images = (objects::images(&before), objects::images(&after));
        for name in keys(&images.0, &images.1) {
            let (from, to) = (images.0.get(name), images.1.get(name));
            changes.push(line(&format!("image of {name}"), from.map(String::as_str), to.map(String::as_str)));
        }
        let environment = (environment(&before), environment(&after));
        for name in keys(&environment.0, &environment.1) {
            let (from, to) = (environment.0.get(name), environment.1.get(name));
            changes.push(line(name, from.map(String::as_str), to.map(String::as_str)));
        }
    }
    for (key, pair) in &wanted.annotations {
        changes.push(line(&format!("annotation {key}"), pair.before.as_deref(), pair.after.as_deref()));
    }
    changes
}

fn keys<'a>(one: &'a Pairs, other: &'a Pairs) -> BTreeSet<&'a String> {
    one.keys().chain(other.keys()).collect()
}

/// The variables of each container, and a short digest of what they are set to.
fn environment(template: &Value) -> Pairs {
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let mut found = Pairs::new();
    for container in containers.into_iter().flatten() {
        let named = objects::text(container, "/name").unwrap_or("?");
        for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
            let key = objects::text(variable, "/name").unwrap_or("?");
            let value = format!("(hidden, {})", objects::digest(variable).short());
            found.insert(format!("variable {key} of {named}"), value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::images::Image;
    use super::super::moves::Pair;
    use super::super::readiness::Need;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_shows_its_images_and_hides_its_variables() {
        let template = |image: &str, password: &str| {
            json!({"spec": {"containers": [{"name": "app", "image": image, "env": [
                {"name": "PASSWORD", "value": password}, {"name": "SAME", "value": "same"}]}]}})
        };
        let change = Move::Template(TemplateMove {
            template: Pair {
                before: Image::held(template("i:2", "hunter2")),
                after: Image::held(template("i:1", "hunter1")),
            },
            revision: Pair { before: Some(2), after: Some(1) },
            annotations: Default::default(),
            need: Pair { before: Need::Nothing, after: Need::Complete },
        });
        let lines = of(&change, "d", Fidelity::Proven);
        let text = format!("{lines:?}");
        assert!(text.contains("image of app") && text.contains("i:1") && text.contains("variable PASSWORD"));
        assert!(!text.contains("hunter") && !text.contains("SAME"), "{text}");
    }
}
