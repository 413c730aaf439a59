//! Pods and their services.

use super::json_writer::Json;
use crate::attr::names::ipv4;
use crate::record::{Pod, Service};

/// The services of a pod as JSON text, for rules that ask it with a path.
pub(crate) fn pod_services(pod: &Pod) -> String {
    let mut json = Json::default();
    json.array(|json| pod.services.iter().for_each(|s| service(json, s, "clusterip")));
    json.into_string()
}

/// The section `pod` of SysFlow's JSON.
pub(super) fn pod_section(json: &mut Json, pod: &Pod) {
    json.strings("hostip", addresses(&pod.host_ip));
    json.field("id", &pod.id);
    json.strings("internalip", addresses(&pod.internal_ip));
    json.field("name", &pod.name);
    json.field("namespace", &pod.namespace);
    json.field("nodename", &pod.node_name);
    json.number("restartcnt", pod.restart_count);
    json.key("services").array(|json| pod.services.iter().for_each(|s| service(json, s, "clusterIP")));
    json.number("ts", pod.ts);
}

fn service(json: &mut Json, service: &Service, cluster_ip: &str) {
    json.object(|json| {
        json.field("id", &service.id);
        json.field("name", &service.name);
        json.field("namespace", &service.namespace);
        json.strings(cluster_ip, addresses(&service.cluster_ip));
        json.key("ports").array(|json| {
            for port in &service.port_list {
                json.object(|json| {
                    json.number("port", port.port);
                    json.number("targetport", port.target_port);
                    json.number("nodeport", port.node_port);
                    json.field("proto", &port.proto);
                });
            }
        });
    });
}

/// Addresses of a pod or service as text.
pub(super) fn addresses(addresses: &[i64]) -> impl Iterator<Item = String> {
    addresses.iter().map(|&address| ipv4(address as i32).to_string())
}
