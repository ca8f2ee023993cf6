//! Changes that many databases need, so that nobody has to write their statements at night.

mod client_settings;
mod deployment_log;

pub use client_settings::ClientSettingsConfig;
pub use deployment_log::{DeploymentColumns, DeploymentLogConfig, InProduction};
