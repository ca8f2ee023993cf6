//! Statistics of two samples: what probes of data compute, apart from where the data comes from.

pub(in crate::probe) mod chance;
pub(in crate::probe) mod kolmogorov;
pub(in crate::probe) mod sketch;
pub(in crate::probe) mod stability;

/// The sample that something is compared with.
pub(in crate::probe) const REFERENCE: usize = 0;

/// The sample that is compared.
pub(in crate::probe) const CURRENT: usize = 1;
