//! The sections of a connection.

use std::net::IpAddr;

use sha1::{Digest, Sha1};

use crate::attr::names::{endpoints, ipv4};
use crate::format::json_writer::Json;
use crate::record::NetworkFlow;

pub(super) fn network(json: &mut Json, flow: &NetworkFlow) {
    let protocol = match flow.proto {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        254 => "raw",
        _ => "",
    };
    json.key("network").object(|json| {
        json.number("bytes", flow.num_rrecv_bytes.saturating_add(flow.num_wsend_bytes));
        json.field("community_id", &community_id(flow));
        json.field("iana_number", &flow.proto.to_string());
        json.field("protocol", protocol);
    });
    let (client, server) = endpoints(flow);
    // The original counts from the side of the process, which need not be the client's.
    side(json, "source", &client, flow.sport, flow.num_wsend_bytes, flow.num_wsend_ops);
    side(json, "destination", &server, flow.dport, flow.num_rrecv_bytes, flow.num_rrecv_ops);
}

fn side(json: &mut Json, key: &str, address: &str, port: i32, bytes: i64, packets: i64) {
    json.key(key).object(|json| {
        json.field("address", address);
        json.number("bytes", bytes);
        json.field("ip", address);
        json.number("packets", packets);
        json.number("port", port);
    });
}

/// Community ID version 1 with seed 0: the same for both directions of a connection and in all tools that know it.
fn community_id(flow: &NetworkFlow) -> String {
    let client = (octets(flow.sip, flow.sip6), flow.sport as u16);
    let server = (octets(flow.dip, flow.dip6), flow.dport as u16);
    let (low, high) = if client <= server { (client, server) } else { (server, client) };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    hash.update(&low.0);
    hash.update(&high.0);
    hash.update([flow.proto as u8, 0]);
    hash.update(low.1.to_be_bytes());
    hash.update(high.1.to_be_bytes());
    format!("1:{}", base64(&hash.finalize()))
}

fn octets(v4: i32, v6: Option<[u8; 16]>) -> Vec<u8> {
    match v6.map_or(IpAddr::V4(ipv4(v4)), IpAddr::from) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
