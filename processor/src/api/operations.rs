//! What each route takes and gives: the source of the OpenAPI document. Whoever adds a route adds an entry here.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use super::openapi::{self, Operation};
use super::{alerts, conditions, embed, etag, foreign, graphs, query, session, settings, stream};

const TEXT: &str = "text/plain";
const PAGE: &str = "text/html";

/// One entry for each method of each route.
pub(super) fn all() -> Vec<Operation> {
    vec![
        Operation::get("/healthz", "getHealth", "Whether every part of the service works").text(TEXT).probe(),
        Operation::get("/readyz", "getReadiness", "Whether records are taken").text(TEXT).probe(),
        Operation::get("/metrics", "getMetrics", "Counters and gauges in Prometheus's text format")
            .text(TEXT),
        Operation::get("/", "getPage", "The page").text(PAGE),
        Operation::get("/events", "getEventsPage", "The page of all alerts").text(PAGE),
        Operation::get("/hunt", "getHuntPage", "The page of questions to history").text(PAGE),
        Operation::get("/g/{id}", "getGraphPage", "The page of a graph").text(PAGE),
        Operation::get("/embed/g/{id}", "getEmbedPage", "The page of a graph for a frame")
            .text(PAGE)
            .empty(307, "this build has no page for frames: the page of the graph"),
        Operation::get("/assets/{*path}", "getAsset", "A file of the page").text("application/octet-stream"),
        Operation::post(session::LOGIN, "logIn", "Shows the token once, for a cookie")
            .body::<session::Login>()
            .empty(204, "logged in")
            .open(),
        Operation::post(session::LOGOUT, "logOut", "Takes the cookie away").empty(204, "logged out").open(),
        Operation::get("/api/openapi.json", "getDescription", "This document").json::<Value>().tagged(),
        Operation::get("/api/v1/rules", "listRules", "The rules in force, and why a newer set is not")
            .json::<Value>(),
        Operation::get("/api/v1/settings", "getSettings", "What the page has to know of the service")
            .json::<settings::Settings>(),
        Operation::get("/api/v1/graphs", "listGraphs", "Graphs, the most severe first")
            .query::<graphs::ListAsked>()
            .json::<Value>(),
        Operation::get("/api/v1/graphs/{id}", "getGraph", "A graph, or a part of it")
            .query::<graphs::OneAsked>()
            .json::<Value>()
            .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/records",
            "listRecords",
            "Records below a graph or node, in the order in which they came",
        )
        .query::<graphs::RecordsAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/alerts",
            "listAlertsOfGraph",
            "Alerts of a graph, the oldest first",
        )
        .query::<graphs::WindowAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/timeline",
            "getTimeline",
            "A graph over time, with alerts and losses",
        )
        .query::<graphs::TimelineAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/trace",
            "traceNode",
            "What led to a node, what came of it, or its way to the root",
        )
        .query::<graphs::TraceAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/paths",
            "findPaths",
            "How what meets one condition led to what meets another",
        )
        .query::<graphs::PathsAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get("/api/v1/graphs/{id}/diff", "compareGraphs", "How a graph differs from another one")
            .query::<graphs::DiffAsked>()
            .json::<Value>()
            .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/attack",
            "getTechniques",
            "ATT&CK techniques that alerts of a graph found",
        )
        .query::<graphs::WindowAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/traffic",
            "getTraffic",
            "Network traffic of a graph over time and by endpoint",
        )
        .query::<graphs::TrafficAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/projection",
            "projectGraph",
            "Containers, processes and endpoints of a graph",
        )
        .query::<graphs::WindowAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get("/api/v1/graphs/{id}/links", "listLinks", "Graphs that a graph hangs together with")
            .json::<Value>()
            .tagged(),
        Operation::get(
            "/api/v1/projection",
            "projectAll",
            "Containers, processes and endpoints of all graphs in memory",
        )
        .query::<graphs::WindowAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get("/api/v1/traffic", "getAllTraffic", "Network traffic of all graphs in memory")
            .query::<graphs::WindowAsked>()
            .json::<Value>()
            .tagged(),
        Operation::get(
            "/api/v1/attack",
            "getAllTechniques",
            "ATT&CK techniques that alerts of all graphs in memory found",
        )
        .query::<graphs::WindowAsked>()
        .json::<Value>()
        .tagged(),
        Operation::get(
            "/api/v1/graphs/{id}/stream",
            "followGraph",
            "Alerts and changes of a graph, as they happen",
        )
        .text(stream::KIND),
        Operation::post("/api/v1/graphs/{id}/embed", "embedGraph", "An address of a graph for a frame")
            .json::<embed::Link>(),
        Operation::post("/api/v1/query", "askHistory", "What was recorded, by a condition or by SQL")
            .body::<query::Asked>()
            .json::<Value>(),
        Operation::get("/api/v1/alerts", "listAlerts", "Alerts, the newest first")
            .query::<alerts::Asked>()
            .json::<alerts::List<'_>>()
            .tagged(),
        Operation::post("/api/v1/alerts", "postAlert", "Takes an alert of Falco, as Falcosidekick sends it")
            .body::<foreign::Payload>()
            .json::<foreign::Taken>(),
        Operation::get("/api/v1/alerts/stream", "followAlerts", "Alerts, as they happen").text(stream::KIND),
        Operation::get("/api/v1/fields", "listFields", "What conditions can be made of")
            .json::<conditions::Vocabulary>()
            .tagged(),
        Operation::post("/api/v1/conditions/check", "checkCondition", "What is wrong with a condition")
            .body::<conditions::Asked>()
            .json::<conditions::Report>(),
    ]
}

/// `GET /api/openapi.json`.
pub(super) async fn document(headers: HeaderMap) -> Response {
    static BODY: LazyLock<String> = LazyLock::new(|| openapi::document(&all()).to_string());
    etag::answer(&headers, BODY.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::App;

    #[test]
    fn every_route_is_described() {
        let routes = App::routes();
        let served: BTreeSet<_> = routes.paths().iter().map(|path| path.replace("{*", "{")).collect();
        let described: BTreeSet<_> = all().iter().map(Operation::path).collect();
        assert_eq!(served, described, "an entry in operations.rs for each route, and none more");
    }

    #[test]
    fn the_document_holds_together() {
        let document = openapi::document(&all());
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        let operations: Vec<_> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|methods| methods.as_object().unwrap().values())
            .collect();
        assert_eq!(operations.len(), all().len(), "no method is described twice");
        let ids: BTreeSet<_> =
            operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), operations.len(), "names are told apart");
        let limit = &document.pointer("/paths/~1api~1v1~1alerts/get/parameters").unwrap().as_array().unwrap();
        let limit = limit.iter().find(|parameter| parameter["name"] == "limit").unwrap();
        assert_eq!(
            (&limit["schema"]["maximum"], &limit["schema"]["type"]),
            (&1000.into(), &"integer".into())
        );
        assert_eq!(document.pointer("/components/schemas/AlertList/required/0").unwrap(), "alerts");
    }
}
