//! Readings of all metrics at one moment: what conditions are evaluated against.

use super::catalog::{SlotId, Table};

/// What is known of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) enum Reading {
    /// Nothing.
    #[default]
    Absent,
    /// A usable value in the metric's unit.
    Value(f64),
    /// No usable value; the index of the reason in the frame.
    Undecided(u32),
    /// Samples of other versions than the served one, and none of its own.
    Warming,
}

/// One reading for each slot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) readings: Vec<Reading>,
    reasons: Vec<String>,
}

impl Frame {
    /// Forgets everything, keeping its memory.
    pub(crate) fn reset(&mut self, table: &Table) {
        self.readings.clear();
        self.readings.resize(table.slots.len(), Reading::Absent);
        self.reasons.clear();
    }

    #[inline]
    pub(crate) fn reading(&self, slot: SlotId) -> Reading {
        self.readings.get(usize::from(slot)).copied().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn value(&self, slot: SlotId) -> Option<f64> {
        match self.reading(slot) {
            Reading::Value(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn set(&mut self, slot: SlotId, reading: Reading) {
        if let Some(place) = self.readings.get_mut(usize::from(slot)) {
            *place = reading;
        }
    }

    /// Notes why there is no usable value. The reason names the metric.
    pub(crate) fn set_undecided(&mut self, slot: SlotId, reason: String) {
        let index = u32::try_from(self.reasons.len()).unwrap_or(u32::MAX);
        self.reasons.push(reason);
        self.set(slot, Reading::Undecided(index));
    }

    /// Takes a value in, judged by its slot's range.
    #[inline]
    pub(crate) fn set_value(&mut self, table: &Table, slot: SlotId, value: f64) {
        let Some(definition) = table.get(slot) else { return };
        if definition.accepts(value) {
            self.set(slot, Reading::Value(value));
        } else {
            self.set_undecided(slot, definition.refuse(value));
        }
    }

    pub(crate) fn reason(&self, index: u32) -> &str {
        usize::try_from(index).ok().and_then(|index| self.reasons.get(index)).map_or("", String::as_str)
    }
}
