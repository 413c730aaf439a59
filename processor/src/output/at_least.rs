//! An output that is told only of what is urgent enough.

use sysflow_policy::Priority;

use super::Output;
use crate::config::Level;
use crate::engine::Told;
use crate::error::Result;

/// Passes on alerts of at least one priority.
pub struct AtLeast {
    output: Box<dyn Output>,
    min: Priority,
}

impl AtLeast {
    /// `output`, for alerts from `min` on.
    pub fn new(output: impl Output + 'static, min: Level) -> Self {
        Self { output: Box::new(output), min: min.0 }
    }
}

impl std::fmt::Debug for AtLeast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AtLeast").field("output", &self.output.name()).field("min", &self.min).finish()
    }
}

impl Output for AtLeast {
    fn alert(&mut self, told: &Told) -> Result<()> {
        if told.alert.priority < self.min { Ok(()) } else { self.output.alert(told) }
    }

    fn flush(&mut self) -> Result<()> {
        self.output.flush()
    }

    fn name(&self) -> &'static str {
        self.output.name()
    }
}
