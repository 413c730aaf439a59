//! `GET /api/v1/settings`: what the page has to know of the configuration.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::App;
use crate::config;

/// What the page has to know of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Settings {
    /// Address of a graph's events in Falcosidekick-UI: `{graph}` stands for the id of the graph, `{since}` for how far to
    /// look back, such as `24h`.
    falcosidekick_ui: Option<String>,
}

impl Settings {
    pub(super) fn new(api: &config::Api) -> Self {
        Self { falcosidekick_ui: api.falcosidekick_ui.as_deref().map(events) }
    }
}

pub(super) async fn get(State(app): State<App>) -> Json<Settings> {
    Json((*app.settings).clone())
}

/// The address of a graph's events: as it was given when it says where the id goes, else as version 2.3 has it.
fn events(url: &str) -> String {
    if url.contains("{graph}") {
        return url.to_owned();
    }
    format!("{}/#/events?since={{since}}&filter={{graph}}", url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_address_becomes_the_link_of_version_2_3() {
        assert_eq!(
            events("https://ui.example/falco/"),
            "https://ui.example/falco/#/events?since={since}&filter={graph}"
        );
        let old = "https://ui.example/events?since={since}&filter={graph}";
        assert_eq!(events(old), old);
        assert_eq!(Settings::new(&config::Api::default()), Settings { falcosidekick_ui: None });
    }
}
