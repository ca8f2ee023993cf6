//! `--changed`: which suites have anything to do with what differs from a commit.

use std::collections::BTreeMap;

use crate::base::untrusted::{Sink, escape};
use crate::check::scope::data_only;
use crate::cli::Context;
use crate::config::{Kind, ServiceConfig, Workspace};
use crate::verify::SuiteConfig;
use crate::verify::changed::{Changes, Reason};

/// Keeps the suites that a change can have touched, and says why. Where git cannot say what differs, all are kept.
pub fn changed(suites: &mut Vec<&SuiteConfig>, workspace: &Workspace, reference: &str, context: &Context) {
    let changes = match Changes::since(&workspace.root, reference) {
        Ok(changes) => changes,
        Err(error) => {
            let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            context.out.warning(&format!("every suite is run, since {}{hint}", error.message));
            return;
        }
    };
    suites.retain(|suite| {
        let (name, reference) = (&suite.suite, escape(reference, Sink::Terminal));
        match touch(&changes, suite, workspace) {
            Reason::Changed(input) => {
                let input = escape(&input, Sink::Terminal);
                context.out.note(&format!("{name} is run: {input} differs from {reference}"));
                true
            }
            Reason::Unknown(why) => {
                context.out.note(&format!("{name} is run: {}", escape(&why, Sink::Terminal)));
                true
            }
            Reason::Untouched => {
                context.out.note(&format!("{name} is not run: none of its inputs differs from {reference}"));
                false
            }
        }
    });
}

fn touch(changes: &Changes, suite: &SuiteConfig, workspace: &Workspace) -> Reason {
    let none = BTreeMap::new();
    let service = suite.service.as_ref().and_then(|name| workspace.services.get(name));
    let written = [
        workspace.source(Kind::Verify, Some(&suite.suite)),
        service.and_then(|service| workspace.source(Kind::Service, Some(&service.service))),
        Some(workspace.root.join("config/irctl.yaml")),
    ];
    let relative = |path: std::path::PathBuf| {
        Some(path.strip_prefix(&workspace.root).ok()?.to_string_lossy().into_owned())
    };
    let files: Vec<String> = written.into_iter().flatten().filter_map(relative).collect();
    // Which version serves decides which samples count, and is not always written in files.
    if let Some(service) = service.filter(|service| !serves_from_files(service)) {
        return Reason::Unknown(format!("what {} serves stands in more than files", service.service));
    }
    let rollback = service.and_then(|service| service.rollback.as_ref());
    let serving = service.and_then(|service| service.serving.as_ref());
    let more =
        [serde_json::to_value(rollback.map(|rollback| &rollback.targets)), serde_json::to_value(serving)];
    let more: Vec<_> = more.into_iter().flatten().collect();
    changes.touch(suite, service.map_or(&none, |service| &service.probes), &files, &more)
}

fn serves_from_files(service: &ServiceConfig) -> bool {
    let data = data_only(service);
    let targets = |one: &ServiceConfig| one.rollback.as_ref().map_or(0, |rollback| rollback.targets.len());
    targets(&data) == targets(service) && data.serving.is_some() == service.serving.is_some()
}
