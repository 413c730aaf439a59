//! Which end of a connection is the other one.

use sysflow::record::{NetworkFlow, Record, op};
use sysflow_graph::{Limits, SampleView};

use crate::trace::*;

/// `direction endpoint count` of each sample, most telling first.
fn endpoints(flows: impl IntoIterator<Item = Record>) -> Vec<String> {
    let mut trace = Trace::new(Limits::default());
    trace.put(Record::Process(process(10, 0, 10, "/usr/bin/node", "")));
    trace.put_all(flows);
    let document = trace.document(10);
    let net = node(&document, "net", "/usr/bin/node");
    assert_eq!(net.targets, net.samples.len());
    net.samples
        .iter()
        .map(|sample| match sample {
            SampleView::Endpoint { endpoint, direction, count, .. } => {
                format!("{direction} {endpoint} {count}")
            }
            SampleView::File { .. } => panic!("a file on a net node"),
        })
        .collect()
}

#[test]
fn a_client_calls_out() {
    let flow = net_flow(10, 11, "10.0.0.2:5000", "198.51.100.77:8443", op::CONNECT, 0, 9);
    assert_eq!(endpoints([flow]), ["out 198.51.100.77:8443 1"]);
}

#[test]
fn all_calls_of_one_client_are_one_endpoint() {
    let call =
        |port: i32| net_flow(10, 11, &format!("203.0.113.10:{port}"), "10.0.0.2:3000", op::ACCEPT, 5, 0);
    assert_eq!(endpoints([call(4000), call(4001)]), ["in 203.0.113.10 -> :3000 2"]);
}

#[test]
fn a_listening_socket_has_no_other_end() {
    assert_eq!(endpoints([net_flow(10, 11, "0.0.0.0:0", "0.0.0.0:3000", op::LISTEN, 0, 0)]), ["in *:3000 1"]);
}

#[test]
fn a_continued_flow_joins_its_beginning_whatever_comes_first() {
    let first = net_flow(10, 11, "10.0.0.2:5000", "10.0.0.3:5432", op::CONNECT, 0, 100);
    let later = net_flow(10, 12, "10.0.0.2:5000", "10.0.0.3:5432", op::READ_RECV, 100, 0);
    assert_eq!(endpoints([first.clone(), later.clone()]), ["out 10.0.0.3:5432 2"]);
    assert_eq!(endpoints([later, first]), ["out 10.0.0.3:5432 2"]);
}

#[test]
fn a_connection_older_than_the_trace_is_judged_by_what_is_known_of_the_addresses() {
    let database = net_flow(10, 11, "10.0.0.2:48064", "10.0.0.3:5432", op::WRITE_SEND, 0, 100);
    let caller = net_flow(10, 12, "203.0.113.10:4000", "10.0.0.2:3000", op::READ_RECV, 9, 0);
    let accepted = net_flow(10, 13, "203.0.113.10:4001", "10.0.0.2:3000", op::ACCEPT, 9, 0);
    let expected = ["out 10.0.0.3:5432 1", "in 203.0.113.10 -> :3000 2"];
    assert_eq!(endpoints([database, caller, accepted]), expected);
}

#[test]
fn loopback_is_judged_by_the_ports_that_are_served() {
    let served = net_flow(10, 11, "127.0.0.1:4000", "127.0.0.1:7070", op::ACCEPT, 3, 0);
    let old = net_flow(10, 12, "127.0.0.1:4001", "127.0.0.1:7070", op::READ_RECV, 3, 0);
    let called = net_flow(10, 13, "127.0.0.1:4002", "127.0.0.1:9090", op::WRITE_SEND, 0, 1);
    assert_eq!(endpoints([served, old, called]), ["out 127.0.0.1:9090 1", "in 127.0.0.1 -> :7070 2"]);
}

#[test]
fn ipv6_is_bracketed() {
    let Record::NetworkFlow(flow) = net_flow(10, 11, "0.0.0.0:5000", "0.0.0.0:443", op::CONNECT, 0, 1) else {
        unreachable!("a network flow")
    };
    let mut server = [0; 16];
    server[15] = 1;
    let flow = NetworkFlow { sip6: Some([2; 16]), dip6: Some(server), ..flow };
    assert_eq!(endpoints([Record::NetworkFlow(flow)]), ["out [::1]:443 1"]);
}
